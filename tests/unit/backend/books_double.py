"""`adapters.backend.book_ports.Books` for tests: says what was asked for."""

from collections.abc import Iterator
from datetime import date
from typing import Any

from adapters.backend.book_ports import OpenDay, Rows
from domain.books.bank import Expected


class BooksDouble:
    """Books of one day, with what the bank is expected to show; `asked` is what was last read."""

    def __init__(self) -> None:
        self.asked: Any = None
        self.sum_cents = 0
        self.faults: list[str] = []
        self.day: OpenDay | None = None
        self.expectations: list[Expected] = []
        self.version = 0

    def trial_balance(self, at: int | date | None) -> dict[str, Any]:
        self.asked = at
        bank = {"code": "1000", "name": "Bank", "type": "asset", "currency": "USD"}
        return {
            "position": 7,
            "day": "2026-09-21",
            "closed": True,
            "accounts": [{**bank, "balance_cents": 123_450}],
            "sum_cents": self.sum_cents,
        }

    def profit(self, first: date, last: date) -> dict[str, Any]:
        self.asked = (first, last)
        fees = {"code": "4100", "name": "Company fees", "amount_cents": 990}
        return {"income": [fees], "expense": [], "profit_cents": 990}

    def closings(self) -> Rows:
        return [
            {"day": f"2026-09-{n:02}", "position": n, "sha256": "ab" * 32, "note": f"day {n}\n",
             "fault": fault}
            for n, fault in enumerate(self.faults, start=1)
        ]  # fmt: skip

    def journal(self, first: date, last: date) -> Iterator[str]:
        self.asked = (first, last)
        yield from ("day,event\r\n", "2026-09-21,7\r\n")

    def open_day(self, day: date) -> OpenDay | None:
        self.asked = day
        return self.day

    def sign(self, text: str) -> str:
        return text + "\n— signed\n"

    def expected(self, first: date, last: date) -> tuple[int, list[Expected]]:
        self.asked = (first, last)
        return self.version, self.expectations
