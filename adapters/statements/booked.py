"""What every format of a bank statement comes to, and how amounts in it are read."""

import re
from datetime import date
from decimal import Decimal
from typing import Final, NamedTuple

CURRENCY: Final = "USD"
MOST_BYTES: Final = 10_000_000
MOST_ENTRIES: Final = 3_000
TEXT_MOST: Final = 280
NAME_MOST: Final = 70
_DECIMAL = re.compile(r"[0-9]{1,13}(?:\.[0-9]{1,5})?", re.ASCII)


class BadStatement(ValueError):
    """The file is no statement that can be taken; the text says where and why, without values."""


class Booked(NamedTuple):
    """A booked entry: `amount_cents` in above zero, out below."""

    day: str
    amount_cents: int
    text: str
    bank_reference: str


class Statement(NamedTuple):
    """The entries of one account, as the bank names it and the statement."""

    account: str
    name: str
    entries: list[Booked]


def cents_of(text: str, where: str) -> int:
    """The cents of `12.50` or `12.5`; no sign. Raises BadStatement, also for parts of a cent."""
    if _DECIMAL.fullmatch(text.strip()) is None:
        raise BadStatement(f"{where}: an amount is no number like 12.50")
    cents = Decimal(text.strip()) * 100
    if cents != cents.to_integral_value():
        raise BadStatement(f"{where}: an amount has parts of a cent")
    return int(cents)


def day_of(text: str, where: str) -> str:
    """A calendar day `2026-11-23`, also from the front of a time. Raises BadStatement."""
    try:
        found = date.fromisoformat(text.strip()[:10])
    except ValueError:
        found = None
    if found is None or not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text.strip()[:10]):
        raise BadStatement(f"{where}: a day does not look like 2026-11-23")
    return found.isoformat()


def in_dollars(currency: str, where: str) -> None:
    """Raises BadStatement for another currency."""
    if currency.strip().upper() != CURRENCY:
        raise BadStatement(f"{where}: the currency is not {CURRENCY}")


def tidy(text: str, most: int = TEXT_MOST) -> str:
    """Printable, on one line, of at most so many characters."""
    shown = "".join(each if each.isprintable() else " " for each in text)
    return " ".join(shown.split())[:most].strip()


def named(text: str, fallback: str) -> str:
    """The name of a statement or an account, never empty."""
    return tidy(text, NAME_MOST) or fallback
