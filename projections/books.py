"""The books: balances of every account at many positions, and what the bank is expected to show.

Postings are not stored. What an event posts is a pure function of the event, so the log is the
journal; kept are marks, the balances after an event: at the end of each day, after every
`MARK_EVERY` postings, and at the newest. The books at any position are the mark before it and the
few events from there on, however long the log is, and a mark that is missing costs time only.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from msgspec.structs import replace

from domain.aggregates.reconciliation import StatementMatched
from domain.books.bank import Expected
from domain.books.mapping import EXPECTED
from domain.books.running import TOPICS, Running
from domain.event import stored_topics
from projections.ports import Entry

NAME = "books/1"
MARK_EVERY = 5_000
"""Postings between two marks of a day: about as many as are opened in 50 ms."""


class BookTables(Protocol):
    """The two sealed tables, written within the runner's batch."""

    def last(self) -> Running:
        """The newest mark, or empty books. Raises ReadModelChanged where it is not as of the last
        event that was projected."""

    def put_marks(self, marks: Sequence[Running]) -> None:
        """Stores marks; those that are there stay as they are."""

    def drop_mark(self, position: int) -> None:
        """A newest mark that no longer is."""

    def movements(self, positions: Sequence[int]) -> Mapping[int, Expected]:
        """Those of the expected movements that are known, by position."""

    def put_movements(self, movements: Sequence[tuple[Expected, int | None]]) -> None:
        """Stores movements, new or changed, each with the position of what matched it."""


class Books:
    """The projection."""

    name = NAME
    tables = ("book_marks", "bank_movements")
    topics = TOPICS | stored_topics(EXPECTED)

    def __init__(self, tables: BookTables, mark_every: int = MARK_EVERY) -> None:
        self._tables = tables
        self._mark_every = mark_every
        self._running: Running | None = None
        self._passing = 0

    def forget(self) -> None:
        """See `Projection.forget`."""
        self._running = None
        self._passing = 0

    def project(self, entries: Sequence[Entry]) -> None:
        """See `Projection.project`."""
        running = self._running
        if running is None:
            running = self._running = self._tables.last()
            self._passing = 0 if running.events % self._mark_every == 0 else running.position
        before = running.position
        marks: list[Running] = []
        expected: dict[int, Expected] = {}
        matched: list[tuple[int, StatementMatched]] = []
        for position, event in entries:
            day = running.day_of(event)
            if event.TOPIC in TOPICS:
                if day > running.day and running.events:
                    marks.append(running.copied())
                running.take(position, event, day)
                if running.events % self._mark_every == 0:
                    marks.append(running.copied())
            expect = EXPECTED.get(type(event))
            movement = expect(position, day, event) if expect is not None else None
            if movement is not None:
                expected[position] = movement
            if isinstance(event, StatementMatched):
                matched.append((position, event))
        self._store_marks(running, marks, running.position > before)
        self._store_movements(expected, matched)

    def _store_marks(self, running: Running, marks: list[Running], moved: bool) -> None:
        """The marks of the batch and the newest, which takes the place of the newest before."""
        if not moved or not running.events:
            return
        kept = {mark.position for mark in marks}
        if self._passing and self._passing not in kept:
            self._tables.drop_mark(self._passing)
        self._passing = 0 if running.position in kept else running.position
        self._tables.put_marks([*marks, running])

    def _store_movements(
        self, expected: dict[int, Expected], matched: list[tuple[int, StatementMatched]]
    ) -> None:
        by: dict[int, int] = {}
        named = [line.expected_position for _, event in matched for line in event.lines]
        known = dict(self._tables.movements(named)) if named else {}
        for position, event in matched:
            for line in event.lines:
                at = line.expected_position
                if at not in expected and at not in known:
                    raise LookupError(f"event {position} matches money that nobody expected")
                before = expected[at] if at in expected else known[at]
                expected[at] = replace(before, entry=line.entry, entry_day=line.day)
                by[at] = position
        if expected:
            self._tables.put_movements([(each, by.get(at)) for at, each in expected.items()])
