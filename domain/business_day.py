"""When the business day of a payment is closed: at four in the morning after it, where the shop is.

Closing is a rule of time, not an event for each payment: see docs/decisions/0032.
"""

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from domain.local_time import local_date

CLOSING_HOUR = 4
"""Restaurants enter the tips of an evening after midnight."""


def is_closed(decided_us: int, timezone: str, now_us: int) -> bool:
    """Whether the day of a payment decided at `decided_us` (UTC) is closed at `now_us`."""
    return now_us >= closes_us(local_date(decided_us, timezone), timezone)


@lru_cache(maxsize=4096)
def closes_us(day: str, timezone: str) -> int:
    """The microsecond (UTC) at which the business day `2026-11-23` of that time zone is closed."""
    following = date.fromisoformat(day) + timedelta(days=1)
    at = datetime.combine(following, time(CLOSING_HOUR), ZoneInfo(timezone))
    return int(at.astimezone(UTC).timestamp()) * 1_000_000
