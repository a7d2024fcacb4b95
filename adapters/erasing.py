"""Erasing persons for good: `operator_ports.Erasing`, and what a crash left undone.

Part of the composition root. The ledger records the decision first; then the list beside the
checkpoints gets it, which a restore of an older backup replays; then the key is deleted. Each start
holds ledger and list against the keys and does what is missing.
"""

import logging
from collections.abc import Callable
from threading import Lock
from typing import Any, Final
from uuid import UUID

import psycopg

from adapters.audit.erasures import Erasure, Erasures, ErasuresBroken
from adapters.postgres.data_keys import DataKeys
from application.ports import Clock, Unavailable

log = logging.getLogger(__name__)
_RECORDED: Final = "SELECT originator_id FROM events WHERE topic = 'cardholder.erased/1'"


class Eraser:
    """A part of the backend: `start` completes what was begun."""

    def __init__(
        self,
        erasures: Erasures,
        keys: DataKeys,
        connect: Callable[[], "psycopg.Connection[Any]"],
        clock: Clock,
        copy: Erasures | None = None,
    ) -> None:
        """`copy`: a second list, in the folder where checkpoints are published."""
        self._erasures, self._copy, self._keys = erasures, copy, keys
        self._connect, self._clock = connect, clock
        self._lock = Lock()

    def start(self) -> None:
        """Raises ErasuresBroken where the list was altered: then nobody knows who is erased."""
        try:
            self._complete()
        except (psycopg.Error, Unavailable) as error:
            log.warning("erasures are held against the ledger later: %s", type(error).__name__)

    def stop(self) -> None:
        """Nothing of it runs."""

    def erase(self, cardholder_id: UUID) -> None:
        """See the port."""
        try:
            with self._lock:
                self._list({cardholder_id})
                self._delete([cardholder_id])
        except (OSError, ErasuresBroken) as error:
            log.error("the list of erasures cannot be written: %s", error)
            raise Unavailable("the list of erasures") from error

    def _complete(self) -> None:
        with self._connect() as connection:
            recorded = {row[0] for row in connection.execute(_RECORDED.encode())}
        listed = {each.subject for each in self._erasures.read()}
        with self._lock:
            self._list(recorded)
            self._delete(sorted(recorded | listed))

    def _list(self, cardholders: set[UUID]) -> None:
        self._add(self._erasures, cardholders)
        if self._copy is not None:
            try:
                self._add(self._copy, cardholders)
            except (OSError, ErasuresBroken) as error:  # a mount may be away: the next start adds
                log.warning("erasures are not in the published folder: %s", error)

    def _add(self, erasures: Erasures, cardholders: set[UUID]) -> None:
        missing = cardholders - {each.subject for each in erasures.read()}
        if missing:
            now_us = self._clock.now_us()
            erasures.add(Erasure(each, now_us) for each in sorted(missing))

    def _delete(self, cardholders: list[UUID]) -> None:
        # Every one is asked for, so that the keys in memory know whom they must not make anew.
        deleted = [self._keys.erase_person(each) for each in cardholders]
        if True not in deleted:
            return
        try:
            self._keys.wipe()
        except psycopg.Error:
            log.warning("the owner of the ledger should run: VACUUM (FULL) data_keys")
