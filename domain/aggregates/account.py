"""The account behind one or more cards: what an employee may spend.

Amounts are integer cents. Times are given by the caller, never read here.
"""

from uuid import UUID

import msgspec

from domain.answers import Refusal, refusal
from domain.event import Context, Event, no_such_event, stamp, stored_as
from domain.spending import NO_SPENDING, Spending


@stored_as("account.opened/1")
class AccountOpened(Event, frozen=True, kw_only=True, gc=False):
    """The account starts empty; its days are those of `timezone`."""

    company_id: UUID
    cardholder_id: UUID
    currency: str
    timezone: str
    daily_limit_cents: int


@stored_as("account.credited/1")
class AccountCredited(Event, frozen=True, kw_only=True, gc=False):
    """Money from the company, by a refill."""

    amount_cents: int
    refill_id: UUID


@stored_as("account.debited/1")
class AccountDebited(Event, frozen=True, kw_only=True, gc=False):
    """Money spent by an approved transaction on a local business date."""

    amount_cents: int
    transaction_id: UUID
    local_date: str


@stored_as("account.debit_reversed/1")
class DebitReversed(Event, frozen=True, kw_only=True, gc=False):
    """Compensates a whole debit: the terminal heard no answer, or voided the payment.

    Names the event it corrects.
    """

    amount_cents: int
    transaction_id: UUID
    local_date: str
    corrects_version: int


@stored_as("account.debit_corrected/1")
class DebitCorrected(Event, frozen=True, kw_only=True, gc=False):
    """Compensates a wrong amount: `change_cents` is added to the balance (may be negative)."""

    change_cents: int
    transaction_id: UUID
    local_date: str
    corrects_version: int
    why: str


@stored_as("account.debit_refunded/1")
class DebitRefunded(Event, frozen=True, kw_only=True, gc=False):
    """The shop gave back part or all of what was left of a debit."""

    amount_cents: int
    transaction_id: UUID
    refund_id: UUID
    local_date: str
    corrects_version: int


@stored_as("account.tip_debited/1")
class TipDebited(Event, frozen=True, kw_only=True, gc=False):
    """Money spent for the tip of a payment, on the local date on which it was entered."""

    amount_cents: int
    transaction_id: UUID
    local_date: str
    adds_to_version: int


@stored_as("account.dispute_credited/1")
class DisputeCredited(Event, frozen=True, kw_only=True, gc=False):
    """Money given back because a dispute over a payment was decided for the cardholder."""

    amount_cents: int
    transaction_id: UUID
    dispute_id: UUID
    local_date: str
    corrects_version: int


@stored_as("account.credit_corrected/1")
class CreditCorrected(Event, frozen=True, kw_only=True, gc=False):
    """Compensates a refill's wrong amount: `change_cents` is added to the balance (may be
    negative). Names the event it corrects: the credit, or the correction before this one."""

    change_cents: int
    refill_id: UUID
    corrects_version: int
    why: str


class Account(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The account as its events made it."""

    id: UUID
    version: int
    company_id: UUID
    cardholder_id: UUID
    currency: str
    timezone: str
    daily_limit_cents: int
    balance_cents: int = 0
    spending: Spending = NO_SPENDING

    def spent_on_date(self, date: str) -> int:
        """Cents spent on the local date, as far as that is the last day of spending."""
        return self.spending.cents_on(date)


def evolve(account: Account | None, event: Event) -> Account:
    """The account after `event`. Total over its events; decides nothing."""
    match event:
        case AccountDebited():
            return _moved(account, event, -event.amount_cents, event.local_date, 1)
        case AccountCredited():
            return _moved(account, event, event.amount_cents, None)
        case DebitReversed():
            return _moved(account, event, event.amount_cents, event.local_date, -1)
        case DebitCorrected():
            return _moved(account, event, event.change_cents, event.local_date)
        case DebitRefunded() | DisputeCredited():
            return _moved(account, event, event.amount_cents, event.local_date)
        case TipDebited():
            return _moved(account, event, -event.amount_cents, event.local_date)
        case CreditCorrected():
            return _moved(account, event, event.change_cents, None)
        case AccountOpened():
            return Account(
                id=event.originator_id,
                version=event.originator_version,
                company_id=event.company_id,
                cardholder_id=event.cardholder_id,
                currency=event.currency,
                timezone=event.timezone,
                daily_limit_cents=event.daily_limit_cents,
            )
        case _:
            raise no_such_event("account", event)


def _moved(
    account: Account | None,
    event: Event,
    change_cents: int,
    spending_date: str | None,
    payments: int = 0,
) -> Account:
    """The account with its balance moved, and what was spent on a date where one is given.

    `payments`: how many more were made on that date.
    """
    if account is None:
        raise no_such_event("new account", event)
    spending = account.spending
    if spending_date is not None:
        spending = spending.moved(spending_date, -change_cents, payments)
    return Account(
        id=account.id,
        version=event.originator_version,
        company_id=account.company_id,
        cardholder_id=account.cardholder_id,
        currency=account.currency,
        timezone=account.timezone,
        daily_limit_cents=account.daily_limit_cents,
        balance_cents=account.balance_cents + change_cents,
        spending=spending,
    )


# `open` is the word of the field; the builtin is not used in this module.
def open(
    context: Context,
    id: UUID,
    *,
    company_id: UUID,
    cardholder_id: UUID,
    timezone: str,
    daily_limit_cents: int,
    currency: str,
) -> AccountOpened:
    """A new, empty account."""
    return AccountOpened(
        **stamp(context, id, 1),
        company_id=company_id,
        cardholder_id=cardholder_id,
        currency=currency,
        timezone=timezone,
        daily_limit_cents=daily_limit_cents,
    )


def credit(
    context: Context, account: Account, *, amount_cents: int, refill_id: UUID
) -> AccountCredited:
    """Adds the money of a refill. `amount_cents` > 0, checked by the refill."""
    return AccountCredited(
        **stamp(context, account.id, account.version + 1),
        amount_cents=amount_cents,
        refill_id=refill_id,
    )


def business_date(account: Account, date: str) -> str:
    """The local date that a payment counts to: days never run backwards.

    Where the clock was put back over midnight, it is the latest day with spending, so that no
    day's limit begins a second time.
    """
    return max(date, account.spending.day)


def debit(
    context: Context, account: Account, *, amount_cents: int, transaction_id: UUID, date: str
) -> AccountDebited:
    """Takes the money of a transaction that every rule passed."""
    return AccountDebited(
        **stamp(context, account.id, account.version + 1),
        amount_cents=amount_cents,
        transaction_id=transaction_id,
        local_date=date,
    )


def reverse_debit(
    context: Context,
    account: Account,
    *,
    amount_cents: int,
    transaction_id: UUID,
    date: str,
    corrects_version: int,
) -> DebitReversed:
    """Gives the money of a reversed transaction back."""
    return DebitReversed(
        **stamp(context, account.id, account.version + 1),
        amount_cents=amount_cents,
        transaction_id=transaction_id,
        local_date=date,
        corrects_version=corrects_version,
    )


def correct_debit(
    context: Context,
    account: Account,
    *,
    change_cents: int,
    transaction_id: UUID,
    date: str,
    corrects_version: int,
    why: str,
) -> DebitCorrected | Refusal:
    """Moves the balance by the difference between the wrong and the right amount."""
    if account.balance_cents + change_cents < 0:
        return refusal("51", "balance")
    return DebitCorrected(
        **stamp(context, account.id, account.version + 1),
        change_cents=change_cents,
        transaction_id=transaction_id,
        local_date=date,
        corrects_version=corrects_version,
        why=why,
    )


def refund_debit(
    context: Context,
    account: Account,
    *,
    amount_cents: int,
    transaction_id: UUID,
    refund_id: UUID,
    date: str,
    corrects_version: int,
) -> DebitRefunded:
    """Gives part of a payment back; how much, the transaction decided."""
    return DebitRefunded(
        **stamp(context, account.id, account.version + 1),
        amount_cents=amount_cents,
        transaction_id=transaction_id,
        refund_id=refund_id,
        local_date=date,
        corrects_version=corrects_version,
    )


def debit_tip(
    context: Context,
    account: Account,
    *,
    amount_cents: int,
    transaction_id: UUID,
    date: str,
    adds_to_version: int,
) -> TipDebited:
    """Takes the money of a tip, after the checks of daily limit and balance."""
    return TipDebited(
        **stamp(context, account.id, account.version + 1),
        amount_cents=amount_cents,
        transaction_id=transaction_id,
        local_date=date,
        adds_to_version=adds_to_version,
    )


def credit_dispute(
    context: Context,
    account: Account,
    *,
    amount_cents: int,
    transaction_id: UUID,
    dispute_id: UUID,
    date: str,
    corrects_version: int,
) -> DisputeCredited:
    """Gives back what a dispute was decided to be worth."""
    return DisputeCredited(
        **stamp(context, account.id, account.version + 1),
        amount_cents=amount_cents,
        transaction_id=transaction_id,
        dispute_id=dispute_id,
        local_date=date,
        corrects_version=corrects_version,
    )


def correct_credit(
    context: Context,
    account: Account,
    *,
    change_cents: int,
    refill_id: UUID,
    corrects_version: int,
    why: str,
) -> CreditCorrected | Refusal:
    """Moves the balance by the difference between a refill's wrong and right amount."""
    if account.balance_cents + change_cents < 0:
        return refusal("51", "balance")
    return CreditCorrected(
        **stamp(context, account.id, account.version + 1),
        change_cents=change_cents,
        refill_id=refill_id,
        corrects_version=corrects_version,
        why=why,
    )
