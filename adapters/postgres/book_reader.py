"""Reads the books: at a position, at the end of a day, from day to day; and what the bank owes."""

import contextlib
from collections.abc import Iterator
from datetime import date
from typing import Any

from adapters.postgres.book_tables import (
    MARK_COLUMNS,
    MOVEMENT_COLUMNS,
    MarkSealer,
    MovementSealer,
)
from adapters.postgres.data_keys import DataKeys
from adapters.postgres.log_reader import Connect, SealedLogReader
from adapters.postgres.mapper import SealedMapper
from adapters.postgres.readers import Readers
from domain.aggregates.closing import CLOSINGS_ID, DayClosed
from domain.aggregates.reconciliation import RECONCILIATION_ID
from domain.books.bank import Expected
from domain.books.days import days_from, next_day
from domain.books.running import TOPICS, Posted, Running
from projections.ports import Unreadable

_PAGES = (200, 5_000)
"""Events read at first, for a mark is seldom far from what is wanted, and then at a time."""
_MARK = f"SELECT {MARK_COLUMNS} FROM book_marks"
_MOVEMENTS = (
    f"SELECT {MOVEMENT_COLUMNS} FROM bank_movements WHERE (matched IS NULL AND day <= %s)"
    " OR (day >= %s AND day <= %s) ORDER BY position"
)
_APART_DAYS = 45
"""How far from its own day money may show on a statement and still be told from a second one."""
_VERSION = "SELECT count(*) FROM events WHERE shard = 0 AND originator_id = %s"


class BookReader:
    """Reads from any thread. Raises Unavailable, ReadModelChanged, and Unreadable for an event that
    was changed in the log."""

    def __init__(
        self, readers: Readers, connect: Connect, keys: DataKeys, mapper: SealedMapper
    ) -> None:
        self._readers = readers
        self._connect = connect
        self._mapper = mapper
        self._marks = MarkSealer(keys)
        self._movements = MovementSealer(keys)

    def head(self) -> int:
        """The log's last position."""
        with self._log() as log:
            return log.head()

    def at_position(self, position: int) -> Running:
        """The books after that event."""
        books = self._mark(f"{_MARK} WHERE position <= %s ORDER BY position DESC", [position])
        for _ in self._onwards(books, position):
            pass
        return books

    def at_day(self, day: date) -> Running:
        """The books at the end of that day, as of now where it is not over; a day that is closed
        ends where its record says."""
        closed = self.closing(day.isoformat())
        if closed is not None:
            books = self.at_position(closed.position)
            books.open_from = next_day(closed.day)  # whatever comes behind it is of a later day
            return books
        books = self._mark(f"{_MARK} WHERE day <= %s ORDER BY day DESC, position DESC", [day])
        for _ in self._onwards(books, self.head(), day.isoformat()):
            pass
        return books

    def first_day(self) -> str:
        """The day of the first posting, "" before there was one."""
        for posted in self._onwards(Running(), self.head()):
            return posted.day
        return ""

    def journal(self, first: date, last: date) -> Iterator[Posted]:
        """What was posted from one day to another, both included, in order."""
        books = self.at_day(days_from(first, -1))
        closed = self.closing(last.isoformat())
        upto = closed.position if closed is not None else self.head()
        yield from self._onwards(books, upto, last.isoformat())

    def closings(self) -> list[DayClosed]:
        """All closings, oldest first."""
        with self._log() as log:
            events = [log.open(row) for row in log.streams([CLOSINGS_ID])]
        return [event for event in events if isinstance(event, DayClosed)]

    def closing(self, day: str) -> DayClosed | None:
        """The closing of a day."""
        return next((each for each in self.closings() if each.day == day), None)

    def reconciled_version(self) -> int:
        """How many statements were matched."""
        return int(self._readers.rows(_VERSION, (RECONCILIATION_ID,))[0][0])

    def expected(self, first: date, last: date) -> list[Expected]:
        """What is open until the last day, and all that may be on a statement of those days."""
        least, most = days_from(first, -_APART_DAYS), days_from(last, _APART_DAYS)
        rows = self._readers.rows(_MOVEMENTS, (most, least, most))
        return [self._movements.open(row) for row in rows]

    def _mark(self, statement: str, parameters: list[Any]) -> Running:
        rows = self._readers.rows(f"{statement} LIMIT 1", parameters)
        return self._marks.open(rows[0]) if rows else Running()

    def _onwards(self, books: Running, upto: int, last_day: str = "") -> Iterator[Posted]:
        """Moves the books on to a position, or to the end of a day; what was posted on the way."""
        with self._log() as log:
            page, largest = _PAGES
            while books.position < upto:
                batch = log.batch(books.position, upto, TOPICS, page)
                page = largest
                for position, event in batch.entries:
                    day = books.day_of(event)
                    # Days of postings only grow; a closing is recorded days after its own.
                    if last_day and day > last_day and not isinstance(event, DayClosed):
                        return
                    posted = books.take(position, event, day)
                    if posted:
                        yield Posted(position, day, event, posted)
                if batch.bad is not None:
                    raise Unreadable(f"event {batch.bad[0]}")
                if not batch.full:
                    return

    @contextlib.contextmanager
    def _log(self) -> Iterator[SealedLogReader]:
        reader = SealedLogReader(self._connect, self._mapper)
        try:
            yield reader
        finally:
            reader.close()
