"""D BOOKS: the books for operators and auditors. Unsigned, in session; reads run in a thread."""

import asyncio
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from adapters.backend.book_ports import Rows
from adapters.backend.operator_ports import Drain, Reply
from adapters.backend.operator_reads import OperatorReads, close, send_rows, send_text, text_parts
from application import fields

BOOKS = "BOOKS"
POSITION_MOST = 2**63 - 1


async def books(reads: OperatorReads, body: Mapping[str, Any], reply: Reply, drain: Drain) -> None:
    """A trial balance, the profit, the closed days: rows; the journal: a text."""
    keeping, what = reads.outside.books, body["what"]
    if what == "journal":
        pieces = await reads.in_thread(lambda: iter(keeping.journal(*_period(body))))
        await _send(body["id"], pieces, reply, drain)
        return

    def rows() -> Rows:
        if what == "trial-balance":
            return [keeping.trial_balance(_at(body))]
        if what == "profit":
            return [keeping.profit(*_period(body))]
        return keeping.closings()

    await send_rows(BOOKS, body["id"], await reads.in_thread(rows), reply, drain)


async def _send(number: int, pieces: Iterator[str], reply: Reply, drain: Drain) -> None:
    try:
        await send_text(BOOKS, number, text_parts(pieces), reply, drain)
    finally:
        await asyncio.to_thread(close, pieces)


def _at(body: Mapping[str, Any]) -> int | date | None:
    if "position" in body and "day" in body:
        raise fields.Invalid("day", "or position: give one of the two.")
    if "position" in body:
        return fields.whole(body, "position", 0, POSITION_MOST)
    return fields.day(body, "day") if "day" in body else None


def _period(body: Mapping[str, Any]) -> tuple[date, date]:
    first, last = fields.day(body, "from"), fields.day(body, "to")
    if last < first:
        raise fields.Invalid("to", "lies before from. Give the earlier day first.")
    return first, last
