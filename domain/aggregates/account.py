"""The account behind one or more cards: what an employee may spend.

What becomes of money whose last day has passed is in `expired_money`, what follows a debit at the
shop's or a cardholder's wish in `after_debit`, what follows a credit in `after_credit`. Amounts are
integer cents. Times are given by the caller, never read here.
"""

from uuid import UUID

import msgspec
from msgspec.structs import replace

from domain import lots as lots_
from domain.aggregates import expired_money
from domain.aggregates.after_credit import CreditCorrected, CreditGivenBack, CreditTakenBack
from domain.aggregates.after_debit import DebitRefunded, DisputeCredited, TipDebited
from domain.answers import Refusal, refusal
from domain.event import Context, Event, no_such_event, stamp, stored_as, upcast
from domain.gone import Gone
from domain.local_time import local_date
from domain.lots import Lot, Lots
from domain.spending import NO_SPENDING, Spending
from domain.suspicion import Use, remembered, unheard


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

    `lots` is what of it was taken from lots with a last day; the rest has none. `use`: where and
    how it was spent.
    """

    amount_cents: int
    transaction_id: UUID
    local_date: str
    lots: Lots = ()
    use: Use | None = None


@stored_as("account.debit_reversed/2")
class DebitReversed(Event, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """Compensates a whole debit: the terminal heard no answer, or voided the payment.

    Names the event it corrects. `lots` go back with the last days that they had, also where those
    have passed. `unheard_us`: when the payment was decided whose answer was not heard; 0 where it
    was voided.
    """

    amount_cents: int
    transaction_id: UUID
    local_date: str
    corrects_version: int
    lots: Lots = ()
    unheard_us: int = 0


upcast("account.debit_reversed/1", "account.debit_reversed/2")


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
    """The account as its events made it.

    `lots` is the part of the balance that has a last day, `expired` what was booked as expired:
    it is in the balance no more. `gone` is what credits have lost by that, whatever became of it.
    """

    id: UUID
    version: int
    company_id: UUID
    cardholder_id: UUID
    currency: str
    timezone: str
    daily_limit_cents: int
    balance_cents: int = 0
    spending: Spending = NO_SPENDING
    lots: Lots = ()
    expired: Lots = ()
    gone: tuple[Gone, ...] = ()
    recent: tuple[Use, ...] = ()

    def available_cents(self, today: str) -> int:
        """What of the balance can be spent on the local date, whether or not more was booked."""
        lots = self.lots
        if not lots or lots[0].last_day >= today:
            return self.balance_cents
        return self.balance_cents - lots_.total(lots_.expired(lots, today))

    @property
    def undated_cents(self) -> int:
        """Cents without a last day."""
        return self.balance_cents - lots_.total(self.lots)

    def spent_on_date(self, date: str) -> int:
        """Cents spent on the local date, as far as that is the last day of spending."""
        return self.spending.cents_on(date)


def evolve(account: Account | None, event: Event) -> Account:
    """The account after `event`. Total over its events; decides nothing."""
    match event:
        case AccountDebited():
            spent, date = -event.amount_cents, event.local_date
            return _moved(account, event, spent, date, event.lots, 1, event.use)
        case AccountCredited():
            lots = _of_credit(event) if event.last_day else ()
            return _moved(account, event, event.amount_cents, None, lots)
        case CreditTakenBack():
            return _moved(account, event, -event.amount_cents, None, event.lots)
        case CreditGivenBack():
            return _moved(account, event, event.amount_cents, None, event.lots)
        case DebitReversed():
            back = _moved(account, event, event.amount_cents, event.local_date, event.lots, -1)
            if not event.unheard_us:
                return back
            return replace(back, recent=unheard(back.recent, event.unheard_us))
        case DebitCorrected():
            return _moved(account, event, event.change_cents, event.local_date, event.lots)
        case DebitRefunded() | DisputeCredited():
            return _moved(account, event, event.amount_cents, event.local_date, event.lots)
        case TipDebited():
            return _moved(account, event, -event.amount_cents, event.local_date, event.lots)
        case CreditCorrected():
            return _moved(account, event, event.change_cents, None, event.lots)
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
    payments: int = 0,
    use: Use | None = None,
) -> Account:
    """The account with its balance moved, and what was spent on a date where one is given.

    `parts` of the change are in lots. `payments`: how many more were made on that date.
    """
    if account is None:
        raise no_such_event("new account", event)
    spending = account.spending
    if spending_date is not None:
        spending = spending.moved(spending_date, -change_cents, payments)
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
        spending=spending,
        lots=lots,
        expired=account.expired,
        gone=account.gone,
        recent=account.recent if use is None else remembered(account.recent, use),
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


def business_date(account: Account, date: str) -> str:
    """The local date that a payment counts to: days never run backwards.

    Where the clock was put back over midnight, it is the latest day with spending, so that no
    day's limit begins a second time.
    """
    return max(date, account.spending.day)


def today_of(context: Context, account: Account) -> str:
    """The local date on which something is decided about the account."""
    return local_date(context.recorded_at_us, account.timezone)


def could_be_spent_until(account: Account, amount_cents: int, date: str) -> str:
    """The last day until which the amount could have been spent with money that expired since;
    empty where it never was enough."""
    gone = (*account.expired, *lots_.expired(account.lots, date))
    if not gone or amount_cents > account.available_cents(date) + lots_.total(gone):
        return ""
    return max(lot.last_day for lot in gone)


def debit(
    context: Context,
    account: Account,
    *,
    amount_cents: int,
    transaction_id: UUID,
    date: str,
    use: Use | None = None,
) -> AccountDebited:
    """Takes the money of a transaction that every rule passed: first what expires first. `use`:
    where and how it was."""
    return AccountDebited(
        **stamp(context, account.id, account.version + 1),
        amount_cents=amount_cents,
        transaction_id=transaction_id,
        local_date=date,
        lots=lots_.to_spend(account.lots, amount_cents, date) if account.lots else (),
        use=use,
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
    unheard_us: int = 0,
) -> DebitReversed:
    """Gives the money of a reversed transaction back, `lots` of it into the lots it came from;
    `unheard_us` see the event."""
    return DebitReversed(
        **stamp(context, account.id, account.version + 1),
        amount_cents=amount_cents,
        transaction_id=transaction_id,
        local_date=date,
        corrects_version=corrects_version,
        lots=lots,
        unheard_us=unheard_us,
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
        return refusal("51", "balance")
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
