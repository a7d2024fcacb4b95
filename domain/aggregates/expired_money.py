"""Money after its last day: booked as expired, then reactivated, returned or donated.

The other half of `account`. A lot whose last day has passed cannot be spent, booked or not; the
booking takes it out of the balance and holds it apart, until somebody decides over it.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING
from uuid import UUID

from msgspec.structs import replace

from domain import gone as gone_
from domain import lots as lots_
from domain.event import Context, Event, no_such_event, stamp, stored_as
from domain.lots import Lot, Lots

if TYPE_CHECKING:
    from domain.aggregates.account import Account


@stored_as("account.lot_expired/1")
class LotExpired(Event, frozen=True, kw_only=True, gc=False):
    """Books that a lot's last day has passed: its money leaves the balance and is held apart.

    It could not be spent from that midnight on, however late this is booked.
    """

    amount_cents: int
    last_day: str
    credit: int


@stored_as("account.lot_reactivated/1")
class LotReactivated(Event, frozen=True, kw_only=True, gc=False):
    """Expired money of the lot of `expired_day` is back in the balance, through `last_day`."""

    amount_cents: int
    expired_day: str
    last_day: str
    credit: int
    why: str


@stored_as("account.lot_returned/1")
class LotReturned(Event, frozen=True, kw_only=True, gc=False):
    """Expired money went back to the company that had given it."""

    amount_cents: int
    expired_day: str
    company_id: UUID
    why: str


@stored_as("account.lot_donated/1")
class LotDonated(Event, frozen=True, kw_only=True, gc=False):
    """Expired money was given to a cause."""

    amount_cents: int
    expired_day: str
    cause: str
    why: str


def after(account: "Account", event: Event) -> "Account":
    """The account after `event`."""
    balance, lots, held = account.balance_cents, account.lots, account.expired
    gone = account.gone
    match event:
        case LotExpired(amount_cents=cents):
            part = (Lot(event.last_day, cents, event.credit),)
            balance, lots, held = balance - cents, lots_.remove(lots, part), lots_.add(held, part)
            gone = gone_.expired(gone, event.last_day, cents)
        case LotReactivated(amount_cents=cents):
            held = lots_.remove(held, (Lot(event.expired_day, cents, event.credit),))
            lots = lots_.add(lots, (Lot(event.last_day, cents, event.credit),))
            balance += cents
            gone = gone_.reactivated(gone, event.expired_day, event.last_day, cents)
        case LotReturned(amount_cents=cents) | LotDonated(amount_cents=cents):
            held = lots_.remove(held, (Lot(event.expired_day, cents, 0),))
        case _:
            raise no_such_event("account", event)
    return replace(
        account,
        version=event.originator_version,
        balance_cents=balance,
        lots=lots,
        expired=held,
        gone=gone,
    )


def expire(context: Context, account: "Account", today: str) -> list[LotExpired]:
    """Books every lot whose last day is before the local date; none where none is due."""
    return [
        LotExpired(
            **stamp(context, account.id, account.version + number),
            amount_cents=lot.cents,
            last_day=lot.last_day,
            credit=lot.credit,
        )
        for number, lot in enumerate(lots_.expired(account.lots, today), start=1)
    ]


def held(account: "Account", expired_day: str) -> Lots:
    """What is held of the lot of that last day, of all lots where it is empty."""
    if not expired_day:
        return account.expired
    return tuple(lot for lot in account.expired if lot.last_day == expired_day)


def reactivate(
    context: Context, account: "Account", lots: Lots, *, last_day: str, why: str
) -> Iterator[LotReactivated]:
    """Gives held lots back to the cardholder, to be spent through a later day."""
    for number, lot in enumerate(lots, start=1):
        yield LotReactivated(
            **stamp(context, account.id, account.version + number),
            amount_cents=lot.cents,
            expired_day=lot.last_day,
            last_day=last_day,
            credit=lot.credit,
            why=why,
        )


def return_(context: Context, account: "Account", lots: Lots, *, why: str) -> Iterator[LotReturned]:
    """Gives held lots back to the company."""
    for number, lot in enumerate(lots, start=1):
        yield LotReturned(
            **stamp(context, account.id, account.version + number),
            amount_cents=lot.cents,
            expired_day=lot.last_day,
            company_id=account.company_id,
            why=why,
        )


def donate(
    context: Context, account: "Account", lots: Lots, *, cause: str, why: str
) -> Iterator[LotDonated]:
    """Gives held lots to a cause."""
    for number, lot in enumerate(lots, start=1):
        yield LotDonated(
            **stamp(context, account.id, account.version + number),
            amount_cents=lot.cents,
            expired_day=lot.last_day,
            cause=cause,
            why=why,
        )
