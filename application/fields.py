"""Every field that an operator gives, checked in one place; each text says what to do.

A text never repeats the value: it may be somebody's name, and texts end in logs.
"""

import datetime as dt
import re
import unicodedata
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any
from uuid import UUID
from zoneinfo import available_timezones

from domain.aggregates import company as companies
from domain.aggregates import refill as refills
from domain.aggregates.shop import MenuItem
from domain.answers import dollars
from domain.suspicion import Place

CODE = "invalid"
NAME_MOST = 80
PERSON_MOST = 60
LABEL_MOST = 40
WHY_MOST = 200
EMAIL_MOST = 254
MENU_MOST_ITEMS = 200
MENU_MOST_CENTS = 1_000_000
MENU_MOST_BYTES = 40_000
"""A menu travels in one line of the protocol."""
CORRECT_MOST_CENTS = (1 << 31) - 1
REFILL_MOST_LINES = 5_000

_EMAIL = re.compile(
    r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@"
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,63}",
    re.ASCII,
)
_ITEM = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,15}", re.ASCII)
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
# Joiners that some scripts need; every other invisible character only hides something.
_JOINERS = "\u200c\u200d"

_WORDS = {
    "amount_cents": "amount",
    "each_cents": "amount for each",
    "daily_limit_cents": "daily limit",
    "last_day": "last day",
    "expired_day": "day on which it expired",
    "price_cents": "price",
    "first_name": "first name",
    "last_name": "last name",
    "to": "last day",
    "from": "first day",
    "of": "owner",
    "document_sha256": "document",
    "from_cents": "amount before",
}
"""What people call fields whose names are for programs."""


class Invalid(ValueError):
    """A field that cannot be taken. `field` names it as on the wire.

    `what` says what is wrong with it and what to do, `text` also of which field that is said.
    """

    def __init__(self, field: str, text: str) -> None:
        super().__init__(f"{_WORDS.get(field, field)}: {text}")
        self.field = field
        self.what = text
        self.text = str(self)


def text(body: Mapping[str, Any], field: str, most: int) -> str:
    """1 to `most` characters, normalized (NFC), without control characters, blanks trimmed."""
    value = body.get(field)
    if not isinstance(value, str):
        raise Invalid(field, f"is missing. Give a text of 1 to {most} characters.")
    value = unicodedata.normalize("NFC", value).strip()
    if not value:
        raise Invalid(field, f"is empty. Give a text of 1 to {most} characters.")
    if len(value) > most:
        raise Invalid(field, f"has {len(value)} characters. Shorten it to {most} at most.")
    if any(_is_hidden(character) for character in value):
        raise Invalid(
            field, "has a line break or an invisible character. Type it anew on one line."
        )
    return value


def _is_hidden(character: str) -> bool:
    category = unicodedata.category(character)
    return (category.startswith("C") or category in ("Zl", "Zp")) and character not in _JOINERS


def email(body: Mapping[str, Any], field: str = "email") -> str:
    """An address as RFC 5321 lets it be sent to, in ASCII, of at most 254 characters."""
    value = body.get(field)
    address = value.strip() if isinstance(value, str) else ""
    if len(address) > EMAIL_MOST or _EMAIL.fullmatch(address) is None or ".." in address:
        raise Invalid(field, "is not an e-mail address. It looks like name@example.com.")
    return address


def timezone(body: Mapping[str, Any], field: str = "timezone") -> str:
    """The name of an IANA time zone."""
    value = body.get(field)
    if not isinstance(value, str) or value not in _timezones():
        raise Invalid(
            field,
            "is not a time zone of the IANA list. It looks like America/New_York.",
        )
    return value


@cache
def _timezones() -> frozenset[str]:
    # Without an area a name is a relic (EST has no summer time) or this machine's own.
    return frozenset(name for name in available_timezones() if "/" in name) | {"UTC"}


def category(body: Mapping[str, Any], field: str = "category") -> str:
    """A merchant category code (ISO 18245): four digits."""
    value = body.get(field)
    if not isinstance(value, str) or re.fullmatch(r"[0-9]{4}", value, re.ASCII) is None:
        raise Invalid(
            field, "is not a merchant category code. Give four digits, 5812 for a restaurant."
        )
    return value


def cents(body: Mapping[str, Any], field: str, least: int, most: int) -> int:
    """An amount of `least` .. `most` cents, an integer."""
    value = body.get(field)
    if type(value) is not int or not least <= value <= most:
        raise Invalid(field, f"must be {dollars(least)} to {dollars(most)}, in whole cents.")
    return value


def daily_limit(body: Mapping[str, Any], field: str = "daily_limit_cents") -> int:
    """What an account may spend in a day; absent: as much as the law lets a closed loop card."""
    if body.get(field) is None:
        return companies.MOST_DAILY_CENTS
    return cents(body, field, 1, companies.MOST_DAILY_CENTS)


def uuid(body: Mapping[str, Any], field: str) -> UUID:
    """An id of ours, in lowercase."""
    value = body.get(field)
    if not isinstance(value, str) or _UUID.fullmatch(value) is None:
        raise Invalid(
            field, "is not an id. Copy it whole: 32 hexadecimal digits in five groups, lowercase."
        )
    return UUID(value)


def uuids(body: Mapping[str, Any], field: str, most: int) -> list[UUID]:
    """1 to `most` ids of ours."""
    value = body.get(field)
    if not isinstance(value, list) or not 1 <= len(value) <= most:
        raise Invalid(field, f"must be a list of 1 to {most:,} ids.")
    return [uuid({field: each}, field) for each in value]


def hex_bytes(body: Mapping[str, Any], field: str, digits: int) -> bytes:
    """The bytes of so many hexadecimal digits in lowercase."""
    value = body.get(field)
    if (
        not isinstance(value, str)
        or re.fullmatch(rf"[0-9a-f]{{{digits}}}", value, re.ASCII) is None
    ):
        raise Invalid(field, f"must be {digits} hexadecimal digits, lowercase.")
    return bytes.fromhex(value)


def serial(body: Mapping[str, Any], field: str) -> str:
    """A certificate's serial number as we write it: hexadecimal in lowercase, no zeros before."""
    value = body.get(field)
    if not isinstance(value, str) or re.fullmatch(r"[1-9a-f][0-9a-f]{0,39}", value) is None:
        raise Invalid(field, "is not a serial number. Give its hexadecimal digits, lowercase.")
    return value


def day(body: Mapping[str, Any], field: str) -> dt.date:
    """A calendar day, written as `2026-11-23`."""
    value = body.get(field)
    try:
        found = dt.date.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        found = None
    if found is None or found.isoformat() != value:
        raise Invalid(field, "is not a day. Write it as 2026-11-23.")
    return found


def last_day(body: Mapping[str, Any], field: str = "last_day") -> str:
    """The last day on which money can be spent, as `2026-12-31`; empty where none is given."""
    return day(body, field).isoformat() if field in body else ""


def whole(body: Mapping[str, Any], field: str, least: int, most: int) -> int:
    """A whole number of `least` .. `most`."""
    value = body.get(field)
    if type(value) is not int or not least <= value <= most:
        raise Invalid(field, f"must be a whole number from {least:,} to {most:,}.")
    return value


def choice(body: Mapping[str, Any], field: str, values: Sequence[str]) -> str:
    """One of a few words."""
    value = body.get(field)
    if not isinstance(value, str) or value not in values:
        raise Invalid(field, f"must be one of: {', '.join(values)}.")
    return value


def flag(body: Mapping[str, Any], field: str) -> bool:
    """Yes or no; absent means no."""
    value = body.get(field, False)
    if type(value) is not bool:
        raise Invalid(field, "must be true or false.")
    return value


def rows(body: Mapping[str, Any], field: str, most: int) -> list[Mapping[str, Any]]:
    """A list of 1 to `most` objects."""
    value = body.get(field)
    if not isinstance(value, list) or not 1 <= len(value) <= most:
        raise Invalid(field, f"must be a list of 1 to {most:,} entries.")
    if not all(isinstance(row, Mapping) for row in value):
        raise Invalid(field, "must be a list of objects.")
    return value


def menu(body: Mapping[str, Any], field: str = "items") -> tuple[MenuItem, ...]:
    """A menu of 1 to 200 items with keys of their own and prices of $0.01 to $10,000.00."""
    items: list[MenuItem] = []
    places: dict[str, int] = {}
    for number, row in enumerate(rows(body, field, MENU_MOST_ITEMS), start=1):
        place = f"{field}, item {number}"
        try:
            item = _menu_item(row)
        except Invalid as error:
            raise Invalid(place, error.text) from None
        if item.item in places:
            raise Invalid(
                place, f"has the key of item {places[item.item]}. Give it one of its own."
            )
        places[item.item] = number
        items.append(item)
    size = sum(len(item.item) + len(item.name.encode()) + 60 for item in items)
    if size > MENU_MOST_BYTES:
        raise Invalid(field, "is too long for one message. Shorten the names.")
    return tuple(items)


def _menu_item(row: Mapping[str, Any]) -> MenuItem:
    key = row.get("item")
    if not isinstance(key, str) or _ITEM.fullmatch(key) is None:
        raise Invalid("item", "must be a key of 1 to 16 letters, digits, dots, dashes.")
    return MenuItem(
        item=key,
        name=text(row, "name", NAME_MOST),
        price_cents=cents(row, "price_cents", 1, MENU_MOST_CENTS),
    )


def refill_lines(body: Mapping[str, Any], field: str = "lines") -> list[tuple[UUID, int]]:
    """Accounts with their amounts; names every line at fault, not only the first."""
    lines: list[tuple[UUID, int]] = []
    faults: list[str] = []
    for number, row in enumerate(rows(body, field, REFILL_MOST_LINES), start=1):
        try:
            amount = cents(row, "amount_cents", 1, refills.MOST_CENTS)
            lines.append((uuid(row, "account"), amount))
        except Invalid as error:
            faults.append(f"Line {number}, {error.text}")
    if faults:
        raise Invalid(field, "nothing was refilled:" + some_of(faults))
    return lines


def some_of(faults: Sequence[str], most: int = 20) -> str:
    """The first faults, each on a line of its own after what was said before, and how many there
    are besides."""
    more = len(faults) - most
    shown = [*faults[:most], *([f"And {more:,} more."] if more > 0 else [])]
    return "".join(f"\n{each}" for each in shown)


def place(body: Mapping[str, Any], field: str = "place") -> Place | None:
    """A point by `latitude_e6` and `longitude_e6`, millionths of a degree; None where none is."""
    given = body.get(field)
    if given is None:
        return None
    if not isinstance(given, Mapping):
        raise Invalid(field, "must have latitude_e6 and longitude_e6, millionths of a degree.")
    return Place(
        whole(given, "latitude_e6", -90_000_000, 90_000_000),
        whole(given, "longitude_e6", -180_000_000, 180_000_000),
    )
