"""REVERSE as terminals ask for it (TR-TPR 10.5): its form, its card, and how many find nothing.

A reversal that comes before its payment has to leave a note in the log for ever, and nobody can
tell it from one of a payment that never was. So a terminal may leave only so many.
"""

import re
import time
from collections.abc import Callable
from typing import Any, Protocol
from uuid import UUID

from adapters.backend.sessions import OUTSTANDING_MOST, Peer
from adapters.clock import system_now_us
from application.cache import Cache
from application.reverse import Reversal, Reverse, ReverseAsk
from application.work import UNAVAILABLE, Failed, Work
from protocol import messages
from protocol.contract import MAX_COUNTER, MAX_MS
from protocol.encoding import unb64
from protocol.errors import BAD_BODY, BUSY, RATE_LIMITED, BodyError

DEADLINE_US = 5_000_000
NOTES_MOST = 256
"""Four times what a terminal can have unanswered when a session breaks."""
NOTES_A_SECOND = 1.0
_TERMINALS_REMEMBERED = 200_000
_HASH_BYTES = 32
_PAN = re.compile("[0-9]{12,19}", re.ASCII)


class Lane(Protocol):
    """Where the HSM is asked; see `hsm_lane`."""

    @property
    def healthy(self) -> bool: ...

    def submit(self, job: Callable[[], Any], done: Callable[[Any], None]) -> bool: ...


class NotesLeft:
    """How many reversals of each terminal may still find nothing: a token bucket."""

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._left: Cache[UUID, tuple[float, float]] = Cache(_TERMINALS_REMEMBERED)

    def left(self, terminal_id: UUID) -> float:
        """What it may leave now."""
        left, at_s = self._left.get(terminal_id, (float(NOTES_MOST), 0.0))
        return min(NOTES_MOST, left + (self._now_s() - at_s) * NOTES_A_SECOND)

    def spend(self, terminal_id: UUID) -> None:
        """It left one."""
        self._left[terminal_id] = (self.left(terminal_id) - 1, self._now_s())


class Reversals:
    """Takes reversals to the engine and their answers back."""

    def __init__(
        self,
        lane: Lane,
        card_digests: Callable[[str], tuple[bytes, ...]],
        submit: Callable[[Work, Callable[[Any], None]], bool],
        issuer_id: UUID,
        now_us: Callable[[], int] = system_now_us,
    ) -> None:
        self._now_us = now_us
        self._lane = lane
        self._card_digests = card_digests
        self._submit = submit
        self._issuer_id = issuer_id
        self._notes = NotesLeft()

    def received(self, peer: Peer, asked: messages.Reverse) -> None:
        """One REVERSE of a terminal. Refused ones may be sent again, but for `bad-body`."""
        try:
            _check(asked)
        except BodyError as error:
            peer.error(error.code, asked["id"], error.text)
            return
        if peer.outstanding >= OUTSTANDING_MOST:
            peer.error(BUSY, asked["id"])
            return
        if self._notes.left(peer.subject_id) < 1:
            peer.error(RATE_LIMITED, asked["id"])
            return
        peer.outstanding += 1
        pan = asked.get("pan")
        if pan is None:
            self._take_back(peer, asked, None)
        elif not self._lane.healthy or not self._lane.submit(
            lambda: self._card_digests(pan),
            lambda result: self._take_back(peer, asked, result),
        ):
            self._taken_back(peer, asked["id"], UNAVAILABLE)

    def _take_back(self, peer: Peer, asked: messages.Reverse, digests: Any) -> None:
        if digests is not None and not isinstance(digests, tuple):
            self._taken_back(peer, asked["id"], UNAVAILABLE)
            return
        ask = ReverseAsk(
            terminal_id=peer.subject_id,
            counter=asked["counter"],
            ms=asked["ms"],
            contract_hash=_bytes(asked["contract_hash"]),
            why=asked["why"][:100],
            card_digest=digests[0] if digests else None,
            older_digests=digests[1:] if digests else (),
            card_id=_uuid(asked["card_id"]) if "card_id" in asked else None,
            actor=peer.who,
            issuer_id=self._issuer_id,
        )
        work = Reverse(ask, self._now_us() + DEADLINE_US)
        if not self._submit(work, lambda answer: self._taken_back(peer, asked["id"], answer)):
            self._taken_back(peer, asked["id"], UNAVAILABLE)

    def _taken_back(self, peer: Peer, request: int, answer: Reversal | Failed) -> None:
        peer.outstanding -= 1
        if isinstance(answer, Failed):
            peer.error("unavailable", request)
            return
        if answer.noted:
            self._notes.spend(peer.subject_id)
        peer.reply(
            "I",
            "STATUS",
            {
                "re": request,
                "state": answer.state,
                "transaction": str(answer.transaction_id),
                "amount_cents": answer.amount_cents,
            },
        )


def _check(asked: messages.Reverse) -> None:
    """Raises BodyError for what names no payment: the engine derives an id from it."""
    pan = asked.get("pan")
    if (
        not 1 <= asked["counter"] <= MAX_COUNTER
        or not 1 <= asked["ms"] <= MAX_MS
        or len(_bytes(asked["contract_hash"])) != _HASH_BYTES
        or (pan is None) == ("card_id" not in asked)
        or (pan is not None and _PAN.fullmatch(pan) is None)
    ):
        raise BodyError(BAD_BODY)
    if "card_id" in asked:
        _uuid(asked["card_id"])


def _bytes(text: str) -> bytes:
    try:
        return unb64(text)
    except ValueError:
        raise BodyError(BAD_BODY) from None


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise BodyError(BAD_BODY) from None
