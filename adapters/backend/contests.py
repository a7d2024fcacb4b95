"""DISPUTE as a phone asks for it (TR-TPR 10.6a): signed by the card, answered once stored."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from adapters.backend.adjustments import DEADLINE_US, Submit, verified
from adapters.backend.sessions import OUTSTANDING_MOST, Peer
from application.contest import Contest, ContestAsk
from application.work import Failed
from domain.aggregates.dispute import OPEN, Dispute
from domain.answers import APPROVED_CODE, Refusal
from protocol import bodies
from protocol.adjustment import TYP_DISPUTE, SignedRequest, parse_dispute
from protocol.errors import BUSY, UNAVAILABLE, WRONG_PEER, BodyError

_TEXTS = {
    OPEN: "The dispute is open. An operator will decide it.",
    "cardholder": "The dispute was decided in your favour.",
    "shop": "The dispute was decided for the shop.",
}


class Contests:
    """Takes disputes of cardholders to the engine and the answers back."""

    def __init__(self, submit: Submit, issuer_id: UUID, now_us: Callable[[], int]) -> None:
        """`now_us`: the engine's clock, by which a deadline is over."""
        self._submit = submit
        self._issuer_id = issuer_id
        self._now_us = now_us

    def received(self, peer: Peer, body: bytes) -> None:
        """One record of a phone card."""
        asked = bodies.read(body, SignedRequest)
        try:
            ask = self._verify(peer, asked)
        except BodyError as error:
            peer.error(error.code, asked["id"], error.text)
            return
        if peer.outstanding >= OUTSTANDING_MOST:
            peer.error(BUSY, asked["id"])
            return
        peer.outstanding += 1

        def done(answer: Any) -> None:
            peer.outstanding -= 1
            if answer is None or isinstance(answer, Failed):
                peer.error(UNAVAILABLE, asked["id"])
            else:
                told = _refused(ask, answer) if isinstance(answer, Refusal) else _told(answer)
                peer.reply("I", "STATUS", {"re": asked["id"], **told})

        if not self._submit(Contest(ask, self._now_us() + DEADLINE_US), done):
            done(None)

    def _verify(self, peer: Peer, asked: SignedRequest) -> ContestAsk:
        signed = verified(peer, asked, TYP_DISPUTE)
        request = parse_dispute(signed.request)
        if request.card != peer.subject_id:
            raise BodyError(WRONG_PEER, "the request names another card")
        return ContestAsk(
            card_id=request.card,
            transaction_id=request.transaction,
            ms=request.ms,
            amount_cents=request.amount_cents,
            text=request.text.strip(),
            document_sha256=request.document,
            signed=signed,
            actor=peer.who,
            issuer_id=self._issuer_id,
        )


def _told(dispute: Dispute) -> dict[str, Any]:
    return {
        "state": dispute.status,
        "dispute": str(dispute.id),
        "transaction": str(dispute.transaction_id),
        "code": APPROVED_CODE,
        "reason": "approved",
        "text": _TEXTS[dispute.status],
        "amount_cents": dispute.amount_cents,
        "credited_cents": dispute.credited_cents,
        "evidence_until_ms": dispute.evidence_until_us // 1000,
        "decide_until_ms": dispute.decide_until_us // 1000,
    }


def _refused(ask: ContestAsk, no: Refusal) -> dict[str, Any]:
    return {
        "state": "refused",
        "dispute": "",
        "transaction": str(ask.transaction_id),
        "code": no.code,
        "reason": no.reason,
        "text": no.text,
        "amount_cents": 0,
        "credited_cents": 0,
        "evidence_until_ms": 0,
        "decide_until_ms": 0,
    }
