"""The read side of the ledger, wired: projections, what is read from them, reports of them.

Part of the composition root, in a file of its own because it is a half of its own.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from datetime import date
from typing import Any
from uuid import UUID

import psycopg
from psycopg_pool import ConnectionPool

from adapters.backend.directory_lists import DirectoryLists
from adapters.backend.operator_ports import Denied
from adapters.backend.reports import Reports
from adapters.postgres.card_stream_table import CardStreamReader, PostgresCardStreams
from adapters.postgres.data_keys import DataKeys
from adapters.postgres.directory_table import DirectoryReader, PostgresDirectory
from adapters.postgres.log_reader import SealedLogReader
from adapters.postgres.mapper import SealedMapper
from adapters.postgres.projection_store import ProjectionDatabase
from adapters.postgres.readers import Readers
from adapters.postgres.settlement_reader import SettlementReader
from adapters.postgres.settlement_tables import PostgresSettlements
from adapters.reports.settlements_csv import settlements_csv
from adapters.reports.settlements_xml import settlements_xml
from application.audit_history import card_history
from application.export_settlements import BadPeriod, export_settlements
from application.ports import Clock
from application.report_changes import Changes
from domain.event import Event
from projections.card_streams import CardStreams
from projections.directory import Directory
from projections.guarded import Guarded
from projections.runner import Runner
from projections.settlements import Settlements

_LAYOUTS = {"csv": settlements_csv, "xml": settlements_xml}
_BEHIND_S = 5.0
_COUNT_EVERY_S = 60.0
"""How often reports have all payments counted: it reads an index of every one of them."""
_SHARE = 0.15
"""Of one processor: the engine that answers terminals comes first."""


class LedgerViews:
    """The projections' runner and everything that is read from them. Reads run in threads."""

    def __init__(
        self, dsn: str, keys: DataKeys, mapper: SealedMapper, clock: Clock, last: Callable[[], int]
    ) -> None:
        """`last`: the position of the last commit."""
        self._dsn = dsn
        self._keys = keys
        self._mapper = mapper
        self._last = last
        database = ProjectionDatabase(self.connect)
        self.runner = Runner(
            SealedLogReader(self.connect, mapper),
            database,
            [
                Settlements(PostgresSettlements(database, keys)),
                Directory(PostgresDirectory(database, keys)),
                CardStreams(PostgresCardStreams(database)),
            ],
            clock.now_us,
            share=_SHARE,
        )
        self._pool = ConnectionPool(
            dsn,
            min_size=1,
            max_size=4,
            timeout=5,
            reconnect_timeout=1,  # else its pauses grow to minutes while the database is away
            open=True,
        )
        readers = Readers(self._pool.connection)
        self._settlements = SettlementReader(readers, keys)
        self._streams = CardStreamReader(readers)
        self._guarded = Guarded(self.runner)
        self.listed = Listed(DirectoryReader(readers, keys), self._guarded)
        self.directory = DirectoryLists(self.listed)
        self._counted_at_s = 0.0
        self.reports = Reports(
            self._changes,
            self._settlements.next_report_number,
            lambda: self.runner.as_of_us(Settlements.name),
        )

    def connect(self) -> "psycopg.Connection[Any]":
        """A connection for one thread's own use."""
        return psycopg.connect(self._dsn, connect_timeout=5)

    def caught_up(self, name: str = Directory.name, seconds: float = 1.0) -> bool:
        """Waits until a projection holds what was committed before; False where it does not."""
        return self.runner.wait_for(name, self._last(), seconds)

    def _changes(self, after: int, most: int) -> Changes:
        """What a report tells; now and then also whether payments of other days are all there."""

        def read() -> Changes:
            if time.monotonic() > self._counted_at_s + _COUNT_EVERY_S:
                self._counted_at_s = time.monotonic()
                self._settlements.check_whole()
            return self._settlements.changes(after, most)

        return self._guarded.read(Settlements.name, read)

    def audit_history(self, card_id: UUID) -> list[dict[str, Any]]:
        """Every event that concerns a card, oldest first."""
        self.caught_up(CardStreams.name, _BEHIND_S)
        reader = SealedLogReader(self.connect, self._mapper)
        try:
            return [line.row() for line in card_history(reader, self._streams, card_id)]
        finally:
            reader.close()

    def stream(self, id: UUID) -> list[Event]:
        """The events of one stream, oldest first, on a connection of its own."""
        reader = SealedLogReader(self.connect, self._mapper)
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
            text = self._guarded.read(Settlements.name, begun)
        except BadPeriod as error:
            raise Denied("bad-period", str(error)) from None
        return self._guarded.pieces(Settlements.name, text)

    def card_history(self, card_id: UUID) -> list[dict[str, Any]]:
        """A cardholder's own payments, newest first, as D HISTORY shows them."""
        self.caught_up(CardStreams.name)
        found = self._guarded.read(Settlements.name, lambda: self._settlements.of_card(card_id))
        return [
            {
                "transaction": str(payment.transaction_id),
                "decided_ms": payment.decided_us // 1000,
                "shop_name": shop_name,
                "amount_cents": payment.net_cents,
                "original_cents": payment.authorized_cents,
                "state": payment.status,
            }
            for payment, shop_name in found
        ]

    def start(self) -> None:
        """Starts the projections."""
        self.runner.start()

    def stop(self) -> None:
        """Ends them."""
        self.runner.stop()
        self._pool.close()


class Listed:
    """The directory's states of a kind, page by page."""

    def __init__(self, reader: DirectoryReader, guarded: Guarded) -> None:
        self._reader = reader
        self._guarded = guarded

    def pages(self, kind: str, parent: UUID | None = None, size: int = 100) -> Iterator[list[Any]]:
        return self._guarded.pieces(Directory.name, self._reader.pages(kind, parent, size))

    def ids(self, kind: str, parent: UUID) -> list[UUID]:
        return self._guarded.read(Directory.name, lambda: self._reader.ids(kind, parent))

    def get(self, id: UUID) -> Any | None:
        return self._guarded.read(Directory.name, lambda: self._reader.get(id))
