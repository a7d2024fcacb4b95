"""The body of `D REPORT`: what the backend tells the website, checked before anything is stored.

A row whose card number is not masked does not decode: the website cannot be made to show one.
"""

from datetime import date
from functools import cache
from typing import Annotated, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Meta

Position = Annotated[int, Meta(ge=0, le=2**62)]
Microseconds = Annotated[int, Meta(ge=0, lt=2**62)]
Cents = Annotated[int, Meta(ge=0, lt=2**40)]
Change = Annotated[int, Meta(gt=-(2**40), lt=2**40)]
MaskedCard = Annotated[str, Meta(pattern=r"\A[0-9]{0,6}\*{4,15}[0-9]{4}\Z")]
Sha256Hex = Annotated[str, Meta(pattern=r"\A([0-9a-f]{64})?\Z")]

_MAX_TEXT = 200
_JOINERS = "\u200c\u200d"  # some scripts need them between letters


class ReportRefused(Exception):
    """A report that cannot be stored; `code` goes back on the wire and names no data."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code
        self.text = text


class ReportedShop(msgspec.Struct, frozen=True, kw_only=True):
    shop: UUID
    name: str
    timezone: str
    category: str = ""


class ReportedLogin(msgspec.Struct, frozen=True, kw_only=True):
    """A one-time activation code of a shop, known here by its SHA-256 only; empty: it has none."""

    shop: UUID
    activation_sha256: Sha256Hex


class ReportedTransaction(msgspec.Struct, frozen=True, kw_only=True):
    """One payment as its own day left it; a later row for it replaces this one.

    Or an `adjustment`, with an id of its own: what `amount_cents` changes of the payment `adjusts`
    of the settled day `adjusts_date`.
    """

    position: Position
    shop: UUID
    transaction: UUID
    terminal: UUID
    terminal_label: str
    local_date: date
    occurred_us: Microseconds
    card_masked: MaskedCard
    kind: str
    amount_cents: Change
    original_cents: Cents
    status: Literal["approved", "reversed", "corrected", "adjustment"]
    adjusts: UUID | None = None
    adjusts_date: date | None = None

    @property
    def fits(self) -> bool:
        """Whether it is whole: a payment is worth something, an adjustment names its payment."""
        if self.status == "adjustment":
            return self.adjusts is not None and self.adjusts_date is not None
        return self.amount_cents >= 0 and self.adjusts is None and self.adjusts_date is None


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What happened after ledger position `after` and up to `upto`."""

    id: int
    report: Position
    after: Position
    upto: Position
    as_of_us: Microseconds
    shops: list[ReportedShop] = []
    logins: list[ReportedLogin] = []
    rows: list[ReportedTransaction] = []


_decoder = msgspec.json.Decoder(Report)


def parse_report(body: bytes) -> Report:
    """The report in `body`. Raises `ReportRefused` ("malformed") for anything that is not one."""
    try:
        report = _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        # The decoder's message may quote a value; a card number must not travel in an error.
        raise ReportRefused("malformed", "the report does not fit its format") from None
    if report.upto < report.after:
        raise ReportRefused("malformed", "upto lies before after")
    if any(not report.after < row.position <= report.upto for row in report.rows):
        raise ReportRefused("malformed", "a row lies outside of the report's positions")
    if not all(row.fits for row in report.rows):
        raise ReportRefused("malformed", "a row is neither a payment nor an adjustment")
    if not all(_is_timezone(shop.timezone) for shop in report.shops):
        raise ReportRefused("malformed", "a shop's time zone is unknown")
    return report


def one_line(text: str) -> str:
    """`text` as one printable line of bounded length: names are shown, printed and exported."""
    return " ".join("".join(c if c.isprintable() or c in _JOINERS else " " for c in text).split())[
        :_MAX_TEXT
    ]


@cache
def _is_timezone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return False
    return True
