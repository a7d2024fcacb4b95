"""What follows a debit: money given back by a refund or a dispute, and money taken for a tip.

Another part of `account`; how much it may be, the payment says (`domain.adjustment`,
`domain.contesting`).
"""

from typing import TYPE_CHECKING
from uuid import UUID

from domain import lots as lots_
from domain.event import Context, Event, stamp, stored_as
from domain.lots import Lots

if TYPE_CHECKING:
    from domain.aggregates.account import Account


@stored_as("account.debit_refunded/1")
class DebitRefunded(Event, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """The shop gave back part or all of what was left of a debit; `lots` of it go back with the
    last days that they had, also where those have passed."""

    amount_cents: int
    transaction_id: UUID
    refund_id: UUID
    local_date: str
    corrects_version: int
    lots: Lots = ()


@stored_as("account.tip_debited/1")
class TipDebited(Event, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """Money spent for the tip of a payment, on the local date on which it was entered; `lots` is
    what of it was taken from lots with a last day."""

    amount_cents: int
    transaction_id: UUID
    local_date: str
    adds_to_version: int
    lots: Lots = ()


@stored_as("account.dispute_credited/1")
class DisputeCredited(Event, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """Money given back because a dispute over a payment was decided for the cardholder; `lots` as
    of a refund. The shop bears it."""

    amount_cents: int
    transaction_id: UUID
    dispute_id: UUID
    local_date: str
    corrects_version: int
    lots: Lots = ()


def refund_debit(
    context: Context,
    account: "Account",
    *,
    amount_cents: int,
    transaction_id: UUID,
    refund_id: UUID,
    date: str,
    corrects_version: int,
    spent_cents: int,
    lots: Lots,
) -> DebitRefunded:
    """Gives part of a payment back; how much, the transaction decided. `spent_cents` is what the
    payment holds before, `lots` what of it came from lots."""
    return DebitRefunded(
        **stamp(context, account.id, account.version + 1),
        amount_cents=amount_cents,
        transaction_id=transaction_id,
        refund_id=refund_id,
        local_date=date,
        corrects_version=corrects_version,
        lots=lots_.to_give_back(lots, spent_cents, amount_cents),
    )


def debit_tip(
    context: Context,
    account: "Account",
    *,
    amount_cents: int,
    transaction_id: UUID,
    date: str,
    adds_to_version: int,
) -> TipDebited:
    """Takes the money of a tip, after the checks of limits and balance: first what expires
    first."""
    return TipDebited(
        **stamp(context, account.id, account.version + 1),
        amount_cents=amount_cents,
        transaction_id=transaction_id,
        local_date=date,
        adds_to_version=adds_to_version,
        lots=lots_.to_spend(account.lots, amount_cents, date) if account.lots else (),
    )


def credit_dispute(
    context: Context,
    account: "Account",
    *,
    amount_cents: int,
    transaction_id: UUID,
    dispute_id: UUID,
    date: str,
    corrects_version: int,
    spent_cents: int,
    lots: Lots,
) -> DisputeCredited:
    """Gives back what a dispute was decided to be worth. `spent_cents` is what the payment holds
    before, `lots` what of it came from lots."""
    return DisputeCredited(
        **stamp(context, account.id, account.version + 1),
        amount_cents=amount_cents,
        transaction_id=transaction_id,
        dispute_id=dispute_id,
        local_date=date,
        corrects_version=corrects_version,
        lots=lots_.to_give_back(lots, spent_cents, amount_cents),
    )
