"""Erasing persons for good: `operator_ports.Erasing`, and what a crash left undone.

Part of the composition root. The ledger records the decision first; then the list beside the
checkpoints gets it, which a restore of an older backup replays; then the key is deleted, and last
the table is written anew. Each start holds ledger and list against the keys and does what is
missing; what cannot be done yet is tried again in a thread.
"""

import logging
import threading
from collections.abc import Callable, Collection
from threading import Lock
from typing import Any, Final
from uuid import UUID

import psycopg

from adapters.audit.erasures import Erasure, Erasures, ErasuresBroken
from adapters.postgres.data_keys import DataKeys
from adapters.wiping import Wiping
from application.ports import Clock, Unavailable

log = logging.getLogger(__name__)
_RECORDED: Final = b"SELECT originator_id FROM events WHERE topic = 'cardholder.erased/1'"
_OF_ONE: Final = _RECORDED + b" AND originator_id = %s"
_WITH_KEY: Final = b"SELECT count(*) FROM data_keys WHERE kind = 'person' AND subject = ANY(%s)"
_FIRST_PAUSE_S: Final = 1.0
_LONGEST_PAUSE_S: Final = 60.0


class Eraser:
    """A part of the backend: `start` completes what was begun."""

    def __init__(
        self,
        erasures: Erasures,
        keys: DataKeys,
        connect: Callable[[], "psycopg.Connection[Any]"],
        clock: Clock,
        wiping: Wiping,
        copy: Erasures | None = None,
    ) -> None:
        """`copy`: a second list, in the folder where checkpoints are published."""
        self._erasures, self._copy, self._keys = erasures, copy, keys
        self._connect, self._clock, self._wiping = connect, clock, wiping
        self._lock = Lock()
        self._complete, self._copied = False, True
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="erasing", daemon=True)

    def start(self) -> None:
        """Raises ErasuresBroken where the list was altered: then nobody knows who is erased."""
        self._erasures.read()
        self._try_to_complete()
        self._thread.start()

    def stop(self) -> None:
        """Leaves what is left to the next start."""
        self._stopping.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    def erase(self, cardholder_id: UUID) -> None:
        """See the port. Nobody is erased of whom the ledger does not say so."""
        try:
            with self._lock:
                if not self._recorded(cardholder_id):
                    log.error("asked to erase somebody whose erasure is not on record: not done")
                    return
                self._complete &= self._list({cardholder_id})
                self._delete([cardholder_id])
        except (OSError, ErasuresBroken) as error:
            log.error("the list of erasures cannot be written: %s", error)
            raise Unavailable("the list of erasures") from error
        except psycopg.Error as error:
            raise Unavailable("the ledger database") from error
        if not (self._wiping.attempt() and self._complete):
            self._wake.set()

    def _run(self) -> None:
        pause_s = _FIRST_PAUSE_S
        while not self._stopping.is_set():
            if not self._complete:
                self._try_to_complete()
            if self._wiping.attempt() and self._complete:
                self._wake.wait()
                pause_s = _FIRST_PAUSE_S
            else:
                self._stopping.wait(pause_s)
                pause_s = min(_LONGEST_PAUSE_S, 2 * pause_s)
            self._wake.clear()

    def _try_to_complete(self) -> None:
        try:
            with self._connect() as connection:
                recorded = {row[0] for row in connection.execute(_RECORDED)}
            with self._lock:
                listed = {each.subject for each in self._erasures.read()}
                self._complete = self._list(recorded | listed)
                self._delete(sorted(recorded | listed))
        except (psycopg.Error, Unavailable, OSError, ErasuresBroken) as error:
            self._complete = False
            log.warning("erasures are held against the ledger later: %s", type(error).__name__)

    def _recorded(self, cardholder_id: UUID) -> bool:
        with self._connect() as connection:
            return connection.execute(_OF_ONE, (cardholder_id,)).fetchone() is not None

    def _list(self, cardholders: set[UUID]) -> bool:
        """Whether both lists name them. Raises for the first one."""
        self._add(self._erasures, cardholders)
        if self._copy is not None and cardholders:
            try:
                self._copy.make_folder()  # not those above it: a mount may be missing
                self._add(self._copy, cardholders)
            except (OSError, ErasuresBroken) as error:
                if self._copied:
                    log.warning("erasures are not in the published folder yet: %s", error)
                self._copied = False
                return False
            self._copied = True
        return True

    def _add(self, erasures: Erasures, cardholders: set[UUID]) -> None:
        missing = cardholders - {each.subject for each in erasures.read()}
        if missing:
            now_us = self._clock.now_us()
            erasures.add(Erasure(each, now_us) for each in sorted(missing))

    def _delete(self, cardholders: Collection[UUID]) -> None:
        if not self._have_keys(cardholders):
            for each in cardholders:  # so that the keys in memory know whom they must not make anew
                self._keys.erase_person(each)
            return
        with self._wiping.deleting():
            for each in cardholders:
                self._keys.erase_person(each)

    def _have_keys(self, cardholders: Collection[UUID]) -> bool:
        with self._connect() as connection:
            row = connection.execute(_WITH_KEY, (list(cardholders),)).fetchone()
        return bool(row and row[0])
