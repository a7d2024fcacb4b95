"""The terms of a programme as people write them: options, or a TOML or JSON file.

In a file the names are those of `programme show --json`; an amount may also stand without
`_cents`, in dollars: `per_day = "50.00"`. `none` lifts a limit.
"""

import datetime as dt
import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import typer

from adapters.cli.options import cents
from domain.answers import dollars
from domain.merchant_categories import named

AMOUNTS = ("per_payment", "per_day", "per_week", "per_month", "pin_free")
COUNTS = ("payments_per_day", "payments_per_week", "payments_per_month", "expiry_days")
WORDS = {
    "per_payment_cents": "most of a payment",
    "per_day_cents": "most of a day",
    "per_week_cents": "most of a week",
    "per_month_cents": "most of a month",
    "payments_per_day": "payments a day",
    "payments_per_week": "payments a week",
    "payments_per_month": "payments a month",
    "weekdays": "days of the week",
    "hours": "hours",
    "holidays": "days left out",
    "allowed_categories": "categories allowed",
    "refused_categories": "categories refused",
    "tip_percent": "most of a tip",
    "pin_free_cents": "without a PIN up to",
    "partial_approval": "part of an amount",
    "expiry_days": "money expires after",
}
"""What people call the terms, in the order in which they are shown."""
_MOST_BYTES = 100_000
_NONE = "none"
_Text: TypeAlias = str | None

PerPayment: TypeAlias = Annotated[
    _Text, typer.Option("--per-payment", metavar="DOLLARS", help="Most of one payment, or none.")
]
PerDay: TypeAlias = Annotated[
    _Text, typer.Option("--per-day", metavar="DOLLARS", help="Most of a day, or none.")
]
PerWeek: TypeAlias = Annotated[
    _Text,
    typer.Option("--per-week", metavar="DOLLARS", help="Most from Monday to Sunday, or none."),
]
PerMonth: TypeAlias = Annotated[
    _Text, typer.Option("--per-month", metavar="DOLLARS", help="Most of a calendar month, or none.")
]
Payments: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--payments", metavar="N/PERIOD", help="Most payments: 2/day, 10/week, none/day."),
]
Weekdays: TypeAlias = Annotated[
    _Text, typer.Option("--weekdays", metavar="DAYS", help="mon-fri, or mon,wed,sat; or all.")
]
Hours: TypeAlias = Annotated[
    _Text, typer.Option("--hours", metavar="HOURS", help="11:00-15:00, several by commas; or all.")
]
Holidays: TypeAlias = Annotated[
    _Text, typer.Option("--holidays", metavar="DATES", help="2026-12-25,2027-01-01; or none.")
]
Allow: TypeAlias = Annotated[
    _Text, typer.Option("--allow", metavar="MCC", help="Only these categories: 5812,5814; or all.")
]
Refuse: TypeAlias = Annotated[
    _Text, typer.Option("--refuse", metavar="MCC", help="Not these categories: 5813; or none.")
]
Tip: TypeAlias = Annotated[
    int | None, typer.Option("--tip", metavar="PERCENT", help="Most of a tip, of the bill.")
]
PinFree: TypeAlias = Annotated[
    _Text, typer.Option("--pin-free", metavar="DOLLARS", help="A stripe pays so much without PIN.")
]
Partial: TypeAlias = Annotated[
    bool | None,
    typer.Option("--partial/--no-partial", help="Whether a part may be approved.",
                 show_default=False),
]  # fmt: skip
Expiry: TypeAlias = Annotated[
    _Text, typer.Option("--expiry", metavar="DAYS", help="What is refilled lasts so long, or none.")
]
Standard: TypeAlias = Annotated[
    bool,
    typer.Option("--from-standard", help="Begin with the standard terms, not those in force."),
]
File: TypeAlias = Annotated[
    Path | None,
    typer.Argument(metavar="[FILE]", help="Terms as TOML or JSON, as `show --json` prints them."),
]

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def gathered(file: Path | None, options: Mapping[str, Any]) -> dict[str, Any]:
    """What changes: the file's terms, then the options'. Raises typer.BadParameter.

    `options` by the names of the terms, without `_cents`; None for one that was not given.
    """
    terms = from_file(file) if file is not None else {}
    for name, value in options.items():
        if value is not None:
            terms |= _of_option(name, value, f"--{name.replace('_', '-')}")
    if not terms:
        raise typer.BadParameter("nothing to change: give a FILE or an option")
    return terms


def from_file(path: Path) -> dict[str, Any]:
    """The terms of a file: an object, or one with `terms` in it. Raises typer.BadParameter."""
    try:
        raw = path.read_bytes()
        if len(raw) > _MOST_BYTES:
            raise typer.BadParameter(f"{path} is larger than 100 KB")
        text = raw.decode()
        found = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
    except OSError as error:
        raise typer.BadParameter(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError):
        kind = "TOML" if path.suffix == ".toml" else "JSON"
        raise typer.BadParameter(f"{path} is no {kind}") from None
    if isinstance(found, list) and found:  # as `show --json` prints: what is in force
        found = next((row for row in found if _is_in_force(row)), found[0])
    terms = found.get("terms", found) if isinstance(found, dict) else None
    if not isinstance(terms, dict):
        raise typer.BadParameter(f"{path} holds no terms")
    changed: dict[str, Any] = {}
    for name, value in terms.items():
        if name in AMOUNTS:
            changed |= _of_option(name, str(value), f"{name} in {path}")
        else:
            changed[name] = None if value == _NONE else _plain(value)
    try:
        json.dumps(changed, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        raise typer.BadParameter(f"{path} holds values that no term has") from None
    return changed


def _plain(value: Any) -> Any:
    """Dates of TOML as text."""
    if isinstance(value, list):
        return [each.isoformat() if type(each) is dt.date else each for each in value]
    return value


def _is_in_force(row: Any) -> bool:
    return isinstance(row, dict) and row.get("state") == "in force"


def _of_option(name: str, value: Any, called: str) -> dict[str, Any]:
    """A term; `called` is what whoever wrote it called it."""
    if name in AMOUNTS:
        lifted = value == _NONE and name != "pin_free"
        return {f"{name}_cents": None if lifted else cents(value, least=0, what=called)}
    if name == "payments":
        return dict(_payments(each) for each in value)
    if name == "weekdays":
        return {name: _weekdays(value)}
    if name == "expiry_days":
        return {name: None if value == _NONE else _whole(value)}
    if name in ("hours", "holidays", "allowed_categories", "refused_categories"):
        return {name: [] if value in ("all", _NONE) else _several(value)}
    return {name: value}


def _payments(text: str) -> tuple[str, int | None]:
    number, slash, period = text.partition("/")
    if not slash or period not in ("day", "week", "month"):
        raise typer.BadParameter("payments look like 2/day, 10/week, 40/month or none/day")
    return f"payments_per_{period}", None if number == _NONE else _whole(number)


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise typer.BadParameter(f"{text!r} is not a whole number")
    return int(text)


def _weekdays(text: str) -> list[str]:
    if text == "all":
        return list(DAYS)
    found: list[str] = []
    for each in _several(text):
        first, dash, last = each.lower().partition("-")
        if first not in DAYS or (dash and last not in DAYS):
            raise typer.BadParameter(f"days of the week are {', '.join(DAYS)}, also as mon-fri")
        begin, end = DAYS.index(first), DAYS.index(last if dash else first)
        found += [DAYS[(begin + n) % 7] for n in range((end - begin) % 7 + 1)]
    return list(dict.fromkeys(found))


def _several(text: str) -> list[str]:
    return [each.strip() for each in text.split(",") if each.strip()]


def in_words(name: str, value: Any) -> str:
    """A term's value as people read it."""
    if value is None:
        return "never" if name == "expiry_days" else "no limit"
    if name == "expiry_days":
        return f"{value:,} days"
    if name.endswith("_cents"):
        return dollars(value)
    if name == "tip_percent":
        return f"{value} %"
    if name == "weekdays" and list(value) == list(DAYS):
        return "every day"
    if isinstance(value, list):
        nothing = {"hours": "the whole day", "allowed_categories": "all that are not refused"}
        said = map(named, value) if name.endswith("_categories") else map(str, value)
        return ", ".join(said) or nothing.get(name, "none")
    if isinstance(value, bool):
        return "may be approved" if value else "is never approved"
    return str(value)
