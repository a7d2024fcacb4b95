"""VOID, REFUND and TIP as terminals ask for them (TR-TPR 10.5a): signed, answered once stored."""

from collections.abc import Callable
from hashlib import sha256
from typing import Any
from uuid import UUID

from adapters.backend.sessions import OUTSTANDING_MOST, Peer
from application.adjust import Adjust, AdjustAsk, Adjustment
from application.work import Failed, Work
from domain.signed_request import SignedRequest
from protocol import bodies
from protocol.adjustment import TYP_ADJUST, parse_adjustment
from protocol.adjustment import SignedRequest as SignedBody
from protocol.detached import verify_detached
from protocol.encoding import unb64
from protocol.errors import BAD_BODY, BUSY, UNAVAILABLE, WRONG_PEER, BodyError
from protocol.line import Line

DEADLINE_US = 5_000_000
Submit = Callable[[Work, Callable[[Any], None]], bool]


def verified(peer: Peer, asked: SignedBody, typ: str) -> SignedRequest:
    """The request of a device with its signature, checked over the bytes as received.

    Raises BodyError.
    """
    try:
        raw = unb64(asked["request"])
    except ValueError:
        raise BodyError(BAD_BODY) from None
    certificate = peer.session.peer
    verify_detached(raw, asked["signature"], typ, certificate.public_key, certificate.kid)
    return SignedRequest(
        request=raw, request_hash=sha256(raw).digest(), signature=asked["signature"]
    )


class Adjustments:
    """Takes them to the engine and the answers back. A refused one may be sent again."""

    def __init__(self, submit: Submit, issuer_id: UUID, now_us: Callable[[], int]) -> None:
        """`now_us`: the engine's clock, by which a deadline is over."""
        self._submit = submit
        self._issuer_id = issuer_id
        self._now_us = now_us

    def received(self, peer: Peer, line: Line, body: bytes) -> None:
        """One record of a POS."""
        asked = bodies.read(body, SignedBody)
        try:
            ask = self._verify(peer, line.verb, asked)
        except BodyError as error:
            peer.error(error.code, asked["id"], error.text)
            return
        if peer.outstanding >= OUTSTANDING_MOST:
            peer.error(BUSY, asked["id"])
            return
        peer.outstanding += 1
        work = Adjust(ask, self._now_us() + DEADLINE_US)

        def done(answer: Adjustment | Failed | None) -> None:
            _answer(peer, asked["id"], answer)

        if not self._submit(work, done):
            _answer(peer, asked["id"], None)

    def _verify(self, peer: Peer, verb: str, asked: SignedBody) -> AdjustAsk:
        signed = verified(peer, asked, TYP_ADJUST)
        request = parse_adjustment(signed.request)
        if request.action != verb:
            raise BodyError(BAD_BODY, "the request was signed for another verb")
        if request.terminal != peer.subject_id:
            raise BodyError(WRONG_PEER, "the request names another terminal")
        return AdjustAsk(
            terminal_id=request.terminal,
            transaction_id=request.transaction,
            action=request.action,
            counter=request.counter,
            ms=request.ms,
            amount_cents=request.amount_cents,
            why=request.why,
            signed=signed,
            actor=peer.who,
            issuer_id=self._issuer_id,
        )


def _answer(peer: Peer, request: int, answer: Adjustment | Failed | None) -> None:
    peer.outstanding -= 1
    if not isinstance(answer, Adjustment):
        peer.error(UNAVAILABLE, request)
        return
    peer.reply(
        "I",
        "STATUS",
        {
            "re": request,
            "state": "done" if answer.done else "refused",
            "transaction": str(answer.transaction_id),
            "code": answer.code,
            "reason": answer.reason,
            "text": answer.text,
            "amount_cents": answer.amount_cents,
            "net_cents": answer.net_cents,
            "would_pass_cents": answer.would_pass_cents,
            "duplicate": answer.duplicate,
        },
    )
