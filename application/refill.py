"""A refill: a company's money onto the accounts of its employees, the whole or nothing.

The refill and every credit are one commit; a refusal names every line at fault.
"""

from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

from application.command import Command, Origin, Refused, other_command
from application.fields import REFILL_MOST_LINES, some_of
from application.group_commit import Outcome
from application.states import States
from domain.aggregates import account as accounts
from domain.aggregates import refill as refills
from domain.aggregates.account import Account
from domain.aggregates.company import Company
from domain.aggregates.refill import Refill, RefillLine
from domain.answers import dollars
from domain.event import Context, Event
from domain.ids import derived_id, partition_of


class RefillAccounts(Command):
    """`lines` are accounts with their cents: 1 to 5,000 accounts, each at most once."""

    makes = (refills.RefillCredited,)

    def __init__(
        self,
        origin: Origin,
        deadline_us: int,
        *,
        company_id: UUID,
        lines: Sequence[tuple[UUID, int]],
        last_day: str = "",
    ) -> None:
        """`last_day` on which it can be spent, in each account's time zone; empty for none."""
        super().__init__(origin, deadline_us)
        self._company_id, self._lines, self._last_day = company_id, lines, last_day

    def reads(self) -> list[UUID]:
        """The company and every account."""
        return [self._company_id, *(account_id for account_id, _ in self._lines)]

    def execute(self, states: States, context: Context) -> Outcome:
        """Credits all of them, or says which lines are at fault."""
        if states.get(self._company_id, Company) is None:
            return Outcome(Refused("no-such-company", "There is no company with that id."))
        if not 1 <= len(self._lines) <= REFILL_MOST_LINES:
            return Outcome(
                Refused("refill-size", f"A refill has 1 to {REFILL_MOST_LINES:,} lines.")
            )
        faults = list(self._faults(states, context))
        if faults:
            return Outcome(Refused("refill-lines", "Nothing was refilled. " + some_of(faults)))
        refill_id = derived_id(
            "refill",
            self.origin.command_id,
            self.origin.issued_ms,
            partition_of(self._company_id),
        )
        credited = refills.credit(
            context,
            refill_id,
            company_id=self._company_id,
            lines=tuple(RefillLine(account_id=a, amount_cents=c) for a, c in self._lines),
            approved_by=self.origin.actor,
        )
        events: list[Event] = [credited]
        for account_id, amount_cents in self._lines:
            account = states.get(account_id, Account)
            assert account is not None, "checked above"
            events.append(
                accounts.credit(
                    context,
                    account,
                    amount_cents=amount_cents,
                    refill_id=refill_id,
                    last_day=self._last_day,
                )
            )
        return Outcome(_answer(refill_id, len(self._lines), credited.total_cents), events)

    def _faults(self, states: States, context: Context) -> Iterator[str]:
        """A sentence for every line that cannot be credited."""
        first_line: dict[UUID, int] = {}
        for number, (account_id, amount_cents) in enumerate(self._lines, start=1):
            first = first_line.setdefault(account_id, number)
            account = states.get(account_id, Account)
            if account is None or account.company_id != self._company_id:
                yield f"Line {number}: account {account_id} is not of this company."
            elif first != number:
                yield f"Line {number}: the account of line {first} again. Give one sum for it."
            elif not 1 <= amount_cents <= refills.MOST_CENTS:
                yield f"Line {number}: the amount must be $0.01 to {dollars(refills.MOST_CENTS)}."
            elif self._last_day and self._last_day < accounts.today_of(context, account):
                yield f"Line {number}: the last day to spend it has passed. Give a later one."

    def repeated(self, states: States, made: UUID) -> Any:
        """The refill as it was carried out."""
        refill = states.get(made, Refill)
        if refill is None:
            return other_command()
        return {**_answer(made, refill.accounts, refill.total_cents), "repeated": True}


def _answer(refill_id: UUID, count: int, total_cents: int) -> dict[str, Any]:
    return {"id": str(refill_id), "accounts": count, "total_cents": total_cents}
