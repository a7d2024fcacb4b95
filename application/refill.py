"""An order of a refill: what a company wants on its employees' accounts.

Where the payment is confirmed with the order and no second person is needed, a small order is
credited in its own commit, the whole or nothing; a larger one goes on step by step
(`credit_refill.py`). A refusal names every line at fault.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any
from uuid import UUID

import msgspec

from application.command import Command, Origin, Refused, other_command
from application.credit_refill import APPROVER, credits_of
from application.fields import some_of
from application.payment_reference import claims_of, reads_of, why_not_paid_by
from application.ports import Claim
from application.states import States
from application.work import Outcome
from domain.aggregates import account as accounts
from domain.aggregates import refill as refills
from domain.aggregates.account import Account
from domain.aggregates.company import Company
from domain.aggregates.lone_refill import LoneRefills, lone_refills_id, note, ordered_alone
from domain.aggregates.programme import Programme, in_force, programme_id
from domain.aggregates.refill import Refill, RefillOrdered
from domain.answers import dollars
from domain.event import Context, Event, stamp
from domain.ids import derived_id, partition_of
from domain.local_time import day_after, local_date
from domain.refill_lines import FailedLine, RefillLine

FILE_CLAIM = "refill-file"
NOT_OF_COMPANY = "not-of-company"
_LAST_ZONE = "Etc/GMT+12"
"""Where a day ends last: what has passed there has passed for every account."""
_PASSED = "the last day to spend it has passed. Give a later one."
Line = tuple[UUID, int]


class Terms(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What holds for refills here: above which sum two persons, and the fee for each."""

    alone_most_cents: int = 1_000_000
    fee_cents: int = 0


class Payment(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """How a company pays. `confirmed`: an operator saw the money, `reference` says where.

    `digests`: of a confirmed one, see `payment_reference.reads_of`.
    """

    method: str = refills.BANK
    token: str = ""
    confirmed: bool = False
    reference: str = ""
    digests: tuple[bytes, ...] = ()


class OrderRefill(Command):
    """`lines` are accounts with their cents, each account at most once.

    `last_day` on which it can be spent, in each account's time zone; empty: as the company's
    programme says.
    `checked`: the lines were compared with the company's accounts before, so that the engine
    need not load them all. `file_digests`: the keyed hashes of a file's content, newest first.
    `left_out`: lines that are not ordered, and why.
    """

    makes = (RefillOrdered,)

    def __init__(
        self,
        origin: Origin,
        deadline_us: int,
        *,
        company_id: UUID,
        lines: Sequence[Line],
        payment: Payment,
        terms: Terms,
        source: str = refills.FORM,
        group: str = "",
        checked: bool = False,
        left_out: Sequence[FailedLine] = (),
        file_digests: Sequence[bytes] = (),
        again: bool = False,
        last_day: str = "",
    ) -> None:
        super().__init__(origin, deadline_us)
        self._company_id, self._lines, self._payment = company_id, lines, payment
        self._terms, self._source, self._group = terms, source, group
        self._checked, self._left_out = checked, left_out
        self._digests, self._again = file_digests, again
        self._last_day = last_day

    def reads(self) -> list[UUID]:
        """The company, its programme, its lone orders, and every account where they are few."""
        id = self._company_id
        company = [id, programme_id(id), lone_refills_id(id)]
        if len(self._lines) > refills.STEP_LINES:
            return company
        return [*company, *(account_id for account_id, _ in self._lines)]

    def claims_read(self) -> list[tuple[str, bytes]]:
        """Whether that file was ordered before, and whether that payment paid for another."""
        of_file = [(FILE_CLAIM, digest) for digest in self._digests]
        return of_file + reads_of(self._payment.digests)

    def execute(self, states: States, context: Context) -> Outcome:
        """Orders, or says what is at fault."""
        ordered_before = self._ordered_before(states)
        no = self._refused(states, context, ordered_before)
        if no is not None:
            return Outcome(no)
        refill_id = derived_id(
            "refill",
            self.origin.command_id,
            self.origin.issued_ms,
            partition_of(self._company_id),
        )
        lone = states.get(lone_refills_id(self._company_id), LoneRefills)
        events = order_events(
            context,
            refill_id,
            company_id=self._company_id,
            lines=_as_lines(self._lines),
            terms=self._terms,
            source=self._source,
            method=self._payment.method,
            token=self._payment.token,
            group=self._group,
            last_day=self._last_day or last_day_of(states, context, self._company_id),
            alone_cents=ordered_alone(
                lone, ordered_by=context.actor, now_us=context.recorded_at_us
            ),
        )
        refill = refills.evolve(None, events[0])
        if not refill.two_persons:
            events.append(lone_event(context, lone, refill))
        if self._left_out:
            events.append(left_out_event(context, refill, self._left_out))
            refill = refills.evolve(refill, events[-1])
        if self._payment.confirmed:
            paid = paid_events(
                context, refill, refill.due_cents, self._payment.reference, context.actor
            )
            for event in paid:
                refill = refills.evolve(refill, event)
            events += paid
        if refill.status == refills.APPROVED and len(self._lines) <= refills.STEP_LINES:
            step = credits_of(context, states, refill, _as_lines(self._lines))
            for event in step:
                if event.originator_id == refill_id:
                    refill = refills.evolve(refill, event)
            events += step
        claims = claims_of(self._payment.digests, refill_id)
        if self._digests and ordered_before is None:
            claims.append(Claim(FILE_CLAIM, self._digests[0], refill_id, len(self._digests)))
        return Outcome(answer_of(refill), events, claims)

    def _ordered_before(self, states: States) -> UUID | None:
        """The refill that the same file was ordered as."""
        owners = (states.owner(FILE_CLAIM, digest) for digest in self._digests)
        return next((owner for owner in owners if owner is not None), None)

    def _refused(
        self, states: States, context: Context, ordered_before: UUID | None
    ) -> Refused | None:
        if states.get(self._company_id, Company) is None:
            return Refused("no-such-company", "There is no company with that id.")
        if not 1 <= len(self._lines) <= refills.MOST_LINES:
            return Refused("refill-size", f"A refill has 1 to {refills.MOST_LINES:,} lines.")
        faults = []
        if not self._checked:
            faults = [text for _, text in faults_of(self._lines, self._is_of_company(states))]
        faults = faults or list(self._passed(states, context))
        if faults:
            return Refused("refill-lines", "Nothing was refilled:" + some_of(faults))
        if ordered_before is not None and not self._again:
            return Refused(
                "same-file",
                f"The same accounts with the same amounts were ordered from a file before: refill"
                f" {ordered_before}. Nothing was ordered. Where it is meant, say so: --again.",
            )
        return why_not_paid_by(states, self._payment.digests)

    def _passed(self, states: States, context: Context) -> Iterator[str]:
        """A sentence for every line whose money could not be spent even today.

        Of a large order only where that is so for every account: each is looked at once more when
        it is credited.
        """
        if not self._last_day:
            return
        if len(self._lines) > refills.STEP_LINES:
            if self._last_day < local_date(context.recorded_at_us, _LAST_ZONE):
                yield f"Every line: {_PASSED}"
            return
        for number, (account_id, _) in enumerate(self._lines, start=1):
            account = states.get(account_id, Account)
            if account is not None and self._last_day < accounts.today_of(context, account):
                yield f"Line {number}: {_PASSED}"

    def _is_of_company(self, states: States) -> Callable[[UUID], bool]:
        def known(account_id: UUID) -> bool:
            account = states.get(account_id, Account)
            return account is not None and account.company_id == self._company_id

        return known

    def repeated(self, states: States, made: UUID) -> Any:
        """The refill as it is by now, if it is what this order wants."""
        refill = states.get(made, Refill)
        if refill is None or not self._wants(
            refill, states.stored_by(self.origin.command_id, made)
        ):
            return other_command()
        return {**answer_of(refill), "repeated": True}

    def _wants(self, refill: Refill, stored: Sequence[Event]) -> bool:
        """Whether the order names what the refill was ordered with.

        Lines that were found for it, as of a whole group, may be others by now.
        """
        named = (self._company_id, self._source, self._group, self._payment.method)
        if named != (refill.company_id, refill.source, refill.group, refill.method):
            return False
        if self._payment.token != refill.payment_method:
            return False
        if self._last_day not in ("", refill.last_day):
            return False
        if self._checked:
            return True
        if sum(cents for _, cents in self._lines) != refill.total_cents:
            return False
        lines = _as_lines(self._lines)
        return all(each.lines == lines for each in stored if isinstance(each, RefillOrdered))


def faults_of(
    lines: Sequence[Line], is_of_company: Callable[[UUID], bool]
) -> Iterator[tuple[int, str]]:
    """The number, from 1, of every line that cannot be credited, and a sentence about it."""
    first_line: dict[UUID, int] = {}
    for number, (account_id, amount_cents) in enumerate(lines, start=1):
        first = first_line.setdefault(account_id, number)
        if not is_of_company(account_id):
            yield number, f"Line {number}: account {account_id} is not of this company."
        elif first != number:
            again = f"Line {number}: the account of line {first} again. Give one sum for it."
            yield number, again
        elif not 1 <= amount_cents <= refills.MOST_CENTS:
            most = dollars(refills.MOST_CENTS)
            yield number, f"Line {number}: the amount must be $0.01 to {most}."


def last_day_of(states: States, context: Context, company_id: UUID) -> str:
    """The last day of money that is ordered now, by the company's programme; empty for none."""
    company = states.get(company_id, Company)
    programme = states.get(programme_id(company_id), Programme)
    days = in_force(programme, context.recorded_at_us).terms.expiry_days
    if company is None or days is None:
        return ""
    return day_after(local_date(context.recorded_at_us, company.timezone), days)


def order_events(
    context: Context,
    refill_id: UUID,
    *,
    company_id: UUID,
    lines: tuple[RefillLine, ...],
    terms: Terms,
    source: str,
    method: str,
    token: str,
    group: str = "",
    schedule_id: UUID | None = None,
    due_on: str = "",
    ordered_by: str = "",
    last_day: str = "",
    alone_cents: int = 0,
) -> list[Event]:
    """The order. Who set up a schedule is who ordered what it orders.

    `alone_cents`: what the same person ordered alone for the company lately.
    """
    total_cents = sum(line.amount_cents for line in lines)
    small = total_cents <= terms.alone_most_cents
    two_persons = total_cents + alone_cents > terms.alone_most_cents
    return [
        RefillOrdered(
            **stamp(context, refill_id, 1),
            company_id=company_id,
            lines=lines,
            total_cents=total_cents,
            fee_cents=terms.fee_cents,
            source=source,
            method=method,
            payment_method=token,
            two_persons=two_persons,
            ordered_by=ordered_by or context.actor,
            group=group,
            schedule_id=schedule_id,
            due_on=due_on,
            last_day=last_day,
            alone_before_cents=alone_cents if small and two_persons else 0,
        )
    ]


def lone_event(context: Context, lone: LoneRefills | None, refill: Refill) -> Event:
    """It counts among what that person orders alone for the company."""
    return note(
        context,
        lone,
        company_id=refill.company_id,
        refill_id=refill.id,
        total_cents=refill.total_cents,
        ordered_by=refill.ordered_by,
    )


def left_out_event(context: Context, refill: Refill, lines: Sequence[FailedLine]) -> Event:
    """Lines that were at fault and that nobody pays for."""
    return refills.event_of(
        context,
        refill,
        refills.RefillFailed,
        company_id=refill.company_id,
        lines=tuple(lines),
        total_cents=sum(line.amount_cents for line in lines),
        ordered=False,
    )


def paid_events(
    context: Context,
    refill: Refill,
    amount_cents: int,
    reference: str,
    paid_by: str,
    processor: str = "",
) -> list[Event]:
    """The payment, and the approval where no second person is needed for it."""
    paid = refills.event_of(
        context,
        refill,
        refills.RefillPaid,
        company_id=refill.company_id,
        amount_cents=amount_cents,
        fee_cents=min(refill.fee_cents, amount_cents),
        method=refill.method,
        processor=processor,
        reference=reference,
        paid_by=paid_by,
    )
    after = refills.evolve(refill, paid)
    if after.status != refills.AWAITING_APPROVAL or after.two_persons:
        return [paid]
    # Whoever confirmed the money answers for it; nobody does where a processor confirmed it.
    by = APPROVER if processor else paid_by
    return [paid, refills.event_of(context, after, refills.RefillApproved, approved_by=by)]


def answer_of(refill: Refill) -> dict[str, Any]:
    """What is told of a refill after a command."""
    return {
        "id": str(refill.id),
        "status": refill.status,
        "method": refill.method,
        "accounts": refill.accounts,
        "total_cents": refill.total_cents,
        "fee_cents": refill.fee_cents,
        "credited_cents": refill.credited_cents,
        "left_out_lines": refill.left_out_lines,
        "fee_receivable_cents": refill.fee_receivable_cents,
        "alone_before_cents": refill.alone_before_cents,
    }


def _as_lines(lines: Sequence[Line]) -> tuple[RefillLine, ...]:
    return tuple(RefillLine(account_id=a, amount_cents=c) for a, c in lines)
