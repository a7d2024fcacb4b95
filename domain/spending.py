"""What an account spent on its current day, in its current week and month: money and payments.

Counted from the account's debits and what compensates them, by the local date on which the payment
was made. Weeks begin on Monday (ISO 8601), months on the first.
"""

import datetime as dt
from functools import lru_cache
from typing import NamedTuple

import msgspec


class Periods(NamedTuple):
    """A local date (`2026-11-23`), the Monday of its week, its month (`2026-11`)."""

    day: str
    week: str
    month: str


class Spent(NamedTuple):
    """Cents, and payments, of a period."""

    cents: int
    payments: int


NOTHING = Spent(0, 0)


class Spending(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Counters of the latest day with spending, of the latest week and of the latest month.

    An amount put right later moves the counters of the payment's own date, as far as they are
    still kept; a payment that was taken back is counted as none.
    """

    day: str = ""
    day_cents: int = 0
    day_count: int = 0
    week: str = ""
    week_cents: int = 0
    week_count: int = 0
    month: str = ""
    month_cents: int = 0
    month_count: int = 0

    def on_day(self, date: str) -> Spent:
        """What was spent on the local date, as far as that is the latest day."""
        return Spent(self.day_cents, self.day_count) if date == self.day else NOTHING

    def cents_on(self, date: str) -> int:
        """The money of `on_day` alone, for every payment's sake."""
        return self.day_cents if date == self.day else 0

    def in_week_of(self, date: str) -> Spent:
        """What was spent in the week of the local date."""
        if periods(date).week != self.week:
            return NOTHING
        return Spent(self.week_cents, self.week_count)

    def in_month_of(self, date: str) -> Spent:
        """What was spent in the month of the local date."""
        if periods(date).month != self.month:
            return NOTHING
        return Spent(self.month_cents, self.month_count)

    def moved(self, date: str, cents: int, count: int) -> "Spending":
        """The counters after `cents` and `count` more (or fewer) on the local date."""
        if date == self.day:  # nearly always
            return Spending(
                day=self.day,
                day_cents=self.day_cents + cents,
                day_count=self.day_count + count,
                week=self.week,
                week_cents=self.week_cents + cents,
                week_count=self.week_count + count,
                month=self.month,
                month_cents=self.month_cents + cents,
                month_count=self.month_count + count,
            )
        of = periods(date)
        day = _moved(self.day, self.day_cents, self.day_count, of.day, cents, count)
        week = _moved(self.week, self.week_cents, self.week_count, of.week, cents, count)
        month = _moved(self.month, self.month_cents, self.month_count, of.month, cents, count)
        return Spending(
            day=day[0],
            day_cents=day[1],
            day_count=day[2],
            week=week[0],
            week_cents=week[1],
            week_count=week[2],
            month=month[0],
            month_cents=month[1],
            month_count=month[2],
        )


NO_SPENDING = Spending()


def _moved(
    kept: str, kept_cents: int, kept_count: int, period: str, cents: int, count: int
) -> tuple[str, int, int]:
    """A later period begins anew; what belongs to an earlier one is no longer counted here."""
    if period == kept:
        return kept, kept_cents + cents, kept_count + count
    return (period, cents, count) if period > kept else (kept, kept_cents, kept_count)


@lru_cache(maxsize=4096)
def periods(date: str) -> Periods:
    """The periods that an ISO date lies in. The same texts for the same date: accounts share them.

    Raises ValueError for what is no date.
    """
    on = dt.date.fromisoformat(date)
    monday = on - dt.timedelta(days=on.weekday())
    return Periods(date, monday.isoformat(), date[:7])
