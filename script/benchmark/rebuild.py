"""Projections built anew from the whole log: events per second of the log, all projections."""

import time

import psycopg

from adapters.postgres.book_tables import PostgresBooks
from adapters.postgres.card_stream_table import PostgresCardStreams
from adapters.postgres.directory_table import PostgresDirectory
from adapters.postgres.log_reader import SealedLogReader
from adapters.postgres.projection_store import ProjectionDatabase
from adapters.postgres.settlement_tables import PostgresSettlements
from projections.books import Books
from projections.card_streams import CardStreams
from projections.directory import Directory
from projections.ports import Projection
from projections.runner import Runner
from projections.settlements import Settlements
from script.benchmark.ledger import Ledger


def rebuild_per_second(ledger: Ledger) -> float:
    """Empties every projection, builds it from position 1 to the end, and takes the time.

    Raises RuntimeError where one stood still: without it the others would look quick.
    """

    def connect() -> "psycopg.Connection[tuple[object, ...]]":
        return psycopg.connect(ledger.dsn)

    database = ProjectionDatabase(connect)
    projections: list[Projection] = [
        Settlements(PostgresSettlements(database, ledger.keys)),
        Directory(PostgresDirectory(database, ledger.keys)),
        CardStreams(PostgresCardStreams(database)),
        Books(PostgresBooks(database, ledger.keys)),
    ]
    runner = Runner(
        SealedLogReader(connect, ledger.log.mapper), database, projections, ledger.clock.now_us
    )
    for projection in projections:
        runner.rebuild(projection.name)
    begin = time.perf_counter()
    while runner.run_once():
        pass
    took = time.perf_counter() - begin
    head = ledger.log.recorder.position
    behind = [each for each in runner.progress() if each.position < head]
    runner.stop()
    if behind:
        raise RuntimeError(f"not rebuilt: {behind}")
    return head / took
