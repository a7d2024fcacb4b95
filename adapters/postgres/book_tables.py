"""`projections.books.BookTables`: the sealed tables of the books."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from adapters.postgres.data_keys import DataKeys
from adapters.postgres.projection_store import ProjectionDatabase
from adapters.postgres.sealed_tables import Sealer, int8
from domain.books.bank import Expected
from domain.books.running import TOPICS, Running
from projections.books import NAME
from projections.ports import ReadModelChanged

MARK_COLUMNS = "position, day, payload"
MOVEMENT_COLUMNS = "position, day, matched, payload"
_AHEAD = (
    "SELECT EXISTS (SELECT FROM events WHERE shard = 0 AND position > %s AND position <="
    " (SELECT position FROM projections WHERE name = %s) AND topic = ANY(%s))"
)


class MarkSealer:
    """Seals the balances of a mark; opens rows of MARK_COLUMNS."""

    def __init__(self, keys: DataKeys) -> None:
        self._sealer = Sealer(keys, "book_marks", Running)

    def seal(self, mark: Running) -> bytes:
        """The payload."""
        return self._sealer.seal(mark, int8(mark.position), mark.day.encode())

    def open(self, row: Sequence[Any]) -> Running:
        """The mark of a row. Raises ReadModelChanged."""
        position, day, payload = row
        return self._sealer.open(payload, int8(position), day.isoformat().encode())


class MovementSealer:
    """Seals an expected movement; opens rows of MOVEMENT_COLUMNS."""

    def __init__(self, keys: DataKeys) -> None:
        self._sealer = Sealer(keys, "bank_movements", Expected)

    def seal(self, movement: Expected, matched: int | None) -> bytes:
        """The payload."""
        return self._sealer.seal(movement, *_place(movement.position, movement.day, matched))

    def open(self, row: Sequence[Any]) -> Expected:
        """The movement of a row. Raises ReadModelChanged."""
        position, day, matched, payload = row
        return self._sealer.open(payload, *_place(position, day.isoformat(), matched))


def _place(position: int, day: str, matched: int | None) -> tuple[bytes, bytes, bytes]:
    return int8(position), day.encode(), int8(matched) if matched is not None else b""


class PostgresBooks:
    """Writes within the batch of `database`."""

    def __init__(self, database: ProjectionDatabase, keys: DataKeys) -> None:
        self._database = database
        self._marks = MarkSealer(keys)
        self._movements = MovementSealer(keys)

    def last(self) -> Running:
        """See the port."""
        rows = self._rows(
            f"SELECT {MARK_COLUMNS} FROM book_marks ORDER BY position DESC LIMIT 1", []
        )
        newest = self._marks.open(rows[0]) if rows else Running()
        ((ahead,),) = self._rows(_AHEAD, [newest.position, NAME, sorted(TOPICS)])
        if ahead:
            raise ReadModelChanged("book_marks", "its newest row is gone")
        return newest

    def put_marks(self, marks: Sequence[Running]) -> None:
        """See the port."""
        with self._database.connection.cursor() as cursor:
            cursor.executemany(
                f"INSERT INTO book_marks ({MARK_COLUMNS}) VALUES (%s, %s, %s)"
                " ON CONFLICT (position) DO NOTHING",
                [(mark.position, _date(mark.day), self._marks.seal(mark)) for mark in marks],
            )

    def drop_mark(self, position: int) -> None:
        """See the port."""
        self._database.connection.execute("DELETE FROM book_marks WHERE position = %s", [position])

    def movements(self, positions: Sequence[int]) -> dict[int, Expected]:
        """See the port."""
        rows = self._rows(
            f"SELECT {MOVEMENT_COLUMNS} FROM bank_movements WHERE position = ANY(%s)",
            [list(positions)],
        )
        return {row[0]: self._movements.open(row) for row in rows}

    def put_movements(self, movements: Sequence[tuple[Expected, int | None]]) -> None:
        """See the port."""
        with self._database.connection.cursor() as cursor:
            cursor.executemany(
                f"INSERT INTO bank_movements ({MOVEMENT_COLUMNS}) VALUES (%s, %s, %s, %s)"
                " ON CONFLICT (position) DO UPDATE"
                " SET matched = excluded.matched, payload = excluded.payload",
                [
                    (each.position, _date(each.day), matched, self._movements.seal(each, matched))
                    for each, matched in movements
                ],
            )

    def _rows(self, statement: str, parameters: list[Any]) -> list[Any]:
        with self._database.connection.cursor(binary=True) as cursor:
            return cursor.execute(statement.encode(), parameters).fetchall()


def _date(day: str) -> date:
    return date.fromisoformat(day)
