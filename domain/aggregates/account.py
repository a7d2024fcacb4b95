"""The account behind one or more cards: what an employee may spend.

What becomes of money whose last day has passed is in `expired_money`. Amounts are integer cents.
Times are given by the caller, never read here.
"""

from uuid import UUID

import msgspec
from msgspec.structs import replace

from domain import lots as lots_
from domain.aggregates import expired_money
from domain.answers import Refusal, refusal
from domain.event import Context, Event, no_such_event, stamp, stored_as
from domain.local_time import local_date
from domain.lots import Lot, Lots


@stored_as("account.opened/1")
class AccountOpened(Event, frozen=True, kw_only=True, gc=False):
    """The account starts empty; its days are those of `timezone`."""

    company_id: UUID
    cardholder_id: UUID
    currency: str
    timezone: str
    daily_limit_cents: int


@stored_as("account.credited/1")
class AccountCredited(Event, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """Money from the company, by a refill: a lot that this event names.

    It can be spent through `last_day`; for ever where that is empty.
    """

    amount_cents: int
    refill_id: UUID
    last_day: str = ""


@stored_as("account.debited/1")
class AccountDebited(Event, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """Money spent by an approved transaction on a local business date.

    `lots` is what of it was taken from lots with a last day; the rest has none.
    """

    amount_cents: int
    transaction_id: UUID
    local_date: str
    lots: Lots = ()


@stored_as("account.debit_reversed/1")
class DebitReversed(Event, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """Compensates a whole debit: the terminal heard no answer. Names the event it corrects.

    `lots` go back with the last days that they had, also where those have passed.
    """

    amount_cents: int
    transaction_id: UUID
    local_date: str
    corrects_version: int
    lots: Lots = ()


@stored_as("account.debit_corrected/1")
class DebitCorrected(Event, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """Compensates a wrong amount: `change_cents` is added to the balance (may be negative).

    `lots` go back where it is added, and are taken where it is not.
    """

    change_cents: int
    transaction_id: UUID
    local_date: str
    corrects_version: int
    why: str
    lots: Lots = ()


class Account(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """The account as its events made it. `spent_cents` is what was spent on `spent_on`.

    `lots` is the part of the balance that has a last day, `expired` what was booked as expired:
    it is in the balance no more.
    """

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
    lots: Lots = ()
    expired: Lots = ()

    def available_cents(self, today: str) -> int:
        """What of the balance can be spent on the local date, whether or not more was booked."""
        lots = self.lots
        if not lots or lots[0].last_day >= today:
            return self.balance_cents
        return self.balance_cents - lots_.total(lots_.expired(lots, today))

    def spent_on_date(self, date: str) -> int:
        """Cents spent on the local date, as far as that is the last day of spending."""
        return self.spent_cents if date == self.spent_on else 0


def evolve(account: Account | None, event: Event) -> Account:
    """The account after `event`. Total over its events; decides nothing."""
    match event:
        case AccountDebited():
            return _moved(account, event, -event.amount_cents, event.local_date, event.lots)
        case AccountCredited():
            lots = _of_credit(event) if event.last_day else ()
            return _moved(account, event, event.amount_cents, None, lots)
        case DebitReversed():
            return _moved(account, event, event.amount_cents, event.local_date, event.lots)
        case DebitCorrected():
            return _moved(account, event, event.change_cents, event.local_date, event.lots)
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
            if account is None:
                raise no_such_event("new account", event)
            return expired_money.after(account, event)


def _of_credit(event: AccountCredited) -> Lots:
    return (Lot(event.last_day, event.amount_cents, event.originator_version),)


def _moved(
    account: Account | None,
    event: Event,
    change_cents: int,
    spending_date: str | None,
    parts: Lots,
) -> Account:
    """The account with its balance moved, and its day's spending where a date is given.

    A spending on a later date starts a new day; a correction of an earlier day leaves the
    counter of the current one alone. `parts` of the change are in lots.
    """
    if account is None:
        raise no_such_event("new account", event)
    spent_on, spent_cents = account.spent_on, account.spent_cents
    if spending_date is not None:
        if spending_date == spent_on:
            spent_cents -= change_cents
        elif spending_date > spent_on:
            spent_on, spent_cents = spending_date, -change_cents
    lots = account.lots
    if parts:
        lots = lots_.add(lots, parts) if change_cents > 0 else lots_.remove(lots, parts)
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
        lots=lots,
        expired=account.expired,
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
    context: Context, account: Account, *, amount_cents: int, refill_id: UUID, last_day: str = ""
) -> AccountCredited:
    """Adds the money of a refill. `amount_cents` > 0, checked by the refill.

    `last_day` is the last local date on which it can be spent; empty where it never expires.
    """
    return AccountCredited(
        **stamp(context, account.id, account.version + 1),
        amount_cents=amount_cents,
        refill_id=refill_id,
        last_day=last_day,
    )


def today_of(context: Context, account: Account) -> str:
    """The local date on which something is decided about the account."""
    return local_date(context.recorded_at_us, account.timezone)


def check_daily_limit(account: Account, amount_cents: int, date: str) -> Refusal | None:
    """Refuses what would exceed the account's limit for the local date."""
    left = account.daily_limit_cents - account.spent_on_date(date)
    if amount_cents <= left:
        return None
    return refusal("61", "daily-limit", max(0, min(left, account.available_cents(date))))


def check_balance(account: Account, amount_cents: int, date: str) -> Refusal | None:
    """Refuses what cannot be spent on the local date; says since when, where money expired."""
    available = account.available_cents(date)
    if amount_cents <= available:
        return None
    left = account.daily_limit_cents - account.spent_on_date(date)
    no = refusal("51", "balance", max(0, min(left, available)))
    gone = (*account.expired, *lots_.expired(account.lots, date))
    if amount_cents > available + lots_.total(gone):
        return no
    last_day = max(lot.last_day for lot in gone)
    return replace(no, text=f"{no.text} Money on this card could be spent until {last_day}.")


def debit(
    context: Context, account: Account, *, amount_cents: int, transaction_id: UUID, date: str
) -> AccountDebited:
    """Takes the money of a transaction that every rule passed: first what expires first."""
    return AccountDebited(
        **stamp(context, account.id, account.version + 1),
        amount_cents=amount_cents,
        transaction_id=transaction_id,
        local_date=date,
        lots=lots_.to_spend(account.lots, amount_cents, date) if account.lots else (),
    )


def reverse_debit(
    context: Context,
    account: Account,
    *,
    amount_cents: int,
    transaction_id: UUID,
    date: str,
    corrects_version: int,
    lots: Lots = (),
) -> DebitReversed:
    """Gives the money of a reversed transaction back, `lots` of it into the lots it came from."""
    return DebitReversed(
        **stamp(context, account.id, account.version + 1),
        amount_cents=amount_cents,
        transaction_id=transaction_id,
        local_date=date,
        corrects_version=corrects_version,
        lots=lots,
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
    spent_cents: int = 0,
    lots: Lots = (),
) -> DebitCorrected | Refusal:
    """Moves the balance by the difference between the wrong and the right amount.

    `spent_cents` is what the transaction holds before, `lots` what of it came from lots: what is
    given back goes there, and what is taken in addition comes from what can be spent today.
    """
    today = today_of(context, account)
    if account.available_cents(today) + change_cents < 0:
        return refusal("51", "balance", account.available_cents(today))
    if change_cents > 0:
        parts = lots_.to_give_back(lots, spent_cents, change_cents)
    else:
        parts = lots_.to_spend(account.lots, -change_cents, today)
    return DebitCorrected(
        **stamp(context, account.id, account.version + 1),
        change_cents=change_cents,
        transaction_id=transaction_id,
        local_date=date,
        corrects_version=corrects_version,
        why=why,
        lots=parts,
    )
