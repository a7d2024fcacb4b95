"""The business date, the minute of the day and the weekday of an instant in an IANA time zone."""

import datetime as dt
from datetime import UTC, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

# Every offset in use since 1972 is a multiple of 15 minutes, so a date is constant within one.
_QUARTER_US = 15 * 60 * 1_000_000
_MINUTE_US = 60 * 1_000_000
DAY_MINUTES = 24 * 60


def local_date(at_us: int, timezone: str) -> str:
    """The ISO date (`2026-11-23`) in `timezone` at `at_us` microseconds since 1970 UTC."""
    return _date_of_quarter(at_us // _QUARTER_US, timezone)


def local_minute(at_us: int, timezone: str) -> int:
    """How many minutes of the local day are past, 0 .. 1,439, as a clock on the wall shows it."""
    return _minute(at_us // _MINUTE_US, timezone)


@lru_cache(maxsize=4096)
def weekday(date: str) -> int:
    """The weekday of an ISO date: 1 Monday .. 7 Sunday (ISO 8601)."""
    return dt.date.fromisoformat(date).isoweekday()


def day_after(date: str, days: int = 1) -> str:
    """The ISO date so many days later."""
    return (dt.date.fromisoformat(date) + timedelta(days=days)).isoformat()


def instant(date: str, minute: int, timezone: str) -> int:
    """The microseconds since 1970 UTC at which a wall clock shows `minute` of the day of `date`.

    Where the clock is put forward over it, the same time after the change; where it is put back,
    the first of the two. `minute` 0 .. 1,440.
    """
    if minute == DAY_MINUTES:
        date, minute = day_after(date), 0
    at = datetime.combine(
        dt.date.fromisoformat(date), time(minute // 60, minute % 60), ZoneInfo(timezone)
    )
    return int(at.timestamp()) * 1_000_000


def in_words(at_us: int, now_us: int, timezone: str) -> str:
    """`00:00 Chicago time`; with the day, where that is more than 24 hours after `now_us`."""
    local = datetime.fromtimestamp(at_us / 1_000_000, UTC).astimezone(ZoneInfo(timezone))
    zone = timezone.rpartition("/")[2].replace("_", " ")
    named = zone if zone == "UTC" else f"{zone} time"
    if at_us - now_us <= DAY_MINUTES * _MINUTE_US:
        return f"{local:%H:%M} {named}"
    return f"{local:%a, %b} {local.day}, {local:%H:%M} {named}"


@lru_cache(maxsize=4096)
def _date_of_quarter(quarter: int, timezone: str) -> str:
    at = datetime.fromtimestamp(quarter * 900, UTC)
    return at.astimezone(ZoneInfo(timezone)).date().isoformat()


@lru_cache(maxsize=4096)
def _minute(minute: int, timezone: str) -> int:
    at = datetime.fromtimestamp(minute * 60, UTC).astimezone(ZoneInfo(timezone))
    return at.hour * 60 + at.minute
