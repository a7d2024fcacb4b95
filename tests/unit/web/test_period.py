"""Which days a shop's page shows."""

from datetime import date

import pytest

from adapters.web.period import BadPeriod, Period, choose_period

TODAY = date(2026, 3, 1)


@pytest.mark.parametrize(
    ("query", "first", "last"),
    [
        ({}, date(2026, 3, 1), date(2026, 3, 1)),
        ({"period": "yesterday"}, date(2026, 2, 28), date(2026, 2, 28)),
        ({"period": "7-days"}, date(2026, 2, 23), date(2026, 3, 1)),
        ({"period": "this-month"}, date(2026, 3, 1), date(2026, 3, 1)),
        ({"period": "last-month"}, date(2026, 2, 1), date(2026, 2, 28)),
        ({"from": "2026-01-05"}, date(2026, 1, 5), date(2026, 1, 5)),
        ({"to": "2026-01-05"}, date(2026, 1, 5), date(2026, 1, 5)),
        ({"from": "2025-03-01", "to": "2026-03-01"}, date(2025, 3, 1), date(2026, 3, 1)),
        ({"from": " 2026-01-05 ", "to": "2026-01-06", "period": "x"}, date(2026, 1, 5),
         date(2026, 1, 6)),
    ],
)  # fmt: skip
def test_what_is_asked_is_shown(query: dict[str, str], first: date, last: date) -> None:
    chosen = choose_period(query, TODAY)
    assert isinstance(chosen, Period)
    assert (chosen.first, chosen.last) == (first, last)


@pytest.mark.parametrize(
    "query",
    [
        {"period": "ever"},
        {"period": ""},
        {"from": "yesterday"},
        {"from": "2026-02-30"},
        {"from": "2026-01-02", "to": "2026-01-01"},
        {"from": "2025-02-28", "to": "2026-03-01"},
        {"from": "0001-01-01", "to": "9999-12-31"},
    ],
)
def test_what_cannot_be_shown_says_why(query: dict[str, str]) -> None:
    chosen = choose_period(query, TODAY)
    assert isinstance(chosen, BadPeriod)
    assert chosen.why.endswith(".")


def test_a_year_and_a_day_is_the_longest() -> None:
    longest = choose_period({"from": "2025-03-01", "to": "2026-03-01"}, TODAY)
    assert isinstance(longest, Period)
    assert longest.days == 366
