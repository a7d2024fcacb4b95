"""What commands make with the HSM is what payments and handshakes accept."""

import time
from pathlib import Path
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from adapters.backend.operator_ports import Denied
from adapters.backend.personalisation import CARD_PREFIX, HsmPersonalisation, expiry_of
from adapters.hsm.authority import establish
from adapters.hsm.card_verification import CardVerification, Track2
from adapters.hsm.keys import Hsm
from adapters.hsm.pin_verification import PinVerification
from adapters.hsm.provision import open_token
from application.authorize import CARD_NUMBER
from devices.magstripe import read_stripe
from devices.personalisation import new_request
from protocol.certificates import Trust
from protocol.encoding import unb64
from protocol.pin import seal_pin
from tests.integration.hsm.conftest import PIN
from tests.unit.application.ledger_double import context

NOW_US = 1_790_000_000_000_000  # 2026-09-21


@pytest.fixture
def hsm(installed: Path) -> Hsm:
    return Hsm(open_token(installed, PIN, writable=True))


@pytest.fixture
def personalisation(hsm: Hsm) -> HsmPersonalisation:
    return HsmPersonalisation(hsm, establish(hsm.token))


def test_a_drawn_card_is_read_and_verified(personalisation: HsmPersonalisation, hsm: Hsm) -> None:
    card = personalisation.draw_card("José", "Núñez", NOW_US)
    assert card.pan.startswith(CARD_PREFIX)
    assert card.expiry == "2909"
    assert card.digest == hsm.index(CARD_NUMBER, card.pan)
    swiped = read_stripe(card.track1 + card.track2)
    assert swiped.masked == card.masked_pan
    assert "NUNEZ/JOSE" in card.track1
    assert isinstance(CardVerification(hsm.token).verify_track2(card.track2), Track2)
    assert card.pan not in repr(card)


def test_a_certificate_is_trusted_and_recorded(
    personalisation: HsmPersonalisation, hsm: Hsm, tmp_path: Path
) -> None:
    subject = uuid4()
    certified = personalisation.certify(new_request(tmp_path / "device"), subject, "pos")
    trust = Trust(establish(hsm.token).root.public_bytes(Encoding.DER))
    peer = trust.verify(certified.chain_der, time.time_ns() // 1_000_000)
    assert (peer.subject_id, peer.role) == (subject, "pos")
    event = certified.record.event(context(), subject)
    assert event.serial == peer.kid
    assert event.fingerprint == peer.certificate.fingerprint(SHA256())
    with pytest.raises(Denied):
        personalisation.certify(b"no request", subject, "pos")


def test_an_operators_pin_block_gives_the_reference_that_payments_give(
    personalisation: HsmPersonalisation, hsm: Hsm
) -> None:
    pins, t4 = PinVerification(hsm.token), b"t" * 32
    pan = "9840000000000009"

    def reference(pin: str) -> bytes:
        sealed = seal_pin(pin, pan, pins.pin_public_key(), t4, 0, 77)
        point, block = unb64(sealed["ephemeral"]), unb64(sealed["block"])
        return personalisation.pin_reference(point, block, t4, 77)

    assert reference("4711") == reference("4711")
    assert reference("4711") != reference("4712")
    with pytest.raises(Denied):
        personalisation.pin_reference(b"\x04" * 65, b"b" * 40, t4, 77)


def test_an_activation_code_is_the_commands_own(personalisation: HsmPersonalisation) -> None:
    one, other = uuid4(), uuid4()
    code = personalisation.activation_code(one)
    assert code == personalisation.activation_code(one)
    assert code != personalisation.activation_code(other)
    assert [len(group) for group in code.split("-")] == [5, 5, 5, 5]


@pytest.mark.parametrize(
    ("now_us", "expiry"),
    [(NOW_US, "2909"), (946_684_800_000_000, "0301"), (4_102_444_799_000_000, "0212")],
)
def test_a_card_is_valid_for_three_years(now_us: int, expiry: str) -> None:
    assert expiry_of(now_us) == expiry
