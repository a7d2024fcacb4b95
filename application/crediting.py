"""The money of a large refill onto its accounts, in the background of the engine.

An order of 100,000 lines is a thousand small commits between which payments go on. `carry_on`
drives it to its end, and drives it on after whatever stopped it: each commit holds the credits of
some lines and the step that counts them, so no line is credited twice and none is left out.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Any
from uuid import UUID

import msgspec
from msgspec.structs import replace

from application.group_commit import ERROR, Needs, Outcome, Work
from application.ports import Clock, Unavailable
from application.states import States, replay
from domain.aggregates import account as accounts
from domain.aggregates import crediting as creditings
from domain.aggregates import refill as refills
from domain.aggregates.account import Account
from domain.aggregates.crediting import Crediting, RefusedLine, credit_id, crediting_id
from domain.event import Context, Event

BATCH_LINES = 100
"""A commit of so many credits takes the engine a few milliseconds: no payment waits for longer."""
DEADLINE_US = 60_000_000
AGAIN_S = 0.5
_LOOK_S = 0.5
SubmitLater = Callable[[Work, Callable[[Any], None]], bool]
"""`GroupCommit.submit_later`."""
ReadStreams = Callable[[Sequence[UUID]], Mapping[UUID, Iterable[Event]]]
"""`EventLog.load`, from any thread."""
Ahead = dict[UUID, Any]


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be credited: (account, cents) a line, to be spent through `last_day`.

    The same order has the same lines in the same order, each time it is carried on. An empty
    `last_day` is none. `actor` approved it.
    """

    id: UUID
    company_id: UUID
    lines: Sequence[tuple[UUID, int]]
    last_day: str = ""
    actor: str
    issuer_id: UUID


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far an order is. `done` of `lines` were credited or `refused` (line from 1, reason)."""

    lines: int
    done: int
    credited: int
    credited_cents: int
    refused: tuple[RefusedLine, ...]

    @property
    def finished(self) -> bool:
        """Whether no line is left."""
        return self.done == self.lines


class OtherLines(Exception):
    """The order was begun with other lines, of another company or with another last day."""


class Broken(Exception):
    """The engine could not decide a batch, by an error of ours: trying again would not help."""


def progress(states: States, order_id: UUID) -> Progress | None:
    """How far an order is, in the engine's turn (`application.read`); None: not begun."""
    crediting = states.get(crediting_id(order_id), Crediting)
    return _progress(crediting) if crediting else None


def carry_on(
    submit_later: SubmitLater,
    read: ReadStreams,
    clock: Clock,
    order: Order,
    *,
    told: Callable[[Progress], None] = lambda progress: None,
    stopped: Callable[[], bool] = lambda: False,
) -> Progress:
    """Credits what is left of the order; returns once nothing is, or `stopped()`.

    Blocks: for a thread of its own. `told` hears of every commit. While the ledger is not
    available it tries again. Raises OtherLines, Broken; ValueError for an order without lines.
    """
    if not order.lines:
        raise ValueError("an order has at least one line")
    digest = lines_hash(order)
    reached = Progress(lines=len(order.lines), done=0, credited=0, credited_cents=0, refused=())
    ahead: Ahead = {}
    while not reached.finished and not stopped():
        work = CreditSome(order, digest, reached.done, clock.now_us() + DEADLINE_US, ahead)
        waiting = _Waiting(submit_later, work)
        ahead = _read_ahead(read, order, reached.done + BATCH_LINES)
        answer = waiting.answer(stopped)
        if isinstance(answer, Progress):
            reached = answer
            told(reached)
        elif isinstance(answer, OtherLines):
            raise answer
        elif answer == ERROR:
            raise Broken(f"the order {order.id} after line {reached.done}")
        else:
            ahead = {}
            time.sleep(AGAIN_S)
    return reached


def _read_ahead(read: ReadStreams, order: Order, done: int) -> Ahead:
    """The accounts of the next batch, read while the one before is in the engine.

    To read the history of a hundred accounts may take longer than a payment should wait.
    """
    ids = [account_id for account_id, _ in order.lines[done : done + BATCH_LINES]]
    try:
        streams = read(ids) if ids else {}
    except Unavailable:
        return {}
    return {id: replay(streams.get(id, ())) for id in ids}


class _Waiting:
    """A work in the background of the engine, and the answer to it."""

    def __init__(self, submit_later: SubmitLater, work: Work) -> None:
        self._answers: list[Any] = []
        self._there = threading.Event()
        self._taken = submit_later(work, self._done)

    def _done(self, answer: Any) -> None:
        self._answers.append(answer)
        self._there.set()

    def answer(self, stopped: Callable[[], bool]) -> Any:
        """None where the engine took no work, or gave no answer before `stopped()`."""
        while self._taken and not self._there.wait(_LOOK_S):
            if stopped():
                return None
        return self._answers[0] if self._answers else None


def lines_hash(order: Order) -> bytes:
    """SHA-256 over what is credited to whom, until when."""
    digest = sha256(b"TR-LINES/1" + order.company_id.bytes + order.last_day.encode() + b"\0")
    for account_id, amount_cents in order.lines:
        digest.update(account_id.bytes + b"%d\0" % amount_cents)
    return digest.digest()


class CreditSome:
    """The work of one commit: the lines after the first `done`, as many as fit one batch.

    Where the log is further than `done`, an earlier answer was lost; it goes on from there.
    """

    claims = False

    def __init__(
        self, order: Order, digest: bytes, done: int, deadline_us: int, ahead: Ahead | None = None
    ) -> None:
        """`ahead`: accounts as they were read from the log just before."""
        self._order, self._digest, self._done = order, digest, done
        self._id = crediting_id(order.id)
        self._ahead = ahead or {}
        self.deadline_us = deadline_us

    def needs(self, states: States, needs: Needs, now_us: int) -> bool:
        """How far it is, then all accounts of the batch at once."""
        ahead, self._ahead = self._ahead, {}  # once: after a conflict it is read anew
        for id, account in ahead.items():
            states.offer(id, account)
        if not states.knows(self._id):
            needs.ids.append(self._id)
            return True
        crediting = states.get(self._id, Crediting)
        lines = self._lines(crediting.done if crediting else 0)
        needs.ids += [account_id for account_id, _ in lines if not states.knows(account_id)]
        return False

    def _lines(self, done: int) -> Sequence[tuple[UUID, int]]:
        return self._order.lines[done : done + BATCH_LINES]

    def decide(self, states: States, now_us: int) -> Outcome:
        """The credits of the batch and the step that counts them."""
        order = self._order
        context = Context(
            occurred_at_us=now_us,
            recorded_at_us=now_us,
            actor=order.actor,
            command_id=self._id,
            correlation_id=order.id,
            issuer_id=order.issuer_id,
        )
        crediting = states.get(self._id, Crediting)
        events: list[Event] = []
        if crediting is None:
            begun = creditings.begin(
                context,
                order.id,
                company_id=order.company_id,
                lines=len(order.lines),
                lines_sha256=self._digest,
                last_day=order.last_day,
            )
            events.append(begun)
            crediting = creditings.evolve(None, begun)
        elif crediting.lines_sha256 != self._digest:
            return Outcome(OtherLines(str(order.id)))
        elif crediting.finished:
            return Outcome(_progress(crediting))
        credits, refused = self._credits(states, context, crediting.done)
        advanced = creditings.advance(
            context,
            crediting,
            done=crediting.done + len(self._lines(crediting.done)),
            credited=len(credits),
            credited_cents=sum(each.amount_cents for each in credits),
            refused=tuple(refused),
        )
        events += [advanced, *credits]
        return Outcome(_progress(creditings.evolve(crediting, advanced)), events)

    def _credits(
        self, states: States, context: Context, done: int
    ) -> tuple[list[accounts.AccountCredited], list[RefusedLine]]:
        """Of the lines after the first `done`. An account may have several lines."""
        order = self._order
        moved: dict[UUID, Account] = {}
        credits: list[accounts.AccountCredited] = []
        refused: list[RefusedLine] = []
        for line, (account_id, amount_cents) in self._numbered(done):
            account = moved.get(account_id) or states.get(account_id, Account)
            if account is None or account.company_id != order.company_id:
                refused.append(RefusedLine(line=line, reason=creditings.NO_SUCH_ACCOUNT))
                continue
            if not 1 <= amount_cents <= refills.MOST_CENTS:
                refused.append(RefusedLine(line=line, reason=creditings.BAD_AMOUNT))
                continue
            credit = accounts.credit(
                replace(context, command_id=credit_id(order.id, line)),
                account,
                amount_cents=amount_cents,
                refill_id=order.id,
                last_day=order.last_day,
            )
            moved[account_id] = accounts.evolve(account, credit)
            credits.append(credit)
        return credits, refused

    def _numbered(self, done: int) -> Iterator[tuple[int, tuple[UUID, int]]]:
        return enumerate(self._lines(done), start=done + 1)


def _progress(crediting: Crediting) -> Progress:
    return Progress(
        lines=crediting.lines,
        done=crediting.done,
        credited=crediting.credited,
        credited_cents=crediting.credited_cents,
        refused=crediting.refused,
    )
