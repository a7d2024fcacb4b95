"""The lines of an approved refill, credited step by step; after a chargeback, taken back so, and
given back so where that was won.

Each step is one commit with the event that says how far the refill is, so that a step is done
once and a refill that was interrupted goes on where it was.
"""

from collections.abc import Sequence
from typing import Any, ClassVar
from uuid import UUID

from application.command import Command, Origin, Refused
from application.states import Ahead, States
from application.work import Needs, Outcome
from domain.aggregates import account as accounts
from domain.aggregates import after_credit
from domain.aggregates import refill as refills
from domain.aggregates import refill_undone as undone
from domain.aggregates.account import Account
from domain.aggregates.credit import Credit, credit_id
from domain.aggregates.refill import Refill
from domain.event import Context, Event
from domain.ids import derived_id
from domain.refill_lines import FailedLine, RefillLine, TakenLine

APPROVER = "system:refills"
"""Approves what a processor confirmed and no second person has to look at."""
UNKNOWN_ACCOUNT, LAST_DAY_PASSED = "unknown-account", "last-day-passed"
_GONE = Refused("no-such-refill", "There is no refill with that id.")
_ELSEWHERE = Refused("not-this-step", "The refill is not at this step.")


def step_origin(refill: Refill, what: str, place: int, now_ms: int, issuer_id: UUID) -> Origin:
    """The command of a step: the same step has the same id, whoever asks for it and when. After a
    further chargeback the places are gone through anew."""
    ms = refill.id.int >> 80
    if refill.chargebacks > 1:
        what = f"{what}.{refill.chargebacks}"
    return Origin(
        command_id=derived_id(f"refill-{what}/{place}", refill.id, ms, 0),
        issued_ms=now_ms,
        actor=APPROVER,
        issuer_id=issuer_id,
    )


def credits_of(
    context: Context, states: States, refill: Refill, lines: Sequence[RefillLine]
) -> list[Event]:
    """The events that credit the refill's next lines; a line that cannot be credited is named."""
    good: list[RefillLine] = []
    bad: list[FailedLine] = []
    credited: list[Event] = []
    for line in lines:
        account = states.get(line.account_id, Account)
        if account is None or account.company_id != refill.company_id:
            bad.append(_failed(line, UNKNOWN_ACCOUNT))
            continue
        if refill.last_day and refill.last_day < accounts.today_of(context, account):
            bad.append(_failed(line, LAST_DAY_PASSED))
            continue
        good.append(line)
        credited.append(
            accounts.credit(
                context,
                account,
                amount_cents=line.amount_cents,
                refill_id=refill.id,
                last_day=refill.last_day,
            )
        )
    events: list[Event] = []
    if good:
        events.append(
            refills.credit(
                context,
                refill.id,
                company_id=refill.company_id,
                lines=tuple(good),
                approved_by=refill.approved_by,
                version=refill.version + 1,
            )
        )
        refill = refills.evolve(refill, events[0])
    if bad:
        events.append(
            refills.event_of(
                context,
                refill,
                refills.RefillFailed,
                company_id=refill.company_id,
                lines=tuple(bad),
                total_cents=sum(line.amount_cents for line in bad),
                ordered=True,
            )
        )
    return [*events, *credited]


class Step(Command):
    """A step over some of a refill's lines, from the place that the refill must be at."""

    def __init__(
        self,
        origin: Origin,
        deadline_us: int,
        *,
        refill_id: UUID,
        place: int,
        lines: Sequence[RefillLine],
        ahead: Sequence[Ahead] = (),
    ) -> None:
        """`ahead`: the accounts of the lines, where they were read before the step's turn came."""
        super().__init__(origin, deadline_us)
        self._refill_id, self._place, self._lines = refill_id, place, lines
        self._ahead = ahead

    def needs(self, states: States, needs: Needs, now_us: int) -> bool:
        """The same as of any command, after what was read ahead."""
        for each in self._ahead:
            states.adopt(each)
        return super().needs(states, needs, now_us)

    def reads(self) -> list[UUID]:
        """The refill and the accounts of the step."""
        return [self._refill_id, *(line.account_id for line in self._lines)]

    def repeated(self, states: States, made: UUID) -> Any:
        """The refill as it is by now."""
        return states.get(self._refill_id, Refill) or _GONE

    def execute(self, states: States, context: Context) -> Outcome:
        """The step, if the refill is at it. Answers with the refill after it."""
        refill = states.get(self._refill_id, Refill)
        if refill is None:
            return Outcome(_GONE)
        if self.place_of(refill) != self._place:
            return Outcome(_ELSEWHERE)
        events = self._events(context, states, refill)
        for event in events:
            if event.originator_id == refill.id:
                refill = refills.evolve(refill, event)
        return Outcome(refill, events)

    @staticmethod
    def place_of(refill: Refill) -> int:
        """The line that such a step of the refill begins with; below 0: none is to be done."""
        raise NotImplementedError

    def _events(self, context: Context, states: States, refill: Refill) -> list[Event]:
        raise NotImplementedError


class CreditLines(Step):
    """Credits the next lines of an approved refill."""

    makes: ClassVar[tuple[type[Event], ...]] = (refills.RefillCredited, refills.RefillFailed)

    @staticmethod
    def place_of(refill: Refill) -> int:
        """See `Step`."""
        return refill.done_lines if refill.status == refills.APPROVED else -1

    def _events(self, context: Context, states: States, refill: Refill) -> list[Event]:
        return credits_of(context, states, refill, self._lines)


class TakeBackLines(Step):
    """Takes back what is left of the next credited lines of a refill that was charged back."""

    makes: ClassVar[tuple[type[Event], ...]] = (undone.RefillTakenBack,)

    def reads(self) -> list[UUID]:
        """The same, and whether the credits were corrected."""
        credits = (credit_id(self._refill_id, line.account_id) for line in self._lines)
        return [*super().reads(), *credits]

    @staticmethod
    def place_of(refill: Refill) -> int:
        """See `Step`."""
        return refill.looked_at_lines if refill.takes_back and not refill.giving_back else -1

    def _events(self, context: Context, states: States, refill: Refill) -> list[Event]:
        taken: list[TakenLine] = []
        debits: list[Event] = []
        asked_cents = 0
        for line in self._lines:
            stands_cents = _stands(states, refill.id, line)
            wanted_cents = after_credit.share_cents(refill, stands_cents)
            asked_cents += wanted_cents
            account = states.get(line.account_id, Account)
            if account is None:
                continue
            debit = after_credit.take_back(
                context,
                account,
                amount_cents=wanted_cents,
                credited_cents=stands_cents,
                refill_id=refill.id,
                last_day=refill.last_day,
            )
            if debit is not None:
                debits.append(debit)
                cents = debit.amount_cents
                taken.append(
                    TakenLine(account_id=line.account_id, amount_cents=cents, lots=debit.lots)
                )
        taken_cents = sum(line.amount_cents for line in taken)
        told = refills.event_of(
            context,
            refill,
            undone.RefillTakenBack,
            company_id=refill.company_id,
            lines=tuple(taken),
            looked_at=len(self._lines),
            taken_cents=taken_cents,
            receivable_cents=asked_cents - taken_cents,
        )
        return [told, *debits]


class GiveBackLines(Step):
    """Gives back what was taken, line by line in that order, once the chargeback was won."""

    makes: ClassVar[tuple[type[Event], ...]] = (undone.RefillGivenBack,)

    @staticmethod
    def place_of(refill: Refill) -> int:
        """See `Step`."""
        return refill.given_lines if refill.giving_back else -1

    def _events(self, context: Context, states: States, refill: Refill) -> list[Event]:
        given: list[Event] = []
        moved: dict[UUID, Account] = {}
        for line in self._lines:
            assert isinstance(line, TakenLine)
            account = moved.get(line.account_id) or states.get(line.account_id, Account)
            assert account is not None, "it had that money"
            credit = after_credit.give_back(context, account, line, refill)
            moved[account.id] = accounts.evolve(account, credit)
            given.append(credit)
        told = refills.event_of(
            context,
            refill,
            undone.RefillGivenBack,
            company_id=refill.company_id,
            lines=tuple(
                RefillLine(account_id=line.account_id, amount_cents=line.amount_cents)
                for line in self._lines
            ),
            given_cents=sum(line.amount_cents for line in self._lines),
        )
        return [told, *given]


def taken_lines(refill: Refill, events: Sequence[Event]) -> Sequence[TakenLine]:
    """What is to be given back of a refill of these events, in the order in which it was taken."""
    taken = [e for e in events if isinstance(e, undone.RefillTakenBack)]
    return [line for event in taken for line in event.lines][: refill.to_give_lines]


def _stands(states: States, refill_id: UUID, line: RefillLine) -> int:
    """What is left of a line's credit after corrections; never more than was paid for it."""
    credit = states.get(credit_id(refill_id, line.account_id), Credit)
    return line.amount_cents if credit is None else min(line.amount_cents, credit.amount_cents)


def _failed(line: RefillLine, reason: str) -> FailedLine:
    return FailedLine(account_id=line.account_id, amount_cents=line.amount_cents, reason=reason)
