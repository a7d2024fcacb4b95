"""Seals the data keys anew under the newest K_DB while the backend serves.

A few at a time, each with one update of its row, so a crash loses nothing and the next start goes
on where it was: what is left is what the table says. Keys of persons are sealed by sealers and stay
as they are. Whoever reads a row meanwhile sees it as it was before or as it is after.
"""

import logging
import threading
from collections.abc import Callable
from typing import Any, NamedTuple
from uuid import UUID

import psycopg

from adapters.hsm.token import HsmRefused
from adapters.postgres.data_keys import KeySealer
from application.ports import Unavailable

log = logging.getLogger(__name__)
BATCH = 20
PAUSE_S = 0.02
"""Between two batches: payments come first."""
LOOK_S = 60.0
_COUNT = (
    "SELECT count(*), count(*) FILTER (WHERE generation < %s) FROM data_keys WHERE parent IS NULL"
)
_NEXT = (
    "SELECT id, subject, generation, sealed FROM data_keys"
    " WHERE parent IS NULL AND generation < %s AND id > %s ORDER BY id LIMIT %s"
)
_CHANGE = "UPDATE data_keys SET generation = %s, sealed = %s WHERE id = %s AND generation = %s"


class Progress(NamedTuple):
    """Data keys that K_DB seals: how many there are, and how many an older generation seals."""

    total: int
    left: int


class Resealing:
    """A part of the backend: a thread that looks at the start, when woken, and every minute."""

    def __init__(
        self,
        connect: Callable[[], "psycopg.Connection[Any]"],
        hsm: KeySealer,
        *,
        batch: int = BATCH,
        pause_s: float = PAUSE_S,
    ) -> None:
        self._connect = connect
        self._hsm = hsm
        self._batch = batch
        self._pause_s = pause_s
        self._connection: psycopg.Connection[Any] | None = None
        self._awake = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="resealing", daemon=True)
        self.progress = Progress(0, 0)

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Ends it after the batch in hand."""
        self._stopping.set()
        self._awake.set()
        if self._thread.is_alive():
            self._thread.join(timeout=30)
        self._close()

    def wake(self) -> None:
        """K_DB has a new generation. All keys count as left until they were looked at."""
        self.progress = Progress(self.progress.total, max(self.progress.total, 1))
        self._awake.set()

    def reseal(self) -> int:
        """Seals all that an older generation seals; how many could not be opened.

        Raises Unavailable, `HsmUnavailable` and psycopg.Error; what was done until then holds.
        """
        newest, after, unfit = self._hsm.db_generation, 0, 0
        self._count(newest)
        while self.progress.left and not self._stopping.is_set():
            rows = self._database().execute(_NEXT, (newest, after, self._batch)).fetchall()
            if not rows:
                break
            for id, subject, generation, sealed in rows:
                unfit += not self._one(newest, id, subject, generation, bytes(sealed))
            after = rows[-1][0]
            self._count(newest)
            self._stopping.wait(self._pause_s)
        return unfit

    def _one(
        self, newest: int, id: int, subject: UUID | None, generation: int, sealed: bytes
    ) -> bool:
        place = subject.bytes if subject else b""
        try:
            secret = self._hsm.open_data_key(generation, id, place, sealed)
        except HsmRefused:
            log.error("data key %d does not open: it was changed, and stays as it is", id)
            return False
        anew = self._hsm.seal_data_key(newest, id, place, secret)
        self._database().execute(_CHANGE, (newest, anew, id, generation))
        return True

    def _count(self, newest: int) -> None:
        row = self._database().execute(_COUNT, (newest,)).fetchone()
        assert row is not None
        self.progress = Progress(*row)

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._awake.clear()
            try:
                before = self.progress.left
                self.reseal()
                if before and not self.progress.left:
                    log.info("all data keys are sealed by generation %d", self._hsm.db_generation)
            except (Unavailable, psycopg.Error) as error:
                log.warning("sealing data keys anew waits: %s", type(error).__name__)
                self._close()
                self._stopping.wait(1.0)
                continue
            self._awake.wait(LOOK_S)

    def _database(self) -> "psycopg.Connection[Any]":
        if self._connection is None or self._connection.closed:
            self._connection = self._connect()
            self._connection.autocommit = True
        return self._connection

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
