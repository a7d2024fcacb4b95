"""The read side of the ledger, wired: projections, what is read from them, reports of them.

Part of the composition root, in a file of its own because it is a half of its own.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from datetime import date
from typing import Any
from uuid import UUID

import msgspec
import psycopg
from psycopg_pool import ConnectionPool

from adapters.backend.directory_lists import DirectoryLists, alert_row
from adapters.backend.operator_ports import Denied, Rows
from adapters.backend.reports import Reports
from adapters.beside import Beside
from adapters.correction_reads import CorrectionReads
from adapters.postgres.book_reader import BookReader
from adapters.postgres.book_tables import PostgresBooks
from adapters.postgres.card_stream_table import CardStreamReader, PostgresCardStreams
from adapters.postgres.data_keys import DataKeys
from adapters.postgres.directory_table import DirectoryReader, PostgresDirectory
from adapters.postgres.log_reader import SealedLogReader
from adapters.postgres.mapper import SealedMapper
from adapters.postgres.projection_store import ProjectionDatabase
from adapters.postgres.readers import Readers
from adapters.postgres.settlement_reader import SettlementReader
from adapters.postgres.settlement_tables import PostgresSettlements
from adapters.rehearsals import Rehearsals
from adapters.reports.settlements_csv import settlements_csv
from adapters.reports.settlements_xml import settlements_xml
from application.audit_history import card_history
from application.export_settlements import BadPeriod, export_settlements
from application.ports import Clock
from application.report_changes import Changes
from application.time_travel import Past, account_at
from application.watching import REHEARSED, rehearse
from domain.aggregates.card import Card
from domain.event import Event, stored_topics
from domain.suspicion import Watch
from projections.books import Books
from projections.card_streams import CardStreams
from projections.directory import Directory
from projections.guarded import Guarded
from projections.pace import Pace
from projections.ports import Projection, Unreadable
from projections.runner import Runner
from projections.settlements import Settlements

_LAYOUTS = {"csv": settlements_csv, "xml": settlements_xml}
_BEHIND_S = 5.0
_READ_AT_ONCE = 5_000
_COUNT_EVERY_S = 60.0
"""How often reports have all payments counted: it reads an index of every one of them."""
_BATCH = 1_000
"""Events projected in one go: while it lasts, payments wait for the interpreter's lock."""


class LedgerViews:
    """The projections' runner and everything that is read from them. Reads run in threads."""

    def __init__(
        self,
        dsn: str,
        keys: DataKeys,
        mapper: SealedMapper,
        clock: Clock,
        last: Callable[[], int | None],
    ) -> None:
        """`last`: the position of the last commit, None before anybody knows it."""
        self._dsn = dsn
        self._keys = keys
        self._mapper = mapper
        self._last = last
        self._clock = clock
        database = ProjectionDatabase(self.connect)
        pace = Pace(last)
        self.runner = Runner(
            self._reader(),
            database,
            self._projections(database),
            clock.now_us,
            batch=_BATCH,
            share=pace,
        )
        self.beside = Beside(
            self.connect,
            keys,
            self._projections,
            self._reader,
            self.runner,
            clock.now_us,
            share=pace,
        )
        self._pool = ConnectionPool(
            dsn,
            min_size=1,
            max_size=4,
            timeout=5,
            # After a restart of the database it holds dead connections; readers are in no hurry.
            check=ConnectionPool.check_connection,
            reconnect_timeout=1,  # else its pauses grow to minutes while the database is away
            open=True,
        )
        readers = Readers(self._pool.connection)
        self._settlements = SettlementReader(readers, keys)
        self._streams = CardStreamReader(readers)
        self.guarded = Guarded(self.runner)
        self.listed = Listed(DirectoryReader(readers, keys), self.guarded)
        self.directory = DirectoryLists(self.listed, clock)
        self.books = BookReader(readers, self.connect, keys, mapper)
        self.corrections = CorrectionReads(
            self._reader,
            self._settlements,
            self.guarded,
            lambda: self.caught_up(Settlements.name, _BEHIND_S),
        )
        rehearsals = Rehearsals(self._reader, self.listed, self._streams, clock.now_us)
        self.rehearse = rehearsals.rehearse
        self._counted_at_s = 0.0
        self.reports = Reports(
            self._changes,
            self._settlements.next_report_number,
            lambda: self.runner.as_of_us(Settlements.name),
        )

    def _projections(self, database: ProjectionDatabase) -> list[Projection]:
        return [
            Settlements(PostgresSettlements(database, self._keys)),
            Directory(PostgresDirectory(database, self._keys)),
            CardStreams(PostgresCardStreams(database)),
            Books(PostgresBooks(database, self._keys)),
        ]

    def _reader(self) -> SealedLogReader:
        return SealedLogReader(self.connect, self._mapper)

    def connect(self) -> "psycopg.Connection[Any]":
        """A connection for one thread's own use."""
        return psycopg.connect(self._dsn, connect_timeout=5)

    def caught_up(self, name: str = Directory.name, seconds: float = 1.0) -> bool:
        """Waits until a projection holds what was committed before; False where it does not."""
        last = self._last()
        return last is not None and self.runner.wait_for(name, last, seconds)

    def _changes(self, after: int, most: int) -> Changes:
        """What a report tells; now and then also whether payments of other days are all there."""

        def read() -> Changes:
            if time.monotonic() > self._counted_at_s + _COUNT_EVERY_S:
                self._counted_at_s = time.monotonic()
                self._settlements.check_whole()
            return self._settlements.changes(after, most)

        return self.guarded.read(Settlements.name, read)

    def audit_history(self, card_id: UUID) -> list[dict[str, Any]]:
        """Every event that concerns a card, oldest first."""
        self.caught_up(CardStreams.name, _BEHIND_S)
        reader = self._reader()
        try:
            return [line.row() for line in card_history(reader, self._streams, card_id)]
        finally:
            reader.close()

    def head(self) -> int:
        """See `operator_ports.Past`."""
        reader = self._reader()
        try:
            return reader.head()
        finally:
            reader.close()

    def balance(self, account_id: UUID, at_us: int | None, position: int | None) -> Rows:
        """See `operator_ports.Past`."""
        reader = self._reader()
        try:
            past = account_at(reader, account_id, at_us=at_us, position=position)
        except Unreadable:
            text = "An event of this account does not open: run ticketrestaurant audit verify."
            raise Denied("unreadable", text) from None
        finally:
            reader.close()
        return [] if past is None else [_past_row(past)]

    def stream(self, id: UUID) -> list[Event]:
        """The events of one stream, oldest first, on a connection of its own."""
        reader = self._reader()
        try:
            events = (reader.open(row) for row in reader.streams([id]))
            return [event for event in events if event is not None]
        finally:
            reader.close()

    def export_settlements(
        self, first: date, last: date, shop_id: UUID | None, layout: str
    ) -> Iterable[str]:
        """The settlement of a period as text. Raises Denied for a period that makes no sense.

        Read piece by piece, which may raise Rebuilding before the first.
        """

        def begun() -> Iterator[str]:
            return export_settlements(
                self._settlements,
                lambda: self.caught_up(Settlements.name, _BEHIND_S),
                _LAYOUTS[layout],
                first=first,
                last=last,
                shop_id=shop_id,
            )

        try:
            text = self.guarded.read(Settlements.name, begun)
        except BadPeriod as error:
            raise Denied("bad-period", str(error)) from None
        return self.guarded.pieces(Settlements.name, text)

    def card_history(self, card_id: UUID) -> list[dict[str, Any]]:
        """The payments of a card's account, newest first, as D HISTORY shows them.

        With whichever card: only so does the phone name a payment by a copied stripe.
        """
        self.caught_up(CardStreams.name)
        card = self.listed.get(card_id)
        cards = self.listed.ids("card", card.account_id) if isinstance(card, Card) else [card_id]
        found = self.guarded.read(Settlements.name, lambda: self._settlements.of_cards(cards))
        return [
            {
                "transaction": str(payment.transaction_id),
                "decided_ms": payment.decided_us // 1000,
                "shop_name": shop_name,
                "amount_cents": payment.worth_cents,
                "original_cents": payment.authorized_cents,
                "state": payment.status_now,
            }
            for payment, shop_name in found
        ]

    def card_alerts(self, card_id: UUID) -> list[dict[str, Any]]:
        """What a cardholder is asked: the alerts of his account, newest first."""
        self.caught_up()
        card = self.listed.get(card_id)
        if not isinstance(card, Card):
            return []
        pages = self.listed.pages("alert", card.account_id)
        return [alert_row(each) for page in pages for each in page][::-1]

    def rehearse_watch(self, rules: Watch, days: int) -> Rows:
        """See `operator_ports.Past`."""
        since_us = self._clock.now_us() - days * 24 * 3600 * 1_000_000
        reader = self._reader()
        try:
            found = rehearse(_events(reader, stored_topics(REHEARSED)), rules, since_us)
        finally:
            reader.close()
        return [msgspec.to_builtins(found)]

    def start(self) -> None:
        """Starts the projections."""
        self.runner.start()

    def stop(self) -> None:
        """Ends them."""
        self.beside.stop()
        self.runner.stop()
        self._pool.close()


def _events(reader: SealedLogReader, topics: frozenset[str]) -> Iterator[Event]:
    """All events of these topics, in order. Raises Denied where one does not open."""
    head, after = reader.head(), 0
    while after < head:
        batch = reader.batch(after, head, topics, _READ_AT_ONCE)
        yield from (entry.event for entry in batch.entries)
        if batch.bad is not None:
            raise Denied("unreadable", "An event does not open: run ticketrestaurant audit verify.")
        after = batch.upto


def _past_row(past: Past) -> dict[str, Any]:
    account = past.account
    return {
        "account": str(account.id),
        "balance_cents": account.balance_cents,
        "currency": account.currency,
        "timezone": account.timezone,
        "spent_on": account.spending.day,
        "spent_cents": account.spending.day_cents,
        "position": past.position,
        "as_of_us": past.at_us,
        "events": past.events,
        "later_events": past.later,
    }


class Listed:
    """The directory's states of a kind, page by page."""

    def __init__(self, reader: DirectoryReader, guarded: Guarded) -> None:
        self._reader = reader
        self.guarded = guarded

    def pages(self, kind: str, parent: UUID | None = None, size: int = 100) -> Iterator[list[Any]]:
        return self.guarded.pieces(Directory.name, self._reader.pages(kind, parent, size))

    def ids(self, kind: str, parent: UUID) -> list[UUID]:
        return self.guarded.read(Directory.name, lambda: self._reader.ids(kind, parent))

    def get(self, id: UUID) -> Any | None:
        return self.guarded.read(Directory.name, lambda: self._reader.get(id))
