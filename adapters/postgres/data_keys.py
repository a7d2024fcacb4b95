"""The keys that seal the ledger, kept in the database sealed themselves (table `data_keys`).

run key: one run of the backend, at most 24 hours or 2^31 seals, sealed by K_DB in the HSM.
person key: one cardholder; a sealer (sealed by K_DB) seals a thousand of them, so that 100,000
names do not cost 100,000 calls of the HSM.
"""

import os
import struct
import threading
import time
from collections.abc import Callable
from typing import Any, Protocol
from uuid import UUID

import psycopg
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from adapters.hsm.token import HsmRefused
from adapters.postgres.sealing import SEALS_MOST, DataKey
from application.cache import Cache
from application.ports import Unavailable

KEY_BYTES = 32
RUN_KEY_SECONDS = 24 * 3600
PERSONS_PER_SEALER = 1000


class KeySealer(Protocol):
    """K_DB in the HSM."""

    @property
    def db_generation(self) -> int:
        """The generation that seals now."""

    def seal_data_key(
        self, generation: int, key_id: int, subject: bytes, plaintext: bytes
    ) -> bytes: ...

    def open_data_key(
        self, generation: int, key_id: int, subject: bytes, sealed: bytes
    ) -> bytes: ...


class DataKeys:
    """All data keys of the ledger; thread-safe. `connect` opens a connection as the backend."""

    def __init__(
        self,
        connect: Callable[[], "psycopg.Connection[Any]"],
        hsm: KeySealer,
        keep_persons: int = 20_000,
    ) -> None:
        self._connect = connect
        self._hsm = hsm
        self._lock = threading.RLock()
        self._connection: psycopg.Connection[Any] | None = None
        self._run: DataKey | None = None
        self._run_until = 0.0
        self._keys: dict[int, DataKey] = {}
        self._person_keys: Cache[int, DataKey | None] = Cache(keep_persons)
        self._persons: Cache[UUID, DataKey | None] = Cache(keep_persons)
        self._erased: set[UUID] = set()
        self._sealers: dict[int, AESGCM] = {}
        self._sealer: tuple[int, int] | None = None  # id, persons sealed by it

    def run_key(self) -> DataKey:
        """The key that seals now; a new one when the run's key has served its time."""
        key = self._run
        if key is None or key.seals >= SEALS_MOST or time.monotonic() > self._run_until:
            with self._lock:
                key = self._run = self._make("run", None)
                self._run_until = time.monotonic() + RUN_KEY_SECONDS
        return key

    def begin_run_key(self) -> None:
        """What is sealed from now on is sealed with a new key: K_DB has a new generation."""
        with self._lock:
            self._run_until = time.monotonic() + RUN_KEY_SECONDS
            self._run = self._make("run", None)

    def erase_person(self, cardholder_id: UUID) -> bool:
        """Deletes the key of a cardholder, here and in the table; False where there was none.

        What it sealed opens no more, wherever it lies.
        """
        with self._lock:
            found = self._execute(
                "DELETE FROM data_keys WHERE kind = 'person' AND subject = %s RETURNING id",
                (cardholder_id,),
            ).fetchall()
            self._erased.add(cardholder_id)
            self._persons[cardholder_id] = None
            for (id,) in found:
                self._person_keys[id] = None
        return bool(found)

    def key(self, id: int) -> DataKey:
        """Any key by its id. Raises KeyError where there is none (an erased person)."""
        key = self._keys.get(id) or self._person_keys.get(id, None)
        return key if key is not None else self._load(id)

    def person_key(self, cardholder_id: UUID) -> DataKey:
        """The key of a cardholder, made at first use. Raises KeyError for one who was erased."""
        key = self._persons.get(cardholder_id, None)
        if key is not None:
            return key
        with self._lock:
            if cardholder_id in self._erased:
                raise KeyError("an erased person gets no new key")
            row = self._execute(
                "SELECT id FROM data_keys WHERE kind = 'person' AND subject = %s", (cardholder_id,)
            ).fetchone()
            key = self.key(row[0]) if row else self._make("person", cardholder_id)
            self._persons[cardholder_id] = key
            return key

    def _make(self, kind: str, subject: UUID | None) -> DataKey:
        """A new key, stored sealed before it seals anything."""
        secret = os.urandom(KEY_BYTES)
        parent = self._current_sealer() if kind == "person" else None
        row = self._execute("SELECT nextval(pg_get_serial_sequence('data_keys', 'id'))").fetchone()
        assert row is not None
        id, generation = int(row[0]), self._hsm.db_generation
        subject_bytes = subject.bytes if subject else b""
        if parent is None:
            sealed = self._hsm.seal_data_key(generation, id, subject_bytes, secret)
        else:
            nonce = os.urandom(12)
            sealed = nonce + self._sealers[parent].encrypt(nonce, secret, _aad(id, subject_bytes))
        self._execute(
            "INSERT INTO data_keys (id, kind, subject, generation, parent, sealed)"
            " VALUES (%s, %s, %s, %s, %s, %s)",
            (id, kind, subject, generation, parent, sealed),
        )
        key = DataKey(id, generation, secret)
        self._remember(kind, key)
        return key

    def _remember(self, kind: str, key: DataKey) -> None:
        if kind == "person":
            self._person_keys[key.id] = key
        else:
            self._keys[key.id] = key

    def _current_sealer(self) -> int:
        """A sealer with room for one more person; counted from the database at first use."""
        if self._sealer is None or self._sealer[1] >= PERSONS_PER_SEALER:
            row = self._execute(
                "SELECT s.id, (SELECT count(*) FROM data_keys p WHERE p.parent = s.id)"
                " FROM data_keys s WHERE s.kind = 'sealer' ORDER BY s.id DESC LIMIT 1"
            ).fetchone()
            if row is None or row[1] >= PERSONS_PER_SEALER:
                row = (self._make_sealer(), 0)
            self._sealer = (int(row[0]), int(row[1]))
        id, persons = self._sealer
        self._open_sealer(id)
        self._sealer = (id, persons + 1)
        return id

    def _make_sealer(self) -> int:
        return self._make("sealer", None).id

    def _open_sealer(self, id: int) -> AESGCM:
        if id not in self._sealers:
            _, generation, _, _, sealed = self._row(id)
            self._sealers[id] = AESGCM(self._ask_hsm(generation, id, b"", sealed))
        return self._sealers[id]

    def _load(self, id: int) -> DataKey:
        with self._lock:
            kind, generation, subject, parent, sealed = self._row(id)
            subject_bytes = subject.bytes if subject else b""
            if parent is None:
                secret = self._ask_hsm(generation, id, subject_bytes, sealed)
            else:
                try:
                    secret = self._open_sealer(parent).decrypt(
                        sealed[:12], sealed[12:], _aad(id, subject_bytes)
                    )
                except InvalidTag:
                    raise KeyError(f"data key {id} was changed") from None
            key = DataKey(id, generation, secret)
            self._remember(kind, key)
            return key

    def _ask_hsm(self, generation: int, id: int, subject: bytes, sealed: bytes) -> bytes:
        try:
            return self._hsm.open_data_key(generation, id, subject, sealed)
        except HsmRefused:
            raise KeyError(f"data key {id} was changed") from None

    def _row(self, id: int) -> tuple[str, int, UUID | None, int | None, bytes]:
        row = self._execute(
            "SELECT kind, generation, subject, parent, sealed FROM data_keys WHERE id = %s", (id,)
        ).fetchone()
        if row is None:
            raise KeyError(f"no data key {id}")
        return row[0], row[1], row[2], row[3], bytes(row[4])

    def _execute(self, statement: str, parameters: tuple[Any, ...] = ()) -> "psycopg.Cursor[Any]":
        """One statement on an own connection, which is opened again once when it was lost."""
        with self._lock:
            for attempt in (1, 2):
                try:
                    if self._connection is None or self._connection.closed:
                        self._connection = self._connect()
                        self._connection.autocommit = True
                    return self._connection.execute(statement.encode(), parameters)
                except psycopg.OperationalError as error:
                    if self._connection is not None:
                        self._connection.close()
                        self._connection = None
                    if attempt == 2:
                        raise Unavailable("the ledger database") from error
        raise AssertionError("unreachable")


def _aad(id: int, subject: bytes) -> bytes:
    return struct.pack(">QI", id, len(subject)) + subject
