"""Which generation is in use, and what older ones still do: with a real token, rotated for good."""

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from adapters.hsm.authority import Authority, establish
from adapters.hsm.card_verification import SERVICE_CODE, CardVerification, Track2, TrackFault
from adapters.hsm.certification_request import RequestRefused
from adapters.hsm.generations import labelled
from adapters.hsm.keys import Hsm
from adapters.hsm.pin_verification import PinBlockInvalid, PinVerification
from adapters.hsm.provision import make_key, open_token, provision, read_generations, spec_of
from adapters.hsm.session import KeySession
from adapters.hsm.token import HsmUnavailable, Token
from adapters.hsm.writing import written
from adapters.key_rotation import use_certified
from domain import pan as pans
from protocol.certificates import Trust
from protocol.encoding import unb64
from protocol.pin import seal_pin

PIN = "a test's PIN"
PAN = pans.make("984000", 123_456_789)
T4 = sha256(b"a session").digest()
MS = 1_790_000_000_000
_DER = Encoding.DER


@pytest.fixture
def home(tmp_path: Path) -> Path:
    provision(tmp_path, PIN)
    writable = open_token(tmp_path, PIN, writable=True)
    establish(writable)
    writable.close()
    return tmp_path


@pytest.fixture
def token(home: Path) -> Iterator[Token]:
    opened = open_token(home, PIN)
    yield opened
    opened.close()


def public_key(keys: KeySession, label: str) -> ec.EllipticCurvePublicKey:
    return keys.public_key_p256(label)


def make(token: Token, *names: str, generation: int = 2) -> None:
    for name in names:
        make_key(written(token), spec_of(name, generation))


def in_use(home: Path, name: str) -> int:
    """As a backend that starts now reads it."""
    token = open_token(home, PIN)
    try:
        return token.generations.newest(name)
    finally:
        token.close()


def test_a_start_takes_what_is_complete_and_nothing_else(home: Path, token: Token) -> None:
    make(token, "K_PVV", "CA-ISSUING", "K_CVV")
    assert in_use(home, "K_CVV") == 2
    assert in_use(home, "K_PVV") == 1, "without the key that hashes its result"
    assert in_use(home, "CA-ISSUING") == 1, "without its certificate"
    make(token, "K_PVV2")
    Authority(token).make_issuing(2)
    for name in ("K_PVV", "K_PVV2", "CA-ISSUING"):
        assert in_use(home, name) == 2
    assert in_use(home, "K_DB") == 1


def test_the_certificate_says_which_key_the_backend_shows(home: Path, token: Token) -> None:
    authority = Authority(token)
    shown = authority.issue_leaf(authority.backend_key, uuid4(), "backend")
    make(token, "BACKEND-ID")
    read_generations(token)
    assert token.generations.newest("BACKEND-ID") == 2
    assert use_certified(token, "BACKEND-ID", [shown]) == 1, "a crash left the second uncertified"
    authority.look_for_own_keys()
    second = authority.issue_backend(uuid4(), 2)
    token.generations.use("BACKEND-ID", 2)
    assert use_certified(token, "BACKEND-ID", [second]) == 2
    message = b"as the backend"
    assert Hsm(token).sign_identity(message, 1) != Hsm(token).sign_identity(message, 2)
    with pytest.raises(HsmUnavailable, match="no BACKEND-ID"):
        use_certified(token, "BACKEND-ID", [authority.root])


def test_every_generation_of_the_backends_keys_stays_its_own(token: Token) -> None:
    authority = Authority(token)
    make(token, "BACKEND-ID", "PIN-ENC")
    authority.look_for_own_keys()
    for generation in (1, 2):
        key = token.run(partial(public_key, label=f"BACKEND-ID/{generation}"))
        with pytest.raises(RequestRefused, match="role backend"):
            authority.issue_leaf(key, uuid4(), "operator")
        pin_key = token.run(partial(public_key, label=f"PIN-ENC/{generation}"))
        with pytest.raises(RequestRefused, match="PIN blocks"):
            authority.issue_leaf(pin_key, uuid4(), "pos")


def test_a_new_issuing_key_signs_and_the_old_one_is_believed(token: Token) -> None:
    authority = Authority(token, validation_url="http://127.0.0.1:1")
    old = authority.issue_leaf(authority.backend_key, uuid4(), "backend")
    authority.make_issuing(2)
    assert authority.chain_der(old)[1] == authority.issuing.public_bytes(_DER)
    token.generations.use("CA-ISSUING", 2)
    authority.use_newest_issuing()
    new = authority.issue_leaf(authority.backend_key, uuid4(), "backend")
    trust = Trust(authority.root.public_bytes(_DER))
    now_ms = int(datetime.now(UTC).timestamp() * 1000)
    for leaf, name in ((old, "Issuing CA"), (new, "Issuing CA 2")):
        chain = authority.chain_der(leaf)
        assert trust.verify(chain, now_ms).role == "backend"
        issuing = x509.load_der_x509_certificate(chain[1])
        assert issuing.subject.rfc4514_string().startswith(f"CN=TicketRestaurant US {name},")
    assert authority.issuing.not_valid_after_utc <= authority.root.not_valid_after_utc
    with pytest.raises(ValueError, match="subject does not match"):
        new.verify_directly_issued_by(x509.load_der_x509_certificate(authority.chain_der(old)[1]))


def test_a_stripe_verifies_under_the_key_that_it_names(token: Token) -> None:
    cards = CardVerification(token)

    def stripe() -> str:
        return cards.make_tracks(PAN, "DOE/ANN", "2911", SERVICE_CODE, 1)[1]

    old = stripe()
    unborn = old[:-12] + "2" + old[-11:]
    assert cards.verify_track2(unborn) is TrackFault.CARD_CHECK, "no such generation yet"
    make(token, "K_CVV")
    token.generations.use("K_CVV", 2)
    new = stripe()
    assert (old[-12], new[-12]) == ("1", "2")
    for text in (old, new):
        assert isinstance(cards.verify_track2(text), Track2)
    for forged in (unborn, new[:-12] + "1" + new[-11:], new[:-12] + "0" + new[-11:]):
        assert cards.verify_track2(forged) is TrackFault.CARD_CHECK


def test_a_pin_is_found_under_the_reference_of_any_generation(token: Token) -> None:
    pins = PinVerification(token)

    def sealed(pin: str) -> tuple[bytes, bytes]:
        made = seal_pin(pin, PAN, pins.pin_public_key(), T4, 1, MS)
        return unb64(made["ephemeral"]), unb64(made["block"])

    old = pins.set_pin(*sealed("1234"), T4, 1, MS)
    before = sealed("1234")
    make(token, "K_PVV", "K_PVV2", "PIN-ENC")
    for name in ("K_PVV", "K_PVV2", "PIN-ENC"):
        token.generations.use(name, 2)
    assert pins.verify_pin(*sealed("1234"), T4, 1, MS, old)
    assert not pins.verify_pin(*sealed("1235"), T4, 1, MS, old)
    newest, oldest = pins.references(*sealed("1234"), T4, 1, MS)
    assert (newest[0], oldest) == (2, old)
    assert newest[1:] != old[1:]
    assert pins.set_pin(*sealed("1234"), T4, 1, MS) == newest
    # A block to the old key opens with that key alone, which the session names.
    assert pins.references(*before, T4, 1, MS, 1) == (newest, oldest)
    with pytest.raises(PinBlockInvalid):
        pins.references(*before, T4, 1, MS)


def test_what_was_found_by_an_older_index_is_still_found(token: Token) -> None:
    hsm = Hsm(token)
    old = hsm.index("card-number", PAN)
    make(token, "K_INDEX")
    token.generations.use("K_INDEX", 2)
    assert hsm.indexes("card-number", PAN) == (hsm.index("card-number", PAN), old)
    assert hsm.index("card-number", PAN) != old


def test_a_label_is_name_and_generation() -> None:
    assert labelled("K_DB", 12) == "K_DB/12"
