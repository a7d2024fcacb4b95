"""Where projections keep how far they are, and the connection that their tables write with.

Commits here do not wait for the disk: after a crash a projection is a little behind, together with
its tracking, and catches up. The engine's commits, which do wait, are not slowed by these.
"""

import contextlib
from collections.abc import Collection, Iterator
from typing import Any

import psycopg
from psycopg import sql

from adapters.postgres.log_reader import Connect
from application.ports import Conflict, Unavailable
from projections.ports import Held

LOCK_CLASS = 0x5450  # "TP": the first key of the advisory locks; the second is of the name


class ProjectionDatabase:
    """`projections.ports.ProjectionStore`; for the runner's thread alone.

    `schema`: where the tables and their tracking are, if not in the usual one (`beside.py`).
    """

    def __init__(self, connect: Connect, schema: str | None = None) -> None:
        self._connect = connect
        self._schema = schema
        self._connection: psycopg.Connection[Any] | None = None

    @property
    def connection(self) -> "psycopg.Connection[Any]":
        """The connection of the batch, for the tables. Raises Unavailable."""
        if self._connection is None or self._connection.closed:
            with _unavailable():
                connection = self._connect()
                connection.autocommit = True
                connection.execute("SET synchronous_commit = off")
                if self._schema is not None:
                    path = sql.SQL("SET search_path = {}, public")
                    connection.execute(path.format(sql.Identifier(self._schema)))
                self._connection = connection
        return self._connection

    def hold(self, name: str) -> Held:
        """See the port."""
        with _unavailable():
            taken = self.connection.execute(
                "SELECT pg_try_advisory_lock(%s, hashtext(%s))",
                (LOCK_CLASS, f"{self._schema} {name}" if self._schema else name),
            ).fetchone()
            # After the lock: before it, another runner may have moved on.
            row = self.connection.execute(
                "SELECT position FROM projections WHERE name = %s", (name,)
            ).fetchone()
        return Held(int(row[0]) if row else 0, bool(taken and taken[0]))

    @contextlib.contextmanager
    def batch(self, name: str, after: int, upto: int) -> Iterator[None]:
        """See the port."""
        with _unavailable(), self.connection.transaction():
            yield
            moved = self.connection.execute(
                "INSERT INTO projections AS known (name, position) VALUES (%s, %s)"
                " ON CONFLICT (name) DO UPDATE SET position = excluded.position"
                " WHERE known.position = %s",
                (name, upto, after),
            )
            if moved.rowcount != 1:
                raise Conflict(f"projection {name} is not at {after}")

    def clear(self, name: str, tables: Collection[str]) -> None:
        """See the port."""
        with _unavailable(), self.connection.transaction():
            names = sql.SQL(", ").join(map(sql.Identifier, tables))
            self.connection.execute(sql.SQL("TRUNCATE {}").format(names))
            self.connection.execute("DELETE FROM projections WHERE name = %s", (name,))

    def close(self) -> None:
        """See the port."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


@contextlib.contextmanager
def _unavailable() -> Iterator[None]:
    """What says that the database does not answer, as the port names it; not bugs of ours."""
    try:
        yield
    except (psycopg.OperationalError, psycopg.InterfaceError) as error:
        raise Unavailable("the ledger database") from error
