"""Real PostgreSQL for the tests: one cluster a test process, one migrated database a test."""

import contextlib
import hashlib
import hmac
import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import psycopg
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from eventsourcing.postgres import PostgresDatastore
from psycopg import sql

from adapters.postgres.data_keys import DataKeys
from adapters.postgres.embedded import Cluster
from adapters.postgres.event_log import SealedEventLog
from adapters.postgres.mapper import SealedMapper
from adapters.postgres.migrations import migrate
from adapters.postgres.recorder import ShardRecorder
from domain.event import Event


class SoftwareHsm:
    """K_DB in software: what SoftHSM does, without its calls."""

    def __init__(self) -> None:
        self._k_db = AESGCM(hashlib.sha256(b"a K_DB for tests").digest())

    db_generation = 1

    def seal_data_key(
        self, generation: int, key_id: int, subject: bytes, plaintext: bytes
    ) -> bytes:
        nonce = os.urandom(12)
        place = b"%d %d " % (generation, key_id) + subject
        return nonce + self._k_db.encrypt(nonce, plaintext, place)

    def open_data_key(self, generation: int, key_id: int, subject: bytes, sealed: bytes) -> bytes:
        place = b"%d %d " % (generation, key_id) + subject
        return self._k_db.decrypt(sealed[:12], sealed[12:], place)


class LedgerDatabase:
    """A ledger database of its own, with what a backend opens on it."""

    def __init__(self, cluster: Cluster, name: str) -> None:
        self.cluster, self.name = cluster, name
        self.dsn = cluster.dsn("ledger_backend", name)
        self.owner_dsn = cluster.dsn("ledger_owner", name)
        self.auditor_dsn = cluster.dsn("ledger_auditor", name)
        self.keys = DataKeys(self.connect, SoftwareHsm())
        self.mapper = SealedMapper(self.keys)
        self._log: SealedEventLog | None = None

    def connect(self) -> psycopg.Connection[Any]:
        return psycopg.connect(self.dsn, connect_timeout=5)

    @contextlib.contextmanager
    def pooled(self) -> Iterator[psycopg.Connection[Any]]:
        """As a pool gives connections to readers."""
        with psycopg.connect(self.dsn, connect_timeout=5) as connection:
            yield connection

    @contextlib.contextmanager
    def as_attacker(self) -> Iterator[psycopg.Connection[Any]]:
        """A superuser who knows no key."""
        dsn = self.cluster.dsn("postgres", self.name)
        with psycopg.connect(dsn, autocommit=True) as connection:
            yield connection

    @property
    def log(self) -> SealedEventLog:
        """The log, held by this test as its one writer."""
        if self._log is None:
            parts = psycopg.conninfo.conninfo_to_dict(self.dsn)
            password = Path(str(parts["passfile"])).read_text().strip().rpartition(":")[2]
            store = PostgresDatastore(
                dbname=self.name,
                host=str(parts["host"]),
                port="5432",
                user=str(parts["user"]),
                password=password,
                pool_size=2,
            )
            self._log = SealedEventLog(ShardRecorder(store, self.dsn), self.mapper)
            self._log.recover()
        return self._log

    def append(self, events: Iterable[Event]) -> None:
        self.log.append(events)

    def close(self) -> None:
        if self._log is not None:
            self._log.recorder.release()
            self._log.recorder.datastore.close()


@contextlib.contextmanager
def running_cluster() -> Iterator[Cluster]:
    """A cluster with a migrated template database."""
    with tempfile.TemporaryDirectory(prefix="tr-ledger-") as folder:
        cluster = Cluster(Path(folder), "ledger")
        cluster.create()
        with cluster.start_temporarily():
            migrate(cluster.dsn("ledger_owner"), "ledger")
            yield cluster


@contextlib.contextmanager
def new_database(cluster: Cluster, name: str) -> Iterator[LedgerDatabase]:
    """A fresh copy of the migrated database."""
    make = sql.SQL("CREATE DATABASE {} TEMPLATE ledger OWNER ledger_owner STRATEGY FILE_COPY")
    drop = sql.SQL("DROP DATABASE {} WITH (FORCE)")
    with psycopg.connect(cluster.dsn("postgres", "postgres"), autocommit=True) as connection:
        connection.execute(make.format(sql.Identifier(name)))
        database = LedgerDatabase(cluster, name)
        try:
            yield database
        finally:
            database.close()
            connection.execute(drop.format(sql.Identifier(name)))


def digest(text: str) -> bytes:
    """A keyed hash, as the HSM makes them."""
    return hmac.digest(b"a K_INDEX for tests", text.encode(), "sha256")
