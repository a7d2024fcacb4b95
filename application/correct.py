"""Putting the amount of an approved payment right, by events that compensate the wrong ones.

`preview` decides without storing: the operator sees before and after, then sends the command.
"""

from typing import Any
from uuid import UUID

from application.command import Command, Origin, Refused, other_command
from application.group_commit import Needs, Outcome
from application.states import States
from domain.aggregates import account as accounts
from domain.aggregates import transaction as transactions
from domain.aggregates.account import Account
from domain.answers import Refusal
from domain.event import Context


class CorrectPayment(Command):
    """`amount_cents` is what the payment should have been; 0 takes it back whole."""

    makes = (transactions.Corrected,)

    def __init__(
        self,
        origin: Origin,
        deadline_us: int,
        *,
        transaction_id: UUID,
        amount_cents: int,
        why: str,
        preview: bool = False,
    ) -> None:
        super().__init__(origin, deadline_us)
        self._transaction_id, self._amount_cents = transaction_id, amount_cents
        self._why, self._preview = why, preview

    def needs(self, states: States, needs: Needs, now_us: int) -> bool:
        """The transaction; its account is loaded when it is read."""
        super().needs(states, needs, now_us)
        if not states.note_new(self._transaction_id, now_us):
            needs.transactions.append(self._transaction_id)
        return False

    def execute(self, states: States, context: Context) -> Outcome:
        """Corrects the transaction and moves the difference on the account."""
        before = states.get_transaction(self._transaction_id)
        if before is None:
            return Outcome(Refused("no-such-payment", "There is no payment with that id."))
        account = states.get(before.account_id, Account) if before.account_id else None
        corrected = transactions.correct(
            context,
            before,
            to_cents=self._amount_cents,
            why=self._why,
            account_version=account.version if account else 0,
        )
        if isinstance(corrected, Refusal):
            return Outcome(Refused(corrected.reason, corrected.text))
        assert account is not None, "an approved payment has an account"
        moved = accounts.correct_debit(
            context,
            account,
            change_cents=before.net_cents - self._amount_cents,
            transaction_id=before.id,
            date=before.local_date,
            corrects_version=before.debit_version,
            why=self._why,
            spent_cents=before.net_cents,
            lots=before.lots,
        )
        if isinstance(moved, Refusal):
            return Outcome(
                Refused(moved.reason, "The account does not hold the difference. Nothing changed.")
            )
        answer = {
            "id": str(before.id),
            "amount_cents": _change(before.net_cents, self._amount_cents),
            "balance_cents": _change(
                account.balance_cents, account.balance_cents + moved.change_cents
            ),
        }
        if self._preview:
            return Outcome({**answer, "preview": True})
        corrected = transactions.with_lots(corrected, before.lots, moved.lots)
        return Outcome(answer, [corrected, moved])

    def repeated(self, states: States, made: UUID) -> Any:
        """The payment as it stands."""
        transaction = states.get_transaction(made)
        if transaction is None:
            return other_command()
        return {"id": str(made), "net_cents": transaction.net_cents, "repeated": True}


def _change(before: int, after: int) -> dict[str, int]:
    return {"before": before, "after": after}
