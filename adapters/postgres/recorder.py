"""The event store of one shard on PostgreSQL.

A recorder of the eventsourcing library with three things done otherwise, each measured
(`docs/performance.md`): instead of locking the table around every insert, the one writer holds a
session-level advisory lock on the connection that writes; positions are set by that writer,
gapless from 1, and fenced by the unique key on (shard, position); rows go in by binary COPY, one
statement and, where nothing else is written, one implicit transaction a batch.
"""

import struct
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

import psycopg
from eventsourcing.persistence import Notification, StoredEvent
from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore

from adapters.postgres.copy_writer import CopyWriter
from adapters.postgres.mapper import event_place
from application.ports import Claim, Conflict, Row, Unavailable

LOCK_CLASS = 0x5452  # "TR": the first key of the advisory locks; the second is the shard
_ROWS = (
    "SELECT position, originator_id, originator_version, topic, state FROM events"
    " WHERE shard = %s AND position > %s AND position <= %s ORDER BY position LIMIT %s"
)
_LOCK = b"SELECT pg_try_advisory_lock($1::int, $2::int)"
_LAST = b"SELECT coalesce(max(position), 0) FROM events WHERE shard = $1::int"
_ROWS_OF_TOPICS = _ROWS.replace("ORDER BY", "AND topic = ANY(%s) ORDER BY")
_EVENTS_AFTER = (
    "SELECT e.originator_id, e.originator_version, e.topic, e.state"
    " FROM unnest(%s::uuid[], %s::bigint[]) AS k (id, version)"
    " JOIN events AS e ON e.shard = %s AND e.originator_id = k.id"
    " AND e.originator_version > k.version ORDER BY e.originator_version"
)
_SNAPSHOTS = (
    "SELECT s.originator_id, s.version, s.payload FROM snapshots AS s"
    " JOIN events AS e ON e.shard = s.shard AND e.originator_id = s.originator_id"
    " AND e.originator_version = s.version"
    " WHERE s.shard = %s AND s.originator_id = ANY(%s) AND s.made_by = %s"
)
_FRESH_S = 2.0
"""How long is waited for a new connection after a dead one."""
_OWN_SESSION_ENDS_S = 0.3
"""How long is waited for the lock that the connection before still holds on its way out."""
_BEFORE_PLACE = struct.Struct(">hihiq")
_LENGTH = struct.Struct(">i")


class ShardRecorder(PostgresApplicationRecorder):
    """Reads anywhere; writes only while it holds the shard's lock (`take`)."""

    def __init__(self, datastore: PostgresDatastore, dsn: str, shard: int = 0) -> None:
        super().__init__(datastore, events_table_name="events")
        self._dsn = dsn
        self.shard = shard
        self.position = 0
        self._writer: CopyWriter | None = None
        self._reader: psycopg.Connection[Any] | None = None
        self._taken_by = 0
        self._sent = 0

    @property
    def known_position(self) -> int | None:
        """The last position; None before the shard was taken for the first time."""
        return self.position if self._taken_by else None

    def create_table(self) -> None:
        """Nothing: the tables are made by `migrations/`."""

    def take(self) -> int:
        """Connects anew, takes the shard's lock, reads the last position.

        Raises Unavailable where the database does not answer or another writer holds the shard.
        """
        self.release()
        writer = self._writer = CopyWriter(self._dsn)
        try:
            self._reader = self._connect()
            lock = [str(LOCK_CLASS).encode(), str(self.shard).encode()]
            taken = writer.run(_LOCK, lock)
            until_s = time.monotonic() + (_OWN_SESSION_ENDS_S if self._taken_by else 0.0)
            while taken != b"t" and time.monotonic() < until_s:
                time.sleep(0.01)  # most likely the session that was ended a moment ago is ending
                taken = writer.run(_LOCK, lock)
            last = writer.run(_LAST, [str(self.shard).encode()])
        except (Unavailable, Conflict):
            self.release()
            raise
        if taken != b"t" or last is None:
            self.release()
            raise Unavailable("another writer holds the shard")
        self._taken_by = threading.get_ident()
        self.position = int(last)
        return self.position

    def release(self) -> None:
        """Closes the writer's connections, and with them gives the lock back."""
        if self._writer is not None:
            self._writer.close()
        if self._reader is not None:
            self._reader.close()
        self._writer = self._reader = None
        self._sent = 0

    def _connect(self) -> "psycopg.Connection[Any]":
        try:
            connection = psycopg.connect(
                self._dsn, autocommit=True, connect_timeout=5, tcp_user_timeout=10_000
            )
            connection.execute("SET statement_timeout = '10s'")
        except psycopg.Error as error:
            raise Unavailable("the ledger database") from error
        return connection

    @property
    def in_writers_thread(self) -> bool:
        """Whether this thread is the one that took the shard."""
        return threading.get_ident() == self._taken_by

    def append(self, rows: Iterable[Row], claims: Sequence[Claim] = ()) -> None:
        """Stores rows and claims in one commit, which is waited for; see `send`."""
        encoded = [self.encode(row) for row in rows]
        if encoded:
            self.send(encoded, claims)
            while not self.settle(1.0):
                pass

    def send(self, encoded: Sequence[bytes], claims: Sequence[Claim]) -> None:
        """Hands encoded rows and claims over as one commit; see `application.ports.EventLog`.

        The rows carry the positions that follow `position`, which moves on once they are stored.
        """
        if self._writer is None:
            raise Unavailable("the shard is not held")
        self._writer.send(encoded, claims)
        self._sent = len(encoded)

    def settle(self, wait_s: float) -> bool:
        """Whether what was sent is durable; waits at most so long. Raises Conflict, Unavailable."""
        if self._writer is None:
            raise Unavailable("the shard is not held")
        if not self._writer.settle(wait_s):
            return False
        self.position += self._sent
        self._sent = 0
        return True

    def encode(self, row: Row) -> bytes:
        """A row in the binary COPY format: field count, then length and bytes of each field."""
        position, id, version, topic, state = row
        return self.encode_at(position, event_place(id, version, topic), state)

    def encode_at(self, position: int, place: bytes, state: bytes) -> bytes:
        """The same, by the `event_place`, which is the middle of it."""
        return (
            _BEFORE_PLACE.pack(6, 2, self.shard, 8, position)
            + place
            + _LENGTH.pack(len(state))
            + state
        )

    # The library's interface, for readers and for whoever writes outside the engine.

    def insert_events(
        self, stored_events: Sequence[StoredEvent], **kwargs: Any
    ) -> Sequence[int] | None:
        """Stores events in one commit; the ids are their positions."""
        start = self.position + 1
        rows = (
            Row(start + n, _uuid(e.originator_id), e.originator_version, e.topic, e.state)
            for n, e in enumerate(stored_events)
        )
        self.append(rows)
        return range(start, start + len(stored_events))

    def select_events(
        self,
        originator_id: UUID | str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> Sequence[StoredEvent]:
        """The events of one stream."""
        statement = (
            "SELECT originator_version, topic, state FROM events"
            " WHERE shard = %s AND originator_id = %s"
            " AND originator_version > %s AND originator_version <= %s"
            " ORDER BY originator_version * %s LIMIT %s"
        )
        most = (1 << 63) - 1
        found = self._select(
            statement,
            (
                self.shard,
                originator_id,
                gt or 0,
                lte if lte is not None else most,
                -1 if desc else 1,
                limit,
            ),
        )
        return [StoredEvent(originator_id, row[0], row[1], bytes(row[2])) for row in found]

    def select_notifications(
        self,
        start: int | None,
        limit: int,
        stop: int | None = None,
        topics: Sequence[str] = (),
        *,
        inclusive_of_start: bool = True,
    ) -> Sequence[Notification]:
        """Rows in order of position, as the library's notifications."""
        rows = self.rows((start or 1) - (1 if inclusive_of_start else 0), limit, stop, topics)
        return [
            Notification(
                row.originator_id, row.originator_version, row.topic, row.state, id=row.position
            )
            for row in rows
        ]

    def max_notification_id(self) -> int | None:
        """The last position, None for an empty shard."""
        row = self._select("SELECT max(position) FROM events WHERE shard = %s", (self.shard,))[0]
        return None if row[0] is None else int(row[0])

    def rows(
        self, after: int, limit: int, upto: int | None = None, topics: Sequence[str] = ()
    ) -> list[Row]:
        """Rows after a position, in order of position."""
        most = upto if upto is not None else (1 << 63) - 1
        if topics:
            found = self._select(_ROWS_OF_TOPICS, (self.shard, after, most, list(topics), limit))
        else:
            # Positions have no gaps: this range holds the page and no more, so that it is read
            # quickly also where PostgreSQL knows nothing of the table yet and would sort it.
            found = self._select(_ROWS, (self.shard, after, min(most, after + limit), limit))
            if not found and after + limit < most:
                found = self._select(_ROWS, (self.shard, after, most, limit))
        return [Row(*row) for row in found]

    def streams(self, ids: Sequence[UUID], after: Mapping[UUID, int]) -> list[Any]:
        """(id, version, topic, state) of the streams' events, in order of version; of a stream in
        `after` only those after that version."""
        if after:
            versions = [after.get(id, 0) for id in ids]
            return self._select(_EVENTS_AFTER, (list(ids), versions, self.shard))
        return self._select(
            "SELECT originator_id, originator_version, topic, state FROM events"
            " WHERE shard = %s AND originator_id = ANY(%s) ORDER BY originator_version",
            (self.shard, list(ids)),
        )

    def snapshots(self, ids: Sequence[UUID], made_by: bytes) -> list[Any]:
        """(id, version, payload) of the snapshots that this code made and the log reaches."""
        return self._select(_SNAPSHOTS, (self.shard, list(ids), made_by))

    def ids_since(self, ms: int) -> list[UUID]:
        """The first events' ids from a millisecond on: ids are in time order, so it is a range."""
        found = self._select(
            "SELECT originator_id FROM events"
            " WHERE shard = %s AND originator_id >= %s AND originator_version = 1"
            " AND topic LIKE 'transaction.%%'",
            (self.shard, UUID(int=ms << 80)),
        )
        return [row[0] for row in found]

    def claim_owners(self, keys: Sequence[tuple[str, bytes]]) -> list[Any]:
        """(kind, digest, owner) of the claims that exist."""
        kinds, digests = [kind for kind, _ in keys], [digest for _, digest in keys]
        return self._select(
            "SELECT c.kind, c.digest, c.owner FROM unique_claims c"
            " JOIN unnest(%s::text[], %s::bytea[]) AS k (kind, digest) USING (kind, digest)",
            (kinds, digests),
        )

    def _select(self, statement: str, parameters: tuple[Any, ...]) -> list[Any]:
        """In the writer's thread by a connection of its own, in others by one of the pool.

        After a restart of the database the pool still holds dead connections; the writer's are
        new whenever it takes the shard.
        """
        try:
            if self._reader is not None and threading.get_ident() == self._taken_by:
                return _rows_of(self._reader, statement, parameters)
            return self._select_pooled(statement, parameters)
        except (psycopg.Error, TimeoutError) as error:
            raise Unavailable("the ledger database") from error

    def _select_pooled(self, statement: str, parameters: tuple[Any, ...]) -> list[Any]:
        """Once more where the connection turns out to be dead: it is one statement that only reads,
        and a ping before each would cost a way to the database and back."""
        pool = self.datastore.pool
        lent: psycopg.Connection[Any] | None = None
        try:
            with pool.connection() as lent:
                return _rows_of(lent, statement, parameters)
        except psycopg.OperationalError:
            if lent is None or not lent.closed:
                raise
        # All that the pool holds are as old: those that are dead go, and new ones come.
        pool.check()
        with pool.connection(_FRESH_S) as fresh:
            return _rows_of(fresh, statement, parameters)


def _rows_of(
    connection: "psycopg.Connection[Any]", statement: str, parameters: tuple[Any, ...]
) -> list[Any]:
    with connection.cursor(binary=True, row_factory=psycopg.rows.tuple_row) as cursor:
        return cursor.execute(statement.encode(), parameters, prepare=True).fetchall()


def _uuid(id: UUID | str) -> UUID:
    return id if isinstance(id, UUID) else UUID(id)
