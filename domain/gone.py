"""What credits have lost by expiry: money that is in the balance no more, though nobody spent it.

Who takes a credit back, or puts it right, must not take other money for what has expired of it.
Kept by last day, as lots are: credits with the same last day cannot be told apart, so each counts
as having lost what any of them has. So where it is not known, money stays on the account.
"""

from collections.abc import Iterable

import msgspec

from domain.lots import Lot


class Gone(msgspec.Struct, frozen=True, gc=False):
    """Cents that expired of the credits through `last_day`, less what was reactivated.

    `mixed` are earlier days whose money was reactivated through this one: what expires of this day
    may be theirs.
    """

    last_day: str
    cents: int = 0
    mixed: tuple[str, ...] = ()


def expired(gone: tuple[Gone, ...], last_day: str, cents: int) -> tuple[Gone, ...]:
    """After a lot of that last day was booked as expired."""
    return _moved(gone, _days(gone, last_day), cents)


def reactivated(
    gone: tuple[Gone, ...], expired_day: str, last_day: str, cents: int
) -> tuple[Gone, ...]:
    """After expired money is back in the balance, through `last_day`."""
    days = _days(gone, expired_day)
    by_day = {each.last_day: each for each in _moved(gone, days, -cents)}
    into = by_day.get(last_day, Gone(last_day))
    mixed = tuple(sorted({*into.mixed, *days}))
    by_day[last_day] = Gone(last_day, into.cents, mixed)
    return tuple(by_day.values())


def cents(gone: tuple[Gone, ...], unbooked: Iterable[Lot], last_day: str) -> int:
    """What a credit with that last day has lost, at most; `unbooked` lots have expired, too."""
    for lot in unbooked:
        gone = expired(gone, lot.last_day, lot.cents)
    return next((each.cents for each in gone if each.last_day == last_day), 0)


def _days(gone: tuple[Gone, ...], last_day: str) -> tuple[str, ...]:
    mixed = next((each.mixed for each in gone if each.last_day == last_day), ())
    return (*mixed, last_day)


def _moved(gone: tuple[Gone, ...], days: tuple[str, ...], cents: int) -> tuple[Gone, ...]:
    by_day = {each.last_day: each for each in gone}
    for day in days:
        before = by_day.get(day, Gone(day))
        by_day[day] = Gone(day, max(0, before.cents + cents), before.mixed)
    return tuple(by_day.values())
