"""The business date of an instant in an IANA time zone."""

from datetime import UTC, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

# Every offset in use since 1972 is a multiple of 15 minutes, so a date is constant within one.
_QUARTER_US = 15 * 60 * 1_000_000


def local_date(at_us: int, timezone: str) -> str:
    """The ISO date (`2026-11-23`) in `timezone` at `at_us` microseconds since 1970 UTC."""
    return _date_of_quarter(at_us // _QUARTER_US, timezone)


@lru_cache(maxsize=4096)
def _date_of_quarter(quarter: int, timezone: str) -> str:
    at = datetime.fromtimestamp(quarter * 900, UTC)
    return at.astimezone(ZoneInfo(timezone)).date().isoformat()
