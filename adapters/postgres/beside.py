"""Read models built anew beside those in use: their tables, in the schema `beside`.

The backend's role makes no tables; the functions of `migrations/ledger/0005` do it with the owner's
rights, for tables that the role may empty and for no others.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import psycopg

from adapters.postgres.log_reader import Connect
from application.ports import Conflict, Unavailable

SCHEMA: Final = "beside"


class BesideTables:
    """All methods raise Unavailable where the database does not answer."""

    def __init__(self, connect: Connect) -> None:
        self._connect = connect

    def prepare(self, projection: str, tables: Sequence[str]) -> None:
        """Empty copies of the tables, whatever was there before."""
        self._call("SELECT prepare_beside(%s, %s)", projection, tables)

    def switch(self, projection: str, tables: Sequence[str]) -> None:
        """They change places, in one transaction. Raises Conflict where the two have not come to
        the same event; Unavailable also where somebody read for longer than five seconds."""
        self._call("SELECT switch_beside(%s, %s)", projection, tables)

    def drop(self, projection: str, tables: Sequence[str]) -> None:
        """Nothing of the copies is left."""
        self._call("SELECT drop_beside(%s, %s)", projection, tables)

    def _call(self, statement: str, projection: str, tables: Sequence[str]) -> None:
        with self._connected() as connection:
            connection.execute(statement.encode(), (projection, list(tables)))

    @contextmanager
    def _connected(self) -> Iterator["psycopg.Connection[Any]"]:
        try:
            with self._connect() as connection:
                yield connection
        except psycopg.errors.ObjectNotInPrerequisiteState as error:
            raise Conflict("the two read models are at different events") from error
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            raise Unavailable("the ledger database") from error
