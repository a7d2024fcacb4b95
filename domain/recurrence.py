"""When something that recurs is due: weekly or monthly, at a local hour, on days of the banks.

A due date is the calendar day of the rule itself; it names the run, wherever holidays move it.
"""

from calendar import monthrange
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec

from domain.bank_days import bank_day_after, bank_day_before, is_bank_day

WEEKLY, MONTHLY = "weekly", "monthly"
EVERY = (WEEKLY, MONTHLY)
KEEP, BEFORE, AFTER, SKIP = "keep", "before", "after", "skip"
HOLIDAYS = (KEEP, BEFORE, AFTER, SKIP)
"""What becomes of a due date on a weekend or bank holiday: kept, moved, or left out."""
_DAY = timedelta(days=1)
_MOVED_MOST = timedelta(days=7)
"""No two bank days lie farther apart."""


class Rule(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """`day`: 1 (Monday) .. 7 of a week, 1 .. 31 of a month, where a shorter month ends earlier.
    `hour` 0 .. 23 in `timezone` (IANA)."""

    every: str
    day: int
    hour: int
    timezone: str
    holidays: str


def due_dates(rule: Rule, after: date) -> Iterator[date]:
    """The due dates after a day, without end."""
    day = after + _DAY
    while True:
        if rule.every == WEEKLY:
            is_due = day.isoweekday() == rule.day
        else:
            is_due = day.day == min(rule.day, monthrange(day.year, day.month)[1])
        if is_due:
            yield day
        day += _DAY


def due_us(rule: Rule, due_on: date) -> int | None:
    """The instant of a due date, microseconds since 1970 UTC; None where it is left out."""
    day = due_on
    if not is_bank_day(day):
        if rule.holidays == SKIP:
            return None
        if rule.holidays == BEFORE:
            day = bank_day_before(day)
        elif rule.holidays == AFTER:
            day = bank_day_after(day)
    at = datetime(day.year, day.month, day.day, rule.hour, tzinfo=ZoneInfo(rule.timezone))
    return int(at.timestamp()) * 1_000_000


def due_by(rule: Rule, after: date, now_us: int) -> list[date]:
    """The due dates after a day whose instant has come, oldest first."""
    last = local_day(rule, now_us) + _MOVED_MOST
    found: list[date] = []
    for due_on in due_dates(rule, after):
        if due_on > last:
            return found
        at_us = due_us(rule, due_on)
        if at_us is not None and at_us <= now_us:
            found.append(due_on)
    raise AssertionError("due dates have no end")


def next_due(rule: Rule, after: date) -> tuple[date, int]:
    """The first due date after a day that is not left out, and its instant."""
    for due_on in due_dates(rule, after):
        at_us = due_us(rule, due_on)
        if at_us is not None:
            return due_on, at_us
    raise AssertionError("due dates have no end")


def last_before(rule: Rule, now_us: int) -> date:
    """From which day on a rule that is made now counts: nothing that came before is caught up."""
    today = local_day(rule, now_us)
    came = due_by(rule, today - timedelta(days=62), now_us)
    return came[-1] if came else today - _DAY


def local_day(rule: Rule, at_us: int) -> date:
    """The calendar day of an instant in the rule's time zone."""
    at = datetime.fromtimestamp(at_us / 1_000_000, UTC)
    return at.astimezone(ZoneInfo(rule.timezone)).date()
