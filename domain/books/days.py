"""The days of the books. A day is one of the issuer's bank: a calendar day in Eastern time.

Not a setting: another time zone would move entries between days that are closed.
"""

from datetime import date, timedelta

from domain.event import Event
from domain.local_time import local_date

TIMEZONE = "America/New_York"


def clock_day(at_us: int) -> str:
    """The day (`2026-11-23`) at that instant, microseconds since 1970 UTC."""
    return local_date(at_us, TIMEZONE)


def recorded_day(event: Event) -> str:
    """The day on which the event was recorded, by the clock of then."""
    return local_date(event.recorded_at_us, TIMEZONE)


def next_day(day: str) -> str:
    """The day after."""
    return (date.fromisoformat(day) + timedelta(days=1)).isoformat()


def days_from(day: date, days: int) -> date:
    """The day so many days later, or earlier below zero; the calendar's first or last where it
    would end."""
    return date.fromordinal(min(max(day.toordinal() + days, 1), date.max.toordinal()))
