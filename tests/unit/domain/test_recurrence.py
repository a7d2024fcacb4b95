"""When schedules are due: weeks and months, bank holidays, time zones, and what was missed."""

from datetime import UTC, date, datetime

import pytest
from msgspec.structs import replace

from domain.bank_days import is_bank_day
from domain.recurrence import (
    AFTER,
    BEFORE,
    KEEP,
    MONTHLY,
    SKIP,
    WEEKLY,
    Rule,
    due_by,
    due_us,
    last_before,
    next_due,
)

FRIDAY = Rule(every=WEEKLY, day=5, hour=17, timezone="America/Chicago", holidays=KEEP)
LAST = Rule(every=MONTHLY, day=31, hour=6, timezone="America/New_York", holidays=KEEP)


def us(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000_000


# The Federal Reserve's published holidays. Saturday, July 4, 2026 is kept by nobody.
@pytest.mark.parametrize(
    ("day", "works"),
    [
        ("2026-01-01", False), ("2026-01-19", False), ("2026-02-16", False), ("2026-05-25", False),
        ("2026-06-19", False), ("2026-07-03", True), ("2026-07-04", False), ("2026-09-07", False),
        ("2026-10-12", False), ("2026-11-11", False), ("2026-11-26", False), ("2026-12-25", False),
        ("2027-07-05", False), ("2027-07-04", False), ("2023-01-02", False), ("2028-01-03", True),
        ("2021-12-31", True), ("2026-11-25", True), ("2026-11-28", False),
    ],
)  # fmt: skip
def test_bank_days(day: str, works: bool) -> None:
    assert is_bank_day(date.fromisoformat(day)) == works


def test_the_hour_is_local_in_summer_and_winter() -> None:
    assert due_us(FRIDAY, date(2026, 7, 10)) == us("2026-07-10 22:00")
    assert due_us(FRIDAY, date(2026, 11, 27)) == us("2026-11-27 23:00")


def test_a_month_that_is_too_short_ends_earlier() -> None:
    found = due_by(LAST, date(2026, 1, 31), us("2026-05-01 00:00"))
    assert [day.isoformat() for day in found] == ["2026-02-28", "2026-03-31", "2026-04-30"]


@pytest.mark.parametrize(
    ("holidays", "instant"),
    [
        (KEEP, "2026-12-25 23:00"),
        (BEFORE, "2026-12-24 23:00"),
        (AFTER, "2026-12-28 23:00"),
        (SKIP, None),
    ],
)
def test_christmas_on_a_friday(holidays: str, instant: str | None) -> None:
    found = due_us(replace(FRIDAY, holidays=holidays), date(2026, 12, 25))
    assert found == (us(instant) if instant else None)


def test_what_is_left_out_is_not_the_next() -> None:
    rule = replace(FRIDAY, holidays=SKIP)
    assert next_due(rule, date(2026, 12, 18)) == (date(2027, 1, 8), us("2027-01-08 23:00"))


def test_everything_missed_is_found_and_nothing_early() -> None:
    found = due_by(FRIDAY, date(2026, 11, 6), us("2026-11-27 22:59"))
    assert found == [date(2026, 11, 13), date(2026, 11, 20)]
    found = due_by(FRIDAY, date(2026, 11, 6), us("2026-11-27 23:00"))
    assert found[-1] == date(2026, 11, 27)


def test_a_day_that_moved_forward_is_due_before_its_date() -> None:
    rule = replace(FRIDAY, holidays=BEFORE)
    assert due_by(rule, date(2026, 12, 18), us("2026-12-24 23:00")) == [date(2026, 12, 25)]


def test_a_new_rule_catches_nothing_up_but_takes_today() -> None:
    assert last_before(FRIDAY, us("2026-11-27 23:00")) == date(2026, 11, 27)
    assert last_before(FRIDAY, us("2026-11-27 22:59")) == date(2026, 11, 20)
    rule = replace(FRIDAY, holidays=BEFORE)
    assert last_before(rule, us("2026-12-25 12:00")) == date(2026, 12, 25), "due on the 24th"


def test_an_hour_that_summer_time_leaves_out_is_due_all_the_same() -> None:
    rule = replace(LAST, day=8, hour=2)
    assert due_us(rule, date(2026, 3, 8)) == us("2026-03-08 07:00")
