"""Reads by pooled connections right after the database ended all of them: not refused once."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from adapters.ledger_core import datastore
from adapters.postgres.recorder import ShardRecorder
from application.ports import Unavailable
from tests.integration.engine.world import Database

CONNECTIONS = 4
_OF_THE_POOL = (
    "FROM pg_stat_activity WHERE datname = current_database() AND usename = 'ledger_backend'"
)


@pytest.fixture
def recorder(database: Database) -> Iterator[ShardRecorder]:
    """It does not hold the shard: every read is by the pool."""
    database.empty()
    made = ShardRecorder(datastore(database.dsn, CONNECTIONS), database.dsn)
    made.datastore.pool.open(wait=True)
    yield made
    made.datastore.close()


def end_all(database: Database) -> int:
    """How many connections there were; none is left."""
    ended = database.execute(f"SELECT pg_terminate_backend(pid) {_OF_THE_POOL}")
    deadline_s = time.monotonic() + 5
    while database.execute(f"SELECT count(*) {_OF_THE_POOL}") != [(0,)]:
        assert time.monotonic() < deadline_s
    return len(ended)


def test_the_first_read_after_the_connections_died_is_answered(
    database: Database, recorder: ShardRecorder
) -> None:
    for _ in range(3):
        assert recorder.rows(0, 10) == []
        assert end_all(database) == CONNECTIONS
        assert recorder.rows(0, 10) == []
        recorder.datastore.pool.wait(5)


def test_many_reads_at_once_are_answered(database: Database, recorder: ShardRecorder) -> None:
    def read(_: int) -> list[Any]:
        return recorder.rows(0, 10)

    with ThreadPoolExecutor(16) as threads:
        assert end_all(database) == CONNECTIONS
        assert list(threads.map(read, range(64))) == [[]] * 64


@pytest.mark.parametrize("statement", ["SELECT 1/0", "SELECT nothing", "SELECT pg_sleep(1)"])
def test_a_statement_that_fails_is_not_given_again(
    recorder: ShardRecorder, statement: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    again: list[bool] = []
    monkeypatch.setattr(recorder.datastore.pool, "check", lambda: again.append(True))
    for lent in list(recorder.datastore.pool._pool):
        lent.execute("SET statement_timeout = '50ms'")
    with pytest.raises(Unavailable):
        recorder._select(statement, ())
    assert again == []


def test_while_the_database_is_away_reads_are_refused_soon(
    database: Database, recorder: ShardRecorder
) -> None:
    database.stop()
    try:
        began_s = time.monotonic()
        with pytest.raises(Unavailable):
            recorder.rows(0, 10)
        assert time.monotonic() - began_s < 4
    finally:
        database.start()
    deadline_s = time.monotonic() + 5
    while True:  # the pool gives up after a second and tries anew when it is asked
        try:
            assert recorder.rows(0, 10) == []
            break
        except Unavailable:
            assert time.monotonic() < deadline_s
