"""Connections for those who read projections: a few, shared by all threads."""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import psycopg
from psycopg_pool import PoolTimeout

from application.ports import Unavailable

Lend = Callable[[], AbstractContextManager["psycopg.Connection[Any]"]]
"""As `psycopg_pool.ConnectionPool.connection`: a connection for the length of a block."""


class Readers:
    """Reads with lent connections. Everything raises `application.ports.Unavailable`."""

    def __init__(self, lend: Lend) -> None:
        self._lend = lend

    @contextlib.contextmanager
    def snapshot(self) -> Iterator["psycopg.Connection[Any]"]:
        """A connection on which all statements of the block see the same state."""
        try:
            with self._lend() as connection, connection.transaction():
                connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
                yield connection
        except (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout) as error:
            raise Unavailable("the ledger database") from error

    def rows(self, statement: str, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> list[Any]:
        """All rows of one statement, in binary."""
        try:
            with self._lend() as connection, connection.cursor(binary=True) as cursor:
                return cursor.execute(statement.encode(), parameters).fetchall()
        except (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout) as error:
            raise Unavailable("the ledger database") from error


def position_of(connection: "psycopg.Connection[Any]", projection: str) -> int:
    """How far a projection is, as of the connection's snapshot."""
    row = connection.execute(
        "SELECT position FROM projections WHERE name = %s", (projection,)
    ).fetchone()
    return int(row[0]) if row else 0
