"""The days that a shop's page shows: today, a named period, or dates of the reader's choice."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

MAX_DAYS = 366

NAMED = {
    "today": "Today",
    "yesterday": "Yesterday",
    "7-days": "Last 7 days",
    "this-month": "This month",
    "last-month": "Last month",
}


@dataclass(frozen=True, slots=True)
class Period:
    """Business days from `first` to `last`, both included; `name` is a key of `NAMED` or empty."""

    first: date
    last: date
    name: str = ""

    @property
    def days(self) -> int:
        return (self.last - self.first).days + 1


@dataclass(frozen=True, slots=True)
class BadPeriod:
    """What was asked cannot be shown; `why` tells the reader what to change."""

    why: str


def choose_period(query: Mapping[str, str], today: date) -> Period | BadPeriod:
    """The period that `from`/`to` or `period` in `query` ask for; today if they ask nothing."""
    first, last = query.get("from", "").strip(), query.get("to", "").strip()
    if first or last:
        return _chosen(first or last, last or first)
    return named_period(query.get("period", "today"), today) or BadPeriod("Choose a period.")


def named_period(name: str, today: date) -> Period | None:
    """The days of a period of `NAMED` as of `today`, None for another name."""
    month = today.replace(day=1)
    match name:
        case "today":
            return Period(today, today, name)
        case "yesterday":
            day = today - timedelta(days=1)
            return Period(day, day, name)
        case "7-days":
            return Period(today - timedelta(days=6), today, name)
        case "this-month":
            return Period(month, today, name)
        case "last-month":
            last = month - timedelta(days=1)
            return Period(last.replace(day=1), last, name)
    return None


def _chosen(first_text: str, last_text: str) -> Period | BadPeriod:
    try:
        first, last = date.fromisoformat(first_text), date.fromisoformat(last_text)
    except ValueError:
        return BadPeriod("Enter both dates as year-month-day, for example 2026-11-23.")
    if last < first:
        return BadPeriod("The first day lies after the last day.")
    if (last - first).days >= MAX_DAYS:
        return BadPeriod(f"Choose at most {MAX_DAYS} days at a time.")
    return Period(first, last)
