"""When a business day is settled, and in which one a change of a payment counts.

A day is settled at four in the morning after it, where the shop is: from then on its statement may
have been exported, booked and paid, and it stays as it was. What changes a payment of such a day
later is an adjustment of the day on which it is made, and refers to the payment. Settling is a rule
of time, not an event: docs/decisions/0032. It needs nothing but the two times, so that read models
built anew come to the same.
"""

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from domain.local_time import local_date

CLOSING_HOUR = 4
"""Restaurants enter the tips of an evening after midnight."""


@lru_cache(maxsize=4096)
def closes_us(day: str, timezone: str) -> int:
    """The microsecond (UTC) at which the business day `2026-11-23` of that time zone is settled."""
    following = date.fromisoformat(day) + timedelta(days=1)
    at = datetime.combine(following, time(CLOSING_HOUR), ZoneInfo(timezone))
    return int(at.astimezone(UTC).timestamp()) * 1_000_000


def is_settled(day: str, at_us: int, timezone: str) -> bool:
    """Whether the business day `day` (`2026-11-23`) was over at `at_us` in that time zone."""
    return at_us >= closes_us(day, timezone)


def counts_on(day: str, at_us: int, timezone: str) -> str:
    """The business day in which a change made at `at_us` of a payment of `day` counts."""
    return local_date(at_us, timezone) if is_settled(day, at_us, timezone) else day
