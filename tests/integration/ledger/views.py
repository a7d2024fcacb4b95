"""The projections over a test's ledger, moved by hand or by their thread."""

from collections.abc import Sequence
from typing import Any

from adapters.postgres.card_stream_table import CardStreamReader, PostgresCardStreams
from adapters.postgres.directory_table import DirectoryReader, PostgresDirectory
from adapters.postgres.log_reader import SealedLogReader
from adapters.postgres.projection_store import ProjectionDatabase
from adapters.postgres.readers import Readers
from adapters.postgres.settlement_reader import SettlementReader
from adapters.postgres.settlement_tables import PostgresSettlements
from projections.card_streams import CardStreams
from projections.directory import KINDS, Directory
from projections.runner import Progress, Runner
from projections.settlements import Payment, SettledShop, Settlements
from tests.integration.ledger.databases import LedgerDatabase
from tests.integration.ledger.town import NOW_US

TABLES = (
    *("settlements", "settlement_shops", "settlement_adjustments"),
    *("directory", "card_streams"),
)


class Views:
    """All three projections and their readers. `keep` and `keep_shops` bound what they remember."""

    def __init__(
        self,
        ledger: LedgerDatabase,
        *,
        keep: int = 1_000,
        keep_shops: int = 1_000,
        **options: Any,
    ) -> None:
        self.ledger = ledger
        self.reader = SealedLogReader(ledger.connect, ledger.mapper)
        self.store = ProjectionDatabase(ledger.connect)
        self.runner = Runner(
            self.reader,
            self.store,
            [
                Settlements(PostgresSettlements(self.store, ledger.keys), keep_shops),
                Directory(PostgresDirectory(self.store, ledger.keys), keep),
                CardStreams(PostgresCardStreams(self.store)),
            ],
            lambda: NOW_US,
            **options,
        )
        readers = Readers(ledger.pooled)
        self.settlements = SettlementReader(readers, ledger.keys)
        self.directory = DirectoryReader(readers, ledger.keys)
        self.streams = CardStreamReader(readers)

    def catch_up(self) -> None:
        """Runs until nothing is left."""
        while self.runner.run_once():
            pass

    def close(self) -> None:
        self.runner.stop()

    def progress(self) -> dict[str, Progress]:
        return {each.name.partition("/")[0]: each for each in self.runner.progress()}

    def content(self) -> dict[str, Any]:
        """Everything that can be read, to be compared."""
        changes = self.settlements.changes(0, 100_000)
        return {
            "payments": _by_position(changes.payments),
            "shops": _by_position(changes.shops),
            "adjustments": self.rows(
                "SELECT position, shop_id, local_date FROM settlement_adjustments ORDER BY position"
            ),
            "directory": {
                kind: [state for page in self.directory.pages(kind) for state in page]
                for kind in KINDS
            },
            "streams": self.rows("SELECT * FROM card_streams ORDER BY card_id, position"),
            "tracking": self.rows("SELECT name, position FROM projections ORDER BY name"),
        }

    def rows(self, statement: str) -> list[Any]:
        with self.ledger.pooled() as connection:
            return connection.execute(statement.encode()).fetchall()


def _by_position(items: Sequence[Payment] | Sequence[SettledShop]) -> list[Any]:
    return sorted(items, key=lambda item: item.position)
