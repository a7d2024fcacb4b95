"""What the operators' part of the backend needs of the books."""

from collections.abc import Iterable
from datetime import date
from typing import Any, NamedTuple, Protocol

from domain.books.bank import Expected

Rows = list[dict[str, Any]]


class OpenDay(NamedTuple):
    """A day that can be closed: what its record says, and that record."""

    day: str
    position: int
    postings: int
    balances: dict[str, int]
    previous: str
    text: str


class Books(Protocol):
    """Calls run in a thread, `sign` in the HSM's lane. They raise Denied, and
    `application.ports.Unavailable`."""

    def trial_balance(self, at: int | date | None) -> dict[str, Any]:
        """The balance of every account after an event, at the end of a day, or now."""

    def profit(self, first: date, last: date) -> dict[str, Any]:
        """The issuer's income and expenses of those days, both included."""

    def closings(self) -> Rows:
        """Every closed day, oldest first, each checked against the books and its signature."""

    def journal(self, first: date, last: date) -> Iterable[str]:
        """Every posting of those days as CSV, in pieces."""

    def open_day(self, day: date) -> OpenDay | None:
        """The day as it is to be closed, None where it is closed. Denied where it cannot be."""

    def sign(self, text: str) -> str:
        """The signed note of a day's record."""

    def expected(self, first: date, last: date) -> tuple[int, list[Expected]]:
        """What the bank may show on those days, and the version of the reconciliation that it is
        as of."""
