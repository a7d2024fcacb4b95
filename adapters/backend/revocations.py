"""What holds of every certificate of the private PKI: followed in the log, complete before anybody
is let in.

Until the first reading is done nobody gets a session, and whose certificate is not in the log gets
none at all; a revocation that was stored is known here a moment later, and the sessions opened
with that certificate, or under that authority, end.
"""

import logging
import threading
from collections.abc import Callable, Collection
from typing import NamedTuple, Protocol
from uuid import UUID

from application.ports import Unavailable
from domain.aggregates.certificate import (
    AUTHORITY_ISSUING,
    AUTHORITY_LINK,
    AUTHORITY_ROOT,
    TLS,
    CertificateIssued,
    CertificateRevoked,
)
from domain.event import Event, stored_topics
from projections.ports import Batch, Unreadable

log = logging.getLogger(__name__)
LOOK_S = 0.3
_BATCH = 5_000
_AUTHORITIES = "authority:"
_TOPICS = stored_topics((CertificateIssued, CertificateRevoked))


class Revoked(NamedTuple):
    """A revoked certificate, as a CRL lists it."""

    serial: int
    revoked_us: int
    reason: str
    not_after_us: int
    role: str = ""

    @property
    def is_authority(self) -> bool:
        """Whether it signs others': the root's list is the one to hold it."""
        return self.role in (AUTHORITY_ROOT, AUTHORITY_LINK, AUTHORITY_ISSUING)


class Issued(NamedTuple):
    """What is remembered of a certificate. `issuer`: identifier of the key that signed it."""

    serial: int
    not_after_us: int
    role: str
    subject_id: UUID
    issuer: bytes


class CertificateLog(Protocol):
    """`adapters.postgres.log_reader.SealedLogReader`; for one thread."""

    def head(self) -> int: ...

    def batch(self, after: int, upto: int, topics: Collection[str], limit: int) -> Batch: ...

    def close(self) -> None: ...


class Revocations:
    """A part of the backend with a thread of its own; its answers are for any thread.

    `on_revoked` is called in that thread with the serials that are new, also at the first reading.
    """

    def __init__(
        self, reader: CertificateLog, on_revoked: Callable[[frozenset[int]], None]
    ) -> None:
        self._reader = reader
        self._on_revoked = on_revoked
        self._issued: dict[UUID, Issued] = {}
        self._serials: set[int] = set()
        self._revoked: dict[int, Revoked] = {}
        self._position = 0
        self._complete = False
        self._trouble = ""
        self._wanted = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="revocations", daemon=True)

    @property
    def complete(self) -> bool:
        """Whether everything that was revoked before the start is known."""
        return self._complete

    def is_revoked(self, serial: int) -> bool:
        """Whether it was ended before its time."""
        return serial in self._revoked

    def is_issued(self, serial: int) -> bool:
        """Whether the ledger has it."""
        return serial in self._serials

    def get(self, serial: int) -> Revoked | None:
        """What is known of a revoked certificate."""
        return self._revoked.get(serial)

    def all(self) -> list[Revoked]:
        """Every revoked certificate, expired ones too."""
        return list(self._revoked.values())

    def only_under(self, issuers: Collection[bytes], now_us: int) -> list[Issued]:
        """The individuals all of whose certificates that are good now were signed by these keys:
        the newest of each."""
        found: dict[UUID, Issued] = {}
        others: set[UUID] = set()
        for each in list(self._issued.values()):
            good = each.not_after_us >= now_us and each.serial not in self._revoked
            if not good or each.role.startswith((_AUTHORITIES, TLS)):
                continue
            if each.issuer in issuers:
                found[each.subject_id] = each
            else:
                others.add(each.subject_id)
        return [each for subject_id, each in found.items() if subject_id not in others]

    def look_soon(self) -> None:
        """Reads at once what was stored a moment ago: somebody waits for it."""
        self._wanted.set()

    def start(self) -> None:
        """Starts following."""
        self._thread.start()

    def stop(self) -> None:
        """Ends."""
        self._stopping = True
        self._wanted.set()
        if self._thread.is_alive():
            self._thread.join(timeout=10)

    def _run(self) -> None:
        while True:
            try:
                self.look()
                self._trouble = ""
            except Unavailable:
                pass  # nothing can be revoked meanwhile either
            except Exception as error:  # this thread is the only one there is
                self._say(error)
            self._wanted.wait(LOOK_S)
            self._wanted.clear()
            if self._stopping:
                break
        self._reader.close()

    def _say(self, error: Exception) -> None:
        trouble = type(error).__name__
        if trouble != self._trouble:
            log.exception("revocations cannot be read")
        self._trouble = trouble

    def look(self) -> None:
        """Reads what is new. Raises Unavailable; Unreadable for an event that was changed."""
        head = self._reader.head()
        while self._position < head:
            batch = self._reader.batch(self._position, head, _TOPICS, _BATCH)
            if batch.bad is not None:
                raise Unreadable(f"event {batch.bad[0]}, of a certificate, does not open")
            self._add([event for _, event in batch.entries])
            self._position = batch.upto
        if not self._complete:
            self._complete = True
            log.info("%d certificates, %d of them revoked", len(self._serials), len(self._revoked))

    def _add(self, events: list[Event]) -> None:
        new: dict[int, Revoked] = {}
        for event in events:
            if isinstance(event, CertificateIssued):
                serial = int(event.serial, 16)
                self._issued[event.originator_id] = Issued(
                    *(serial, event.not_after_us, event.role, event.subject_id, event.issuer)
                )
                self._serials.add(serial)
            elif isinstance(event, CertificateRevoked):
                of = self._issued[event.originator_id]
                new[of.serial] = Revoked(
                    of.serial, event.recorded_at_us, event.reason, of.not_after_us, of.role
                )
        if new:
            self._revoked = {**self._revoked, **new}
            self._on_revoked(frozenset(new))
