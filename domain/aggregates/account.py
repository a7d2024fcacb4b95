"""The account behind one or more cards: what an employee may spend.

Amounts are integer cents. Times are given by the caller, never read here.
"""

from uuid import UUID

import msgspec

from domain.answers import Refusal, refusal
from domain.event import Context, Event, no_such_event, stamp, stored_as


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


@stored_as("account.credit_taken_back/1")
class CreditTakenBack(Event, frozen=True, kw_only=True, gc=False):
    """Compensates a credit whose payment was taken back from us, as far as it was not spent."""

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
    """Compensates a whole debit: the terminal heard no answer. Names the event it corrects."""

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


class Account(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The account as its events made it. `spent_cents` is what was spent on `spent_on`."""

    id: UUID
    version: int
    company_id: UUID
    cardholder_id: UUID
    currency: str
    timezone: str
    daily_limit_cents: int
    balance_cents: int = 0
    spent_on: str = ""
    spent_cents: int = 0

    def spent_on_date(self, date: str) -> int:
        """Cents spent on the local date, as far as that is the last day of spending."""
        return self.spent_cents if date == self.spent_on else 0


def evolve(account: Account | None, event: Event) -> Account:
    """The account after `event`. Total over its events; decides nothing."""
    match event:
        case AccountDebited():
            return _moved(account, event, -event.amount_cents, event.local_date)
        case AccountCredited():
            return _moved(account, event, event.amount_cents, None)
        case CreditTakenBack():
            return _moved(account, event, -event.amount_cents, None)
        case DebitReversed():
            return _moved(account, event, event.amount_cents, event.local_date)
        case DebitCorrected():
            return _moved(account, event, event.change_cents, event.local_date)
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
    account: Account | None, event: Event, change_cents: int, spending_date: str | None
) -> Account:
    """The account with its balance moved, and its day's spending where a date is given.

    A spending on a later date starts a new day; a correction of an earlier day leaves the
    counter of the current one alone.
    """
    if account is None:
        raise no_such_event("new account", event)
    spent_on, spent_cents = account.spent_on, account.spent_cents
    if spending_date is not None:
        if spending_date == spent_on:
            spent_cents -= change_cents
        elif spending_date > spent_on:
            spent_on, spent_cents = spending_date, -change_cents
    return Account(
        id=account.id,
        version=event.originator_version,
        company_id=account.company_id,
        cardholder_id=account.cardholder_id,
        currency=account.currency,
        timezone=account.timezone,
        daily_limit_cents=account.daily_limit_cents,
        balance_cents=account.balance_cents + change_cents,
        spent_on=spent_on,
        spent_cents=spent_cents,
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


def take_back(
    context: Context, account: Account, *, amount_cents: int, refill_id: UUID
) -> CreditTakenBack | None:
    """Takes back what is left of a refill's credit; None where nothing is."""
    left = min(amount_cents, account.balance_cents)
    if left <= 0:
        return None
    return CreditTakenBack(
        **stamp(context, account.id, account.version + 1), amount_cents=left, refill_id=refill_id
    )


def check_daily_limit(account: Account, amount_cents: int, date: str) -> Refusal | None:
    """Refuses what would exceed the account's limit for the local date."""
    left = account.daily_limit_cents - account.spent_on_date(date)
    if amount_cents <= left:
        return None
    return refusal("61", "daily-limit", max(0, min(left, account.balance_cents)))


def check_balance(account: Account, amount_cents: int, date: str) -> Refusal | None:
    """Refuses what the account does not hold."""
    if amount_cents <= account.balance_cents:
        return None
    left = account.daily_limit_cents - account.spent_on_date(date)
    return refusal("51", "balance", max(0, min(left, account.balance_cents)))


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
        return refusal("51", "balance", account.balance_cents)
    return DebitCorrected(
        **stamp(context, account.id, account.version + 1),
        change_cents=change_cents,
        transaction_id=transaction_id,
        local_date=date,
        corrects_version=corrects_version,
        why=why,
    )
