"""Refills in the scene, from the order to what becomes of it: given up, charged back, won."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from application.command import Command, Refused
from application.credit_refill import (
    CreditLines,
    GiveBackLines,
    TakeBackLines,
    step_origin,
    taken_lines,
)
from application.decide_refill import (
    ApproveRefill,
    CancelRefill,
    ChargeBack,
    ChargebackWon,
    ConfirmPayment,
    ConfirmRefund,
    DecideRefill,
    RejectRefill,
)
from application.refill import OrderRefill, Payment, Terms
from domain.aggregates.refill import Refill
from domain.local_time import day_after
from domain.refill_lines import RefillLine
from tests.integration.engine.money_corrections import same
from tests.integration.engine.money_funding import Paid
from tests.integration.engine.money_scene import HOUR_US, Intent, Scene

FEE_CENTS = 7
ALONE_MOST_CENTS = 2_500
"""Of one person within 24 hours: a few orders of the machine."""
WAITING = ("awaiting-payment", "awaiting-approval", "approved")
_STRANGER = UUID(int=1)
"""An account that there is not: its line of an order fails."""


@dataclass(eq=False)
class Ordered:
    """A refill as its answers told."""

    id: UUID
    lines: dict[int, int]
    last_day: str
    two_persons: bool
    stranger_cents: int = 0
    status: str = ""

    @property
    def total_cents(self) -> int:
        """Of all lines."""
        return sum(self.lines.values()) + self.stranger_cents


class Refills:
    """Operators who order and decide, and the part of the backend that works by itself."""

    def __init__(self, scene: Scene) -> None:
        self.scene, self.world, self.model = scene, scene.world, scene.model
        self.ordered: list[Ordered] = []
        self._alone: list[tuple[int, int]] = []
        """When, in microseconds, and how much the first person ordered alone."""

    def order(
        self,
        lines: dict[int, int],
        days: int | None,
        confirmed: bool,
        two_persons: bool,
        stranger_cents: int = 0,
    ) -> list[Intent]:
        """An order of lines (card to cents), to be spent within so many days, with a line that
        fails where `stranger_cents` is not 0."""
        origin, today = self.scene.origin(), self.scene.today
        last_day = day_after(today, days) if days is not None else ""
        ordered = Ordered(UUID(int=0), lines, last_day, two_persons, stranger_cents)
        most = 0 if two_persons else ALONE_MOST_CENTS

        def make() -> Command:
            return OrderRefill(
                origin, self.scene.deadline_us(), company_id=self.world.company,
                lines=[(line.account_id, line.amount_cents) for line in self._lines(ordered)],
                payment=Payment(confirmed=confirmed), last_day=last_day,
                checked=stranger_cents > 0,
                terms=Terms(alone_most_cents=most, fee_cents=FEE_CENTS),
            )  # fmt: skip

        def settle(answer: Any, resent: bool) -> bool:
            if isinstance(answer, Refused) or not self.model.first_time(origin.command_id):
                return False
            ordered.id, ordered.status = UUID(answer["id"]), answer["status"]
            self.ordered.append(ordered)
            ordered.two_persons = self._needs_two(ordered.total_cents, most)
            if not confirmed:
                assert ordered.status == "awaiting-payment"
                return False
            self._paid_in(ordered)
            if ordered.two_persons:
                assert ordered.status == "awaiting-approval"
                return True
            self._credited(ordered, resent)
            return True

        return [Intent("order", make, settle, same)]

    def _needs_two(self, cents: int, most: int) -> bool:
        """Whether another person has to approve an order; else it counts for the next ones."""
        now_us = self.scene.clock.us
        lately = sum(each for at_us, each in self._alone if at_us > now_us - 24 * HOUR_US)
        if cents + lately > most:
            return True
        self._alone.append((now_us, cents))
        return False

    def _lines(self, ordered: Ordered) -> list[RefillLine]:
        """As ordered; the stranger's is the second."""
        accounts = self.world.accounts
        lines = [
            RefillLine(account_id=accounts[card], amount_cents=cents)
            for card, cents in ordered.lines.items()
        ]
        if ordered.stranger_cents:
            lines.insert(1, RefillLine(account_id=_STRANGER, amount_cents=ordered.stranger_cents))
        return lines

    def _paid_in(self, ordered: Ordered) -> None:
        cents = ordered.total_cents + FEE_CENTS
        self.model.funding.paid_in(ordered.id, cents, FEE_CENTS)

    def _credited(self, refill: Ordered, resent: bool) -> None:
        status = "credited-in-part" if refill.stranger_cents else "credited"
        assert resent or refill.status == status
        self._paid(refill).failed_cents = refill.stranger_cents
        for card, cents in refill.lines.items():
            self.model.credit(refill.id, card, cents, refill.last_day)

    def _chosen(self, which: int) -> list[Ordered]:
        return [self.ordered[-1 - which % len(self.ordered)]] if self.ordered else []

    def _paid(self, refill: Ordered) -> Paid:
        """Its payment; one of nothing where none came."""
        return self.model.funding.of.get(refill.id) or Paid(0, 0)

    def _decide(
        self,
        refill: Ordered,
        kind: type[DecideRefill],
        may: Callable[[], bool],
        settle: Callable[[], None],
        person: int = 1,
    ) -> Intent:
        """`may`: whether it is to be done as things are, but for what a command that was sent once
        more is told: the status by now. `settle` moves the model."""
        origin = self.scene.origin(person)

        def settle_once(answer: Any, resent: bool) -> bool:
            if isinstance(answer, Refused):
                assert resent or not may(), answer
                return False
            if not self.model.first_time(origin.command_id):
                return False
            assert resent or may(), "it was to be refused"
            before = dict(self.model.places)
            settle()
            refill.status = answer["status"]
            return before != self.model.places

        def make() -> Command:
            return kind(origin, self.scene.deadline_us(), refill_id=refill.id, text="x")

        return Intent(kind.__name__, make, settle_once, same)

    def _waiting(self, otherwise: int) -> int:
        """The latest that waits for somebody."""
        places = (place for place, each in enumerate(self.ordered[::-1]) if each.status in WAITING)
        return next(places, otherwise)

    def advance(self, which: int, give_up: bool) -> list[Intent]:
        """What comes next in the life of a refill, or its end; first of one that waits."""
        next_ = {
            "awaiting-payment": (self.confirm, self.cancel),
            "awaiting-approval": (self.approve_by_two, self.cancel),
            "approved": (self.work_on, self.charge_back),
            "failed": (self.repay, self.charge_back),
            "credited-in-part": (self.repay, self.charge_back),
            "cancelled": (self.repay, self.confirm),
            "rejected": (self.repay, self.charge_back),
            "credited": (self.charge_back, self.cancel),
            "charged-back": (self.work_on, self.win),
        }
        which = self._waiting(which) if which < 2 else which
        return [
            intent
            for refill in self._chosen(which)
            for intent in self._next(refill, next_[refill.status])[give_up](which)
        ]

    def _next(self, ordered: Ordered, usual: Any) -> Any:
        """First what a won chargeback has to give back, unless something overtakes it."""
        refill = self.scene.stored.states[ordered.id]
        assert isinstance(refill, Refill)
        return (self.work_on, usual[1]) if refill.giving_back else usual

    def confirm(self, which: int) -> list[Intent]:
        """The money of an order came."""
        return [self._confirm(refill) for refill in self._chosen(which)]

    def _confirm(self, refill: Ordered) -> Intent:
        def may() -> bool:
            return refill.status == "awaiting-payment"

        return self._decide(refill, ConfirmPayment, may, lambda: self._paid_in(refill))

    def approve_alone(self, which: int) -> list[Intent]:
        """The yes of whoever ordered it: above the limit it is refused."""
        return [self._approve(refill, 1) for refill in self._chosen(self._waiting(which))]

    def approve_by_two(self, which: int) -> list[Intent]:
        """Both say yes, the first one first."""
        return [self._approve(refill, each) for refill in self._chosen(which) for each in (1, 2)]

    def _approve(self, refill: Ordered, person: int) -> Intent:
        """A second person is enough, always; one alone up to the limit."""

        def may() -> bool:
            enough = person != 1 or not refill.two_persons
            return refill.status == "awaiting-approval" and enough

        return self._decide(refill, ApproveRefill, may, lambda: None, person)

    def cancel(self, which: int) -> list[Intent]:
        """Not wanted any more, or not by us."""
        return [self._cancel(refill) for refill in self._chosen(which)]

    def _cancel(self, refill: Ordered) -> Intent:
        def may() -> bool:
            return refill.status in ("awaiting-payment", "awaiting-approval")

        def cancelled() -> None:
            self._paid(refill).given_up = True

        kind = RejectRefill if refill.two_persons else CancelRefill
        return self._decide(refill, kind, may, cancelled)

    def repay(self, which: int) -> list[Intent]:
        """What a company paid for a cancelled order, for lines that failed, or of a fee that was
        not owed after all, goes back."""
        return [self._repay(refill) for refill in self._chosen(which)]

    def repay_any(self, which: int) -> list[Intent]:
        """The same, where anything is due."""
        due = [each for each in reversed(self.ordered) if self._paid(each).due_cents]
        return [self._repay(due[which % len(due)])] if due else []

    def _repay(self, refill: Ordered) -> Intent:
        return self._decide(
            refill,
            ConfirmRefund,
            lambda: self._paid(refill).due_cents > 0,
            lambda: self.model.funding.paid_back(refill.id),
        )

    def charge_back(self, which: int) -> list[Intent]:
        """The company's bank took the money back."""
        return [self._charge_back(refill) for refill in self._chosen(which)]

    def _charge_back(self, refill: Ordered) -> Intent:
        return self._decide(
            refill,
            ChargeBack,
            lambda: self._paid(refill).may_be_charged_back,
            lambda: self.model.funding.charged_back(refill.id),
        )

    def pursue(self, which: int, early: bool) -> list[Intent]:
        """What comes next of a chargeback that is to be won; `early`: it is won at once."""
        for place, ordered in enumerate(reversed(self.ordered)):
            refill = self.scene.stored.states[ordered.id]
            assert isinstance(refill, Refill)
            if refill.giving_back or (refill.takes_back and not early):
                return self.work_on(place)
            if refill.is_charged_back:
                return self.win(place)
        return self.charge_back(which if which < 2 else self._waiting(which))

    def win(self, which: int) -> list[Intent]:
        """A chargeback was decided for us, wherever the taking back is."""
        return [self._win(refill) for refill in self._chosen(which)]

    def _win(self, refill: Ordered) -> Intent:
        return self._decide(
            refill,
            ChargebackWon,
            lambda: not self._paid(refill).here,
            lambda: self.model.funding.won(refill.id),
        )

    def work_on(self, which: int) -> list[Intent]:
        """The step that a refill is at: its credits, what is taken back after a chargeback, or
        given back after one that was won."""
        found: list[Intent] = []
        for ordered in self._chosen(which):
            refill = self.scene.stored.states[ordered.id]
            assert isinstance(refill, Refill)
            if refill.giving_back:
                found.append(self._step(ordered, refill, GiveBackLines, "give-back"))
            elif refill.status == "approved":
                found.append(self._step(ordered, refill, CreditLines, "credit"))
            elif refill.status == "charged-back" and refill.credited_lines:
                found.append(self._step(ordered, refill, TakeBackLines, "take-back"))
        return found

    def _step(self, ordered: Ordered, refill: Refill, kind: Any, what: str) -> Intent:
        lines: Sequence[RefillLine] = self._lines(ordered)
        if kind is TakeBackLines:
            lines = [line for line in lines if line.account_id != _STRANGER]
        place, ms = 0, self.scene.ms
        if kind is GiveBackLines:
            place = refill.given_lines
            lines = taken_lines(refill, self.scene.stored.streams[refill.id])[place:]
        origin = step_origin(refill, what, place, ms, self.world.shop)

        def make() -> Command:
            step: Command = kind(
                origin, self.scene.deadline_us(),
                refill_id=refill.id, place=place, lines=lines,
                ahead=[self.world.states.read_ahead(line.account_id for line in lines)],
            )  # fmt: skip
            return step

        def settle(answer: Any, resent: bool) -> bool:
            if isinstance(answer, Refused) or not self.model.first_time(origin.command_id):
                return False
            ordered.status, today = answer.status, self.scene.today
            if kind is GiveBackLines:
                return self.model.give_again(ordered.id) > 0
            if kind is TakeBackLines:
                return self._taken_back(ordered, answer, today)
            if ordered.last_day and ordered.last_day < today:
                assert answer.status in ("failed", "charged-back")
                self._paid(ordered).failed_cents = ordered.total_cents
                return False
            self._credited(ordered, resent)
            return True

        return Intent(what, make, settle, lambda first, now: isinstance(now, Refill | Refused))

    def _taken_back(self, ordered: Ordered, answer: Refill, today: str) -> bool:
        before = self.model.places["funds"]
        for card, cents in ordered.lines.items():
            self.model.take_back(ordered.id, card, cents, today, ordered.last_day)
        taken = self.model.places["funds"] - before
        assert answer.taken_cents == taken
        return taken > 0
