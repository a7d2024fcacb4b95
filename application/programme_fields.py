"""The terms of a programme as operators write them, read with every bound checked, and shown.

On the wire a programme is a flat object; amounts in cents, null for no limit, hours as
`11:00-15:00`, weekdays as `mon` .. `sun`. What is not named stays as it was.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from msgspec.structs import asdict, replace

from application import fields
from application.fields import Invalid
from domain.local_time import DAY_MINUTES
from domain.terms import LEGAL_DAY_CENTS, Terms, Window

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MOST_PERIOD_CENTS = 31 * LEGAL_DAY_CENTS
MOST_PAYMENTS = 10_000
MOST_HOURS, MOST_HOLIDAYS, MOST_CATEGORIES = 6, 100, 200
MOST_TIP_PERCENT = 100
MOST_EXPIRY_DAYS = 10 * 366
MOST_REHEARSED_DAYS = 366
_WINDOW = re.compile(r"([0-9]{1,2}):([0-9]{2})\s*-\s*([0-9]{1,2}):([0-9]{2})", re.ASCII)
_MOMENT = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?:[ T]([0-9]{2}):([0-9]{2}))?", re.ASCII)

Body = Mapping[str, Any]


def read_terms(body: Body, field: str = "terms") -> dict[str, Any]:
    """The members of `Terms` that are named, checked. Raises Invalid, also for unknown ones."""
    named = body.get(field)
    if not isinstance(named, Mapping):
        raise Invalid(field, "is missing. Give an object of the terms that change.")
    unknown = sorted(str(name) for name in named if name not in _READ)
    if unknown:
        raise Invalid(field, f"has members that no programme has. Use: {', '.join(_READ)}.")
    return {name: _READ[name](named, name) for name in named}


def applied(base: Terms, changes: Mapping[str, Any]) -> Terms:
    """The terms with what `read_terms` read in place of what was."""
    return replace(base, **changes)


def shown(terms: Terms) -> dict[str, Any]:
    """The terms as `read_terms` reads them."""
    return asdict(terms) | {
        "weekdays": [WEEKDAYS[number - 1] for number in terms.weekdays],
        "hours": [
            f"{_clock(each.from_minute)}-{_clock(each.until_minute)}" for each in terms.hours
        ],
        "holidays": list(terms.holidays),
        "allowed_categories": list(terms.allowed_categories),
        "refused_categories": list(terms.refused_categories),
    }


def differences(before: Terms, after: Terms) -> list[dict[str, Any]]:
    """What changes: `what`, `before`, `after`, in the order of the terms."""
    old, new = shown(before), shown(after)
    return [
        {"what": name, "before": old[name], "after": new[name]}
        for name in old
        if old[name] != new[name]
    ]


def moment(body: Body, field: str = "effective") -> tuple[str, int] | None:
    """A local date and minute of the day, from `2026-12-01` or `2026-12-01 06:00`; None: now."""
    value = body.get(field)
    if value is None:
        return None
    match = _MOMENT.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise Invalid(field, "is not a time. Write it as 2026-12-01 or 2026-12-01 06:00.")
    date = fields.day({field: match[1]}, field).isoformat()
    minute = int(match[2] or 0) * 60 + int(match[3] or 0)
    if minute >= DAY_MINUTES or int(match[3] or 0) > 59:
        raise Invalid(field, "is not a time of the day. Hours go from 00:00 to 23:59.")
    return date, minute


def _limit(least: int, most: int) -> Callable[[Body, str], int | None]:
    def read(body: Body, field: str) -> int | None:
        return None if body[field] is None else fields.cents(body, field, least, most)

    return read


def _number(least: int, most: int) -> Callable[[Body, str], int | None]:
    def read(body: Body, field: str) -> int | None:
        return None if body[field] is None else fields.whole(body, field, least, most)

    return read


def _texts(body: Body, field: str, most: int) -> list[str]:
    value = body[field]
    fits = isinstance(value, list) and len(value) <= most
    if not fits or not all(isinstance(each, str) for each in value):
        raise Invalid(field, f"must be a list of at most {most} texts.")
    return list(dict.fromkeys(value))


def _weekdays(body: Body, field: str) -> tuple[int, ...]:
    named = _texts(body, field, len(WEEKDAYS))
    if not named or any(each not in WEEKDAYS for each in named):
        raise Invalid(field, f"must be one or more of: {', '.join(WEEKDAYS)}.")
    return tuple(sorted(WEEKDAYS.index(each) + 1 for each in named))


def _hours(body: Body, field: str) -> tuple[Window, ...]:
    """Hours over midnight are two: 22:00-02:00 is 22:00-24:00 and 00:00-02:00."""
    found: list[Window] = []
    for each in _texts(body, field, MOST_HOURS):
        match = _WINDOW.fullmatch(each)
        minutes = [int(digits) for digits in match.groups()] if match else [99] * 4
        begin, end = minutes[0] * 60 + minutes[1], minutes[2] * 60 + minutes[3]
        if max(minutes[1], minutes[3]) > 59 or begin >= DAY_MINUTES or end > DAY_MINUTES:
            raise Invalid(field, "must look like 11:00-15:00, within 00:00 and 24:00.")
        if begin == end:
            raise Invalid(field, "must not be empty: give two different times.")
        whole_day = begin < end or end == 0
        found += (
            [Window(begin, end or DAY_MINUTES)]
            if whole_day
            else [Window(begin, DAY_MINUTES), Window(0, end)]
        )
    return tuple(sorted(found, key=lambda window: window.from_minute))


def _holidays(body: Body, field: str) -> tuple[str, ...]:
    dates = _texts(body, field, MOST_HOLIDAYS)
    return tuple(sorted(fields.day({field: each}, field).isoformat() for each in dates))


def _categories(body: Body, field: str) -> tuple[str, ...]:
    named = _texts(body, field, MOST_CATEGORIES)
    return tuple(sorted(fields.category({field: each}, field) for each in named))


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


_READ: dict[str, Callable[[Body, str], Any]] = {
    "per_payment_cents": _limit(1, LEGAL_DAY_CENTS),
    "per_day_cents": _limit(1, LEGAL_DAY_CENTS),
    "per_week_cents": _limit(1, MOST_PERIOD_CENTS),
    "per_month_cents": _limit(1, MOST_PERIOD_CENTS),
    "payments_per_day": _number(1, MOST_PAYMENTS),
    "payments_per_week": _number(1, MOST_PAYMENTS),
    "payments_per_month": _number(1, MOST_PAYMENTS),
    "weekdays": _weekdays,
    "hours": _hours,
    "holidays": _holidays,
    "allowed_categories": _categories,
    "refused_categories": _categories,
    "tip_percent": lambda body, field: fields.whole(body, field, 0, MOST_TIP_PERCENT),
    "pin_free_cents": lambda body, field: fields.cents(body, field, 0, LEGAL_DAY_CENTS),
    "partial_approval": fields.flag,
    "expiry_days": _number(1, MOST_EXPIRY_DAYS),
}
