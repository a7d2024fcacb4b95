"""A decision goes to the POS that asked, and to a phone only where it is about that one's card."""

import itertools
import json
import os
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID, uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from adapters.backend.card_questions import Asked, Checked, Stripe
from adapters.backend.payments import Payments
from adapters.backend.signature_checks import SignatureChecks
from application.authorize import Authorize, Decision
from application.work import UNAVAILABLE, Work
from protocol.contract import TYP_CARD, TYP_POS, Contract, card_reference, encode_contract
from protocol.detached import sign_detached
from protocol.encoding import b64, to_json
from protocol.line import Line
from protocol.sealed_track import seal_track

PAN = "9840001234567892"
TRACK = f";{PAN}=29127250100112345678?"
_ids = itertools.count(1)


class Party:
    """A POS or a phone with a session, and what the backend sent to it."""

    def __init__(self, role: str) -> None:
        key = generate_private_key(SECP256R1())
        self.role, self.subject_id, self.who = role, uuid4(), f"{role}:x"
        certificate = SimpleNamespace(public_key=key.public_key(), kid="1f")
        self.session = SimpleNamespace(
            id="a" * 32, peer=certificate, t4=os.urandom(32), export=os.urandom(32)
        )
        self.point = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        self.outstanding, self.held_pins, self.gone = 0, dict[int, Any](), False
        self.told: list[dict[str, Any]] = []
        self._key = key

    def detached(self, raw: bytes, typ: str) -> str:
        def rs(data: bytes) -> bytes:
            r, s = decode_dss_signature(self._key.sign(data, ECDSA(SHA256())))
            return r.to_bytes(32) + s.to_bytes(32)

        return sign_detached(raw, typ, "1f", rs)

    def send(self, kind: str, verb: str, body: bytes) -> None:
        assert (kind, verb) == ("I", "DECISION")
        self.told.append(json.loads(body))


class Loop:
    """Calls at once what is to be called soon."""

    def call_soon(self, call: Callable[[], None]) -> None:
        call()


class Counter:
    """A POS, a phone and the payments between them; `engine` gives the answer."""

    def __init__(self, answer: Callable[[Authorize], Any]) -> None:
        self._decide = answer
        self.pos, self.phone = Party("pos"), Party("card")
        sessions = SimpleNamespace(by_session={"a" * 32: self.phone})
        cards = SimpleNamespace(healthy=True, submit=self._checked)
        self._payments = Payments(
            cast(Any, sessions),
            cast(Any, cards),
            self._submit,
            SignatureChecks(cast(Any, Loop())),
            cast(Any, None),
            uuid4(),
        )

    def _submit(self, work: Work, done: Callable[[Any], None]) -> bool:
        done(self._decide(cast(Authorize, work)))
        return True

    @staticmethod
    def _checked(asked: Asked, done: Callable[[Any], None]) -> bool:
        done(Checked(Stripe((b"d" * 32,), True, "984000******"), None))
        return True

    def pay(self, *, consent: str = TYP_CARD) -> None:
        """A payment with the phone, whatever number its track has."""
        salt, ms = os.urandom(16), time.time_ns() // 1_000_000
        raw = encode_contract(
            Contract(
                amount_cents=100,
                card=card_reference(salt, PAN),
                counter=next(_ids),
                currency="USD",
                expires_ms=ms + 1,
                items=bytes(32),
                ms=ms,
                session=self.pos.session.t4,
                shop=uuid4(),
                terminal=self.pos.subject_id,
            )
        )
        body = {
            "id": 1,
            "contract": b64(raw),
            "signature": self.pos.detached(raw, TYP_POS),
            "pin": False,
            "consent": self.phone.detached(raw, consent),
            "card_id": str(self.phone.subject_id),
            "track": seal_track(TRACK, salt, raw, "a" * 32, self.phone.session.export),
        }
        line = Line("C", "AUTHORIZE", "backend", "b" * 32, 1, b"")
        self._payments.received(cast(Any, self.pos), line, to_json(body))


def decision(card: UUID | None) -> Decision:
    return Decision(
        transaction_id=uuid4(),
        approved=False,
        code="63",
        reason="card-check",
        text="no",
        amount_cents=100,
        would_pass_cents=None,
        decided_us=1,
        card_id=card,
    )


def test_the_phone_whose_card_it_is_hears_the_decision() -> None:
    counter = Counter(lambda work: decision(work.ask.consent_card_id))
    counter.pay()
    assert len(counter.pos.told) == len(counter.phone.told) == 1


@pytest.mark.parametrize("about", [UUID(int=7), None])
def test_a_phone_hears_nothing_of_another_card_whose_number_it_presented(
    about: UUID | None,
) -> None:
    counter = Counter(lambda work: decision(about))
    counter.pay()
    assert len(counter.pos.told) == 1
    assert not counter.phone.told


def test_a_phone_that_did_not_sign_hears_nothing() -> None:
    counter = Counter(lambda work: decision(work.ask.consent_card_id))
    counter.pay(consent=TYP_POS)
    assert len(counter.pos.told) == 1
    assert not counter.phone.told


def test_that_nothing_was_decided_is_told_to_who_consented() -> None:
    counter = Counter(lambda work: UNAVAILABLE)
    counter.pay()
    assert [told["code"] for told in (*counter.pos.told, *counter.phone.told)] == ["91", "91"]
