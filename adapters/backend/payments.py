"""Payments as terminals ask for them: AUTHORIZE, PRESENT-PIN, REVERSE (TR-TPR section 10).

Here everything cryptographic about a payment is checked: signatures over the bytes received, the
stripe, the PIN block, the phone's consent. What came out goes to the engine as one `Ask`.
"""

import hashlib
import logging
import secrets
from collections.abc import Callable
from typing import Any, NamedTuple
from uuid import UUID

from adapters.backend.card_questions import Asked, CardChecks, Checked, PinAsked, Stripe
from adapters.backend.payment_messages import (
    AuthorizeBody,
    read_authorize,
    to_phone,
    to_pos,
    undecided,
)
from adapters.backend.reversals import DEADLINE_US, Reversals
from adapters.backend.sessions import OUTSTANDING_MOST, Peer, Sessions
from adapters.backend.signature_checks import Check, SignatureChecks
from adapters.clock import system_now_us
from application.authorize import Ask, Authorize, Decision
from application.cache import Cache
from application.ports import Unavailable
from application.work import UNAVAILABLE, Failed, Work
from domain.aggregates.transaction import Signed
from protocol import bodies, messages
from protocol.contract import (
    TYP_CARD,
    TYP_POS,
    Contract,
    card_reference,
    parse_contract,
)
from protocol.detached import read_detached
from protocol.encoding import unb64
from protocol.errors import (
    BAD_BODY,
    BAD_SIGNATURE,
    BUSY,
    INTERNAL,
    UNKNOWN_VERB,
    WRONG_PEER,
    BodyError,
    ProtocolError,
)
from protocol.line import Line
from protocol.record import Session
from protocol.sealed_track import SealedTrack, open_track

log = logging.getLogger(__name__)
PINS_HELD_MOST = 4
STRIPES_KEPT = 200_000


class Payments:
    """The service of role `pos` for money. `submit` queues a work in the engine."""

    def __init__(
        self,
        sessions: Sessions,
        cards: CardChecks,
        submit: Callable[[Work, Callable[[Any], None]], bool],
        signatures: SignatureChecks,
        reversals: Reversals,
        issuer_id: UUID,
        now_us: Callable[[], int] = system_now_us,
    ) -> None:
        self._now_us = now_us
        self._signatures = signatures
        self._sessions = sessions
        self._cards = cards
        self._submit = submit
        self._issuer_id = issuer_id
        self._reversals = reversals
        # Keyed with a secret of this run: a dump of memory shows no card number by it.
        self._secret = secrets.token_bytes(32)
        self.answers: dict[str, int] = {}
        self._stripes: Cache[bytes, Stripe | None] = Cache(STRIPES_KEPT)

    def received(self, peer: Peer, line: Line, body: bytes) -> None:
        """One record of a POS."""
        if line.verb == "AUTHORIZE" and line.kind == "C":
            self._authorize(peer, body)
        elif line.verb == "REVERSE" and line.kind == "C":
            self._reversals.received(peer, bodies.read(body, messages.Reverse))
        elif line.verb == "PRESENT-PIN" and line.kind == "C":
            self._present_pin(peer, bodies.read(body, messages.PresentPin))
        else:
            raise BodyError(UNKNOWN_VERB)

    # AUTHORIZE

    def _authorize(self, peer: Peer, body: bytes) -> None:
        asked = read_authorize(body)
        if peer.outstanding >= OUTSTANDING_MOST:
            peer.error(BUSY, asked.id)
            return
        try:
            arrived = self._arrived(peer, asked)
        except ProtocolError as error:
            peer.error(error.code, asked.id, error.text)
            return
        peer.outstanding += 1
        # The PIN of a payment waits in the session, and the next ones would push it out.
        submit = self._signatures.at_once if asked.pin else self._signatures.submit
        submit(arrived.checks, lambda valid: self._verified(peer, asked, arrived, valid))

    def _arrived(self, peer: Peer, asked: AuthorizeBody) -> "_Arrived":
        """The signatures to verify: the terminal's, and the phone's where it can be one."""
        raw = _bytes(asked.contract)
        read = read_detached(raw, asked.signature, TYP_POS, peer.session.peer.kid)
        checks, phone = [Check(peer.point, *read)], None
        if asked.consent:
            phone = self._sessions.by_session.get((asked.track or {}).get("session", ""))
        if phone is not None and phone.role != "card":
            phone = None
        if phone is not None:
            try:
                read = read_detached(raw, asked.consent, TYP_CARD, phone.session.peer.kid)
            except BodyError:
                pass  # no consent: the rules refuse it
            else:
                checks.append(Check(phone.point, *read))
        return _Arrived(raw, checks, phone)

    def _verified(
        self, peer: Peer, asked: AuthorizeBody, arrived: "_Arrived", valid: list[bool]
    ) -> None:
        """After the signatures."""
        try:
            if not valid[0]:
                raise BodyError(BAD_SIGNATURE)
            payment = self._verify(peer, asked, arrived, consents=valid[1:] == [True])
        except Exception as error:
            peer.outstanding -= 1
            if not isinstance(error, ProtocolError):
                log.exception("an AUTHORIZE")
                error = ProtocolError(INTERNAL)
            peer.error(error.code, asked.id, error.text)
            return
        if not self._cards.healthy:
            self._answer(payment, UNAVAILABLE)
            return
        known = self._stripes.get(self._stripe_key(payment.track2), None)
        if known is not None and payment.pin is None:
            self._decide(payment, known, None)
        elif not self._cards.submit(
            Asked("" if known is not None else payment.track2, payment.pin),
            lambda result: self._asked_hsm(payment, known, result),
        ):
            self._answer(payment, UNAVAILABLE)

    def _verify(
        self, peer: Peer, asked: AuthorizeBody, arrived: "_Arrived", *, consents: bool
    ) -> "_Payment":
        """The contract, parsed now that its bytes are the terminal's, and what came with it."""
        contract = parse_contract(arrived.raw)
        if contract.terminal != peer.subject_id:
            raise BodyError(WRONG_PEER, "the contract names another terminal")
        payment = _Payment(peer, asked.id, arrived.raw, contract, asked)
        if asked.consent:
            if asked.salt is not None or asked.track2:
                raise BodyError(BAD_BODY, "a virtual card's track and salt come sealed")
            salt = self._open_consent(payment, asked, arrived.phone)
            payment.consent_valid = consents and asked.card_id == str(payment.consent_card_id)
        else:
            if asked.salt is None or asked.track is not None:
                raise BodyError(BAD_BODY, "a stripe comes with its salt and without a sealed track")
            salt = _bytes(asked.salt)
            payment.track2 = asked.track2
        if card_reference(salt, _pan(payment.track2)) != contract.card:
            raise BodyError(BAD_BODY, "the contract was made for another card")
        if asked.pin:
            presented = peer.held_pins.pop(contract.counter, None)
            if presented is None:
                raise BodyError(BAD_BODY, "no PIN was presented for this payment")
            payment.pin = _pin_asked(presented, contract, peer.session)
        return payment

    def _open_consent(self, payment: "_Payment", asked: AuthorizeBody, phone: Peer | None) -> bytes:
        """The phone's track and salt, which only its session's key opens."""
        if phone is None:
            raise BodyError(WRONG_PEER, "the card has no session with us: have it connect again")
        sealed = asked.track or {}
        payment.track2, salt = open_track(
            SealedTrack(
                session=phone.session.id, nonce=sealed.get("nonce", ""), box=sealed.get("box", "")
            ),
            payment.raw,
            phone.session.export,
        )
        payment.phone = phone
        payment.consent_card_id = phone.subject_id
        return salt

    def _stripe_key(self, track2: str) -> bytes:
        return hashlib.blake2b(track2.encode(), key=self._secret, digest_size=16).digest()

    def _asked_hsm(self, payment: "_Payment", known: Stripe | None, result: Any) -> None:
        if isinstance(result, Checked):
            stripe = known or result.stripe
            assert stripe is not None, "it was asked for"
            if stripe.genuine:
                self._stripes[self._stripe_key(payment.track2)] = stripe
            self._decide(payment, stripe, result.references)
        elif isinstance(result, Unavailable):
            self._answer(payment, UNAVAILABLE)
        elif isinstance(result, ProtocolError):
            payment.peer.outstanding -= 1
            payment.peer.error(result.code, payment.request, result.text)
        else:
            log.error("checking a card failed: %s", type(result).__name__)
            self._answer(payment, Failed("96", "error"))

    def _decide(
        self, payment: "_Payment", stripe: Stripe, references: tuple[bytes, ...] | None
    ) -> None:
        contract, peer = payment.contract, payment.peer
        payment.track2 = ""
        ask = Ask(
            terminal_id=peer.subject_id,
            shop_id=contract.shop,
            counter=contract.counter,
            ms=contract.ms,
            amount_cents=contract.amount_cents,
            expires_us=contract.expires_ms * 1000,
            of_this_session=contract.session == peer.session.t4,
            card_digest=stripe.digests[0],
            older_digests=stripe.digests[1:],
            masked_pan=stripe.masked_pan,
            stripe_genuine=stripe.genuine,
            pin_references=references,
            consent_valid=payment.consent_valid,
            consent_card_id=payment.consent_card_id,
            signed=payment.signed(),
            actor=peer.who,
            issuer_id=self._issuer_id,
            partial=contract.partial,
            tip_most_cents=contract.tip_cents,
            group_id=contract.group,
        )
        work = Authorize(ask, self._now_us() + DEADLINE_US, lambda: not peer.gone)
        if not self._submit(work, lambda answer: self._answer(payment, answer)):
            self._answer(payment, UNAVAILABLE)

    def _answer(self, payment: "_Payment", answer: Decision | Failed | None) -> None:
        """DECISION to the POS, and to the phone whose card it was about.

        A phone can consent to the number of another card: that one's affairs are not told to it.
        """
        peer, contract, phone = payment.peer, payment.contract, payment.phone
        peer.outstanding -= 1
        if answer is None:
            return
        about = answer.card_id if isinstance(answer, Decision) else payment.consent_card_id
        if isinstance(answer, Failed):
            answer = undecided(answer, contract, self._now_us())
        self.answers[answer.code] = self.answers.get(answer.code, 0) + 1
        peer.send("I", "DECISION", to_pos(payment.request, contract, answer))
        if phone is not None and about == phone.subject_id and payment.consent_valid:
            phone.send("I", "DECISION", to_phone(contract, answer))

    # PRESENT-PIN

    def _present_pin(self, peer: Peer, asked: messages.PresentPin) -> None:
        """Holds the sealed PIN in the session until the AUTHORIZE of its counter."""
        if len(peer.held_pins) >= PINS_HELD_MOST:
            peer.held_pins.pop(next(iter(peer.held_pins)))
        peer.held_pins[asked["counter"]] = asked


class _Arrived(NamedTuple):
    """What an AUTHORIZE says before anything in it is believed. `phone`: whose consent it names,
    where that has a session."""

    raw: bytes
    checks: list[Check]
    phone: Peer | None


class _Payment:
    """A payment between its arrival and its answer."""

    __slots__ = (
        "_asked",
        "consent_card_id",
        "consent_valid",
        "contract",
        "peer",
        "phone",
        "pin",
        "raw",
        "request",
        "track2",
    )  # fmt: skip

    def __init__(
        self, peer: Peer, request: int, raw: bytes, contract: Contract, asked: AuthorizeBody
    ) -> None:
        self.peer = peer
        self.request = request
        self.raw = raw
        self.contract = contract
        self.track2 = ""
        self.pin: PinAsked | None = None
        self.phone: Peer | None = None
        self.consent_valid: bool | None = None
        self.consent_card_id: UUID | None = None
        self._asked = asked

    def signed(self) -> Signed:
        """The bytes and signatures to store."""
        return Signed(
            contract=self.raw,
            contract_hash=hashlib.sha256(self.raw).digest(),
            signature=self._asked.signature,
            consent=self._asked.consent,
        )


def _pin_asked(pin: messages.PresentPin, contract: Contract, session: Session) -> PinAsked:
    """Raises BodyError."""
    return PinAsked(
        _bytes(pin["ephemeral"]),
        _bytes(pin["block"]),
        session.t4,
        contract.counter,
        contract.ms,
        session.pin_key,
    )


def _bytes(text: str) -> bytes:
    try:
        return unb64(text)
    except ValueError:
        raise BodyError(BAD_BODY) from None


def _pan(track2: str) -> str:
    """The card number of a track, as far as it has one; its form is checked with the HSM."""
    return track2.strip().lstrip(";").partition("=")[0]
