"""Days on which US banks move money: no weekend, no holiday of the Federal Reserve.

A holiday that falls on a Sunday is kept on the Monday after; one that falls on a Saturday is not
kept on the Friday before (Federal Reserve Financial Services, holiday schedule).
"""

from datetime import date, timedelta
from functools import lru_cache

_DAY = timedelta(days=1)
_SATURDAY, _SUNDAY = 5, 6
# Month and day; Juneteenth since 2021 (5 U.S.C. 6103).
_FIXED = ((1, 1), (6, 19), (7, 4), (11, 11), (12, 25))
# Month, weekday (Monday is 0), which one of the month (-1: the last).
_MOVING = ((1, 0, 3), (2, 0, 3), (5, 0, -1), (9, 0, 1), (10, 0, 2), (11, 3, 4))


def is_bank_day(day: date) -> bool:
    """Whether banks work."""
    return day.weekday() < _SATURDAY and day not in _holidays(day.year)


def bank_day_before(day: date) -> date:
    """That day, or the last bank day before it."""
    while not is_bank_day(day):
        day -= _DAY
    return day


def bank_day_after(day: date) -> date:
    """That day, or the next bank day after it."""
    while not is_bank_day(day):
        day += _DAY
    return day


@lru_cache(maxsize=64)
def _holidays(year: int) -> frozenset[date]:
    fixed = (date(year, month, day) for month, day in _FIXED)
    kept = {day + _DAY if day.weekday() == _SUNDAY else day for day in fixed}
    return frozenset(kept | {_weekday_of(year, *moving) for moving in _MOVING})


def _weekday_of(year: int, month: int, weekday: int, which: int) -> date:
    if which > 0:
        first = date(year, month, 1)
        return first + timedelta(days=(weekday - first.weekday()) % 7 + 7 * (which - 1))
    last = date(year + month // 12, month % 12 + 1, 1) - _DAY
    return last - timedelta(days=(last.weekday() - weekday) % 7)
