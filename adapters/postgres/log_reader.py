"""Reads the log for projections and for the history of a card, on a connection of its own."""

import struct
from collections.abc import Callable, Collection, Iterator
from typing import Any
from uuid import UUID

import psycopg
from psycopg import sql
from psycopg.rows import tuple_row

from adapters.postgres.mapper import PERSONAL, SealedMapper
from adapters.postgres.sealing import HEADER_BYTES, DataKey, NotSealedHere
from application.ports import Row, Unavailable
from domain.event import Event
from projections.ports import Batch, Entry, Unreadable

_COLUMNS = "position, originator_id, originator_version, topic, state"
_HEAD = "SELECT coalesce(max(position), 0) FROM events WHERE shard = %s"
_EXTENT = "SELECT count(*), coalesce(max(position), 0) FROM events WHERE shard = %s"
_ROWS = (
    f"SELECT {_COLUMNS} FROM events WHERE shard = %s AND position > %s ORDER BY position LIMIT %s"
)
_STREAMS = (
    f"SELECT {_COLUMNS} FROM events WHERE shard = %s AND originator_id = ANY(%s) ORDER BY position"
)
_STREAMS_OF_TOPICS = (
    f"SELECT {_COLUMNS} FROM events WHERE shard = %s AND originator_id = ANY(%s)"
    " AND topic = ANY(%s) ORDER BY position"
)
_BATCH = (
    f"COPY (SELECT {_COLUMNS} FROM events WHERE shard = {{}} AND position > {{}}"
    " AND position <= {} AND topic IN ({}) ORDER BY position LIMIT {}) TO STDOUT (FORMAT BINARY)"
)
_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
# A row in COPY's binary format: count of fields (2), then each field behind its length (4).
_POSITION = struct.Struct(">q")
_LENGTH = struct.Struct(">i")
_AT_POSITION, _AT_PLACE, _AT_TOPIC_LENGTH, _AT_TOPIC = 6, 14, 46, 50
Connect = Callable[[], "psycopg.Connection[Any]"]


class SealedLogReader:
    """`projections.ports.LogReader` and `application.audit_history.HistoryLog`; not thread-safe.

    A lost connection is told once as Unavailable; the next use connects again.
    """

    def __init__(self, connect: Connect, mapper: SealedMapper, shard: int = 0) -> None:
        self._connect = connect
        self._mapper = mapper
        self._shard = shard
        self._connection: psycopg.Connection[Any] | None = None

    def head(self) -> int:
        """See the port."""
        return int(self._select(_HEAD, (self._shard,))[0][0])

    def extent(self) -> tuple[int, int]:
        """How many rows there are, and the last position: the same number in a log without gaps.
        From the index alone. Raises Unavailable."""
        count, last = self._select(_EXTENT, (self._shard,))[0]
        return int(count), int(last)

    def batch(self, after: int, upto: int, topics: Collection[str], limit: int) -> Batch:
        """See the port. Rows are opened as they come, while the server looks for the next."""
        entries: list[Entry] = []
        of_topics: list[str] = []
        names = {topic.encode(): topic for topic in topics}
        keys: dict[bytes, DataKey] = {}  # of this batch only: an erased key is gone with the next
        key_of, open_with = self._mapper.key_of, self._mapper.open_with
        position = count = 0
        bad: tuple[int, str] | None = None
        for raw in self._copy(after, upto, topics, limit):
            count += 1
            if bad is not None:
                continue  # the answer must be taken to its end
            (position,) = _POSITION.unpack_from(raw, _AT_POSITION)
            topic_end = _AT_TOPIC + _LENGTH.unpack_from(raw, _AT_TOPIC_LENGTH)[0]
            topic = names.get(raw[_AT_TOPIC:topic_end], "")
            # The bytes from the stream's id to the topic are the place that the row is sealed to.
            place, state = raw[_AT_PLACE:topic_end], raw[topic_end + 4 :]
            header = state[:HEADER_BYTES]
            try:
                key = keys.get(header)
                if key is None:
                    key = keys[header] = key_of(state)
                entries.append(Entry(position, open_with(key, place, topic, state)))
                of_topics.append(topic)
            except NotSealedHere:
                bad = (position, topic)
            except KeyError:
                if not topic.startswith(PERSONAL):  # else a person who was erased
                    bad = (position, topic)
        full = count == limit
        if bad is not None:
            return Batch(entries, of_topics, bad[0] - 1, full, bad)
        return Batch(entries, of_topics, position if full else upto, full, None)

    def _copy(self, after: int, upto: int, topics: Collection[str], limit: int) -> Iterator[bytes]:
        """Raw rows in COPY's binary format, one at a time."""
        wanted = sql.SQL(", ").join(map(sql.Literal, sorted(topics)))
        statement = sql.SQL(_BATCH).format(self._shard, after, upto, wanted, limit)
        try:
            with self._connected().cursor().copy(statement) as copy:
                begun = False
                for data in copy:
                    raw = bytes(data)
                    if not begun:
                        begun, raw = True, raw.removeprefix(_HEADER)
                    if len(raw) > 2:  # else the end of the data
                        yield raw
        except psycopg.Error as error:
            self.close()
            raise Unavailable("the ledger database") from error

    def rows(self, after: int, limit: int) -> list[Row]:
        """At most `limit` rows of all topics after a position, in order of position."""
        return [Row(*row) for row in self._select(_ROWS, (self._shard, after, limit))]

    def streams(self, ids: Collection[UUID], topics: Collection[str] | None = None) -> list[Row]:
        """All rows of the streams, or those of these topics, in order of position."""
        if topics is not None:
            found = self._select(_STREAMS_OF_TOPICS, (self._shard, list(ids), list(topics)))
            return [Row(*row) for row in found]
        return [Row(*row) for row in self._select(_STREAMS, (self._shard, list(ids)))]

    def open(self, row: Row) -> Event | None:
        """The event of a row; None for a person who was erased. Raises Unreadable."""
        try:
            return self._mapper.open(
                row.originator_id, row.originator_version, row.topic, row.state
            )
        except NotSealedHere as error:
            raise Unreadable(f"event {row.position}") from error
        except KeyError as error:
            if row.topic.startswith(PERSONAL):
                return None
            raise Unreadable(f"event {row.position}: its key is missing") from error

    def close(self) -> None:
        """See the port."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connected(self) -> "psycopg.Connection[Any]":
        if self._connection is None or self._connection.closed:
            self._connection = self._connect()
            self._connection.autocommit = True
        return self._connection

    def _select(self, statement: str, parameters: tuple[Any, ...]) -> list[Any]:
        try:
            with self._connected().cursor(binary=True, row_factory=tuple_row) as cursor:
                return cursor.execute(statement.encode(), parameters, prepare=True).fetchall()
        except psycopg.Error as error:
            self.close()
            raise Unavailable("the ledger database") from error
