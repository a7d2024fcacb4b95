"""Where a verification reads the rows from: the ledger's database, or a dump of it in a file."""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol
from uuid import UUID

import psycopg

from adapters.audit.stored_rows import rows

Stored = tuple[int, bytes, bytes]
"""Position, leaf and raw row as `adapters.audit.stored_rows.rows` gives them."""
Copies = Mapping[tuple[UUID, int], Sequence[int]]
"""Positions of rows that share their stream and version with another row."""
_COPIES = """
    SELECT originator_id, originator_version, array_agg(position ORDER BY position)
    FROM events WHERE shard = %s AND position IS NOT NULL
    GROUP BY originator_id, originator_version HAVING count(*) > 1 LIMIT 10000
"""


class RowSource(Protocol):
    """Gives all rows in order of position, as often as it is asked."""

    def reading(self) -> "AbstractContextManager[tuple[Iterator[Stored], Callable[[], Copies]]]":
        """The rows, and what finds the copies among them once all rows were taken."""


class DatabaseRows:
    """`dsn`: of a role that may read `events`. Raises psycopg.Error."""

    def __init__(self, dsn: str, shard: int) -> None:
        self._dsn = dsn
        self._shard = shard

    @contextlib.contextmanager
    def reading(self) -> Iterator[tuple[Iterator[Stored], Callable[[], Copies]]]:
        """Both in one snapshot."""
        with psycopg.connect(self._dsn, connect_timeout=5) as connection:
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            yield rows(connection, self._shard), lambda: self._copies(connection)

    def _copies(self, connection: "psycopg.Connection[Any]") -> Copies:
        found: Sequence[Any] = connection.execute(_COPIES.encode(), (self._shard,)).fetchall()
        return {(stream, version): positions for stream, version, positions in found}
