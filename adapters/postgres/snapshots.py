"""Kept states of long streams: written behind the engine, read in place of their events.

A snapshot is no truth of its own. It is sealed and bound to its stream, its version and the code
that made it; it counts only where the log has the event of its version, and the events after it
are read from the log. One that does not open is passed over.
"""

import hashlib
import logging
import threading
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any, Final
from uuid import UUID

import msgspec
import psycopg

from adapters.postgres.data_keys import DataKeys
from adapters.postgres.event_log import SealedEventLog
from adapters.postgres.sealing import NotSealedHere, key_id, place
from application.ports import Unavailable
from domain.aggregates.account import Account
from domain.event import Event

log = logging.getLogger(__name__)
WAITING_MOST: Final = 20_000
"""Snapshots that wait to be written; more are not made: the events are all there."""
_EVERY_S = 1.0
_AT_ONCE = 500
_STORE = (
    "INSERT INTO snapshots AS old (shard, originator_id, version, made_by, payload)"
    " VALUES (%s, %s, %s, %s, %s) ON CONFLICT (shard, originator_id) DO UPDATE"
    " SET version = excluded.version, made_by = excluded.made_by, payload = excluded.payload"
    " WHERE old.version < excluded.version OR old.made_by <> excluded.made_by"
)
_ENCODER = msgspec.msgpack.Encoder(uuid_format="bytes")
_DECODER = msgspec.msgpack.Decoder(Account)


class Snapshots:
    """`application.ports.Snapshots` of accounts, and a part of the backend with a thread."""

    def __init__(self, event_log: SealedEventLog, keys: DataKeys, dsn: str) -> None:
        self._log, self._keys, self._dsn = event_log, keys, dsn
        self._shard = event_log.recorder.shard
        self._made_by = code_hash()
        self._waiting: dict[UUID, Account] = {}
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._connection: psycopg.Connection[Any] | None = None
        self._failing = False
        self._thread = threading.Thread(target=self._run, name="snapshots", daemon=True)

    # Read, in the engine's thread

    def load(self, ids: Sequence[UUID]) -> dict[UUID, tuple[Any, list[Event]]]:
        """See the port. Raises Unavailable, and NotSealedHere for an event that was changed."""
        found: dict[UUID, tuple[Any, list[Event]]] = {}
        unreadable: list[UUID] = []
        for id, version, payload in self._log.recorder.snapshots(ids, self._made_by):
            state = self._open(id, version, payload)
            if state is None:
                unreadable.append(id)
            else:
                found[id] = (state, [])
        if unreadable:
            log.warning("%d snapshots do not open: the events are read", len(unreadable))
        after = {id: state.version for id, (state, _) in found.items()}
        for id, events in self._log.load(ids, after).items():
            found.setdefault(id, (None, []))[1].extend(events)
        return found

    def _open(self, id: UUID, version: int, payload: bytes) -> Account | None:
        try:
            key = self._keys.key(key_id(payload))
            state = _DECODER.decode(key.open(payload, self._place(id, version)))
        except (NotSealedHere, KeyError, msgspec.DecodeError):
            return None
        return state if (state.id, state.version) == (id, version) else None

    def _place(self, id: UUID, version: int) -> bytes:
        return place(b"snapshots", id.bytes, version.to_bytes(8, "big"), self._made_by)

    # Written, in a thread of its own

    def keep(self, states: Sequence[Any]) -> None:
        """See the port."""
        with self._lock:
            for state in states:
                if isinstance(state, Account) and len(self._waiting) < WAITING_MOST:
                    self._waiting[state.id] = state

    def start(self) -> None:
        """Starts the writer."""
        self._thread.start()

    def stop(self) -> None:
        """Ends the writer; what waits is written before."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join(timeout=10)

    def _run(self) -> None:
        while not self._stopping.wait(_EVERY_S):
            self.write()
        self.write()
        self._disconnect()

    def write(self) -> int:
        """Stores what waits; how many rows. A failure costs nothing but those snapshots."""
        with self._lock:
            waiting, self._waiting = list(self._waiting.values()), {}
        written = 0
        try:
            for at in range(0, len(waiting), _AT_ONCE):
                some = waiting[at : at + _AT_ONCE]
                self._store(some)
                written += len(some)
        except (psycopg.Error, Unavailable) as error:
            if not self._failing:
                log.warning("snapshots are not written for now: %s", type(error).__name__)
            self._failing = True
            self._disconnect()
        except Exception:  # this thread is the only one there is
            log.exception("writing snapshots")
            self._disconnect()
        else:
            self._failing = False
        return written

    def _store(self, states: Sequence[Account]) -> None:
        if self._connection is None:
            connection = self._connection = psycopg.connect(
                self._dsn, autocommit=True, connect_timeout=5
            )
            # Nothing is lost with a snapshot, so that no payment waits for its way to the disk.
            connection.execute("SET synchronous_commit = off")
            connection.execute("SET statement_timeout = '10s'")
        seal = self._keys.run_key().seal
        rows = [
            (self._shard, state.id, state.version, self._made_by,
             seal(_ENCODER.encode(state), self._place(state.id, state.version)))
            for state in states
        ]  # fmt: skip
        with self._connection.transaction(), self._connection.cursor() as cursor:
            cursor.executemany(_STORE, rows)

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None


@cache
def code_hash() -> bytes:
    """16 bytes that change whenever the domain's sources do: a state is trusted only by the very
    code that made it, so that no new rule ever meets a state of an old one."""
    digest = hashlib.sha256()

    def add(folder: Traversable) -> None:
        for entry in sorted(folder.iterdir(), key=lambda each: each.name):
            if entry.is_dir():
                add(entry)
            elif entry.name.endswith(".py"):
                digest.update(entry.name.encode() + b"\0" + entry.read_bytes())

    add(files("domain"))
    return digest.digest()[:16]
