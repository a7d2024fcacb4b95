"""Puts the certificates that `init` made on record in the ledger, each once."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from hashlib import sha256
from uuid import UUID

from cryptography.hazmat.primitives.serialization import Encoding

from adapters.backend.carrying_out import DEADLINE_US
from adapters.backend.operator_ports import Submit
from adapters.backend.personalisation import recorded
from adapters.backend.sessions import Recorded
from adapters.hsm.installation import Individual
from application.command import Origin
from application.ports import Clock
from application.record_certificate import RecordCertificate
from application.work import Failed
from domain.aggregates.certificate import INSTALLED
from domain.ids import make_id

log = logging.getLogger(__name__)
ACTOR = "system:init"
_AGAIN_S = 1.0
_LOOK_S = 0.1


class InstalledCertificates:
    """A part of the backend. `find` reads the state folder."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        submit: Submit,
        clock: Clock,
        issuer_id: UUID,
        find: Callable[[], Sequence[Individual]],
        recorded: Recorded,
    ) -> None:
        self._loop, self._submit, self._clock = loop, submit, clock
        self._issuer_id, self._find, self._recorded = issuer_id, find, recorded
        self._stopped = False

    def start(self) -> None:
        """Gives one command for each, once it is known which of them are on record."""
        self._loop.call_soon_threadsafe(self._begin)

    def _begin(self) -> None:
        if self._stopped:
            return
        if not self._recorded.complete:
            self._loop.call_later(_LOOK_S, self._begin)
            return
        for individual in self._find():
            if not self._recorded.is_issued(individual.certificate.serial_number):
                self._give(individual)

    def stop(self) -> None:
        """Gives none any more."""
        self._stopped = True

    def _give(self, individual: Individual) -> None:
        if self._stopped:
            return
        if not self._submit(self._command(individual), lambda told: self._done(individual, told)):
            self._again(individual)

    def _done(self, individual: Individual, told: object) -> None:
        if isinstance(told, Failed):
            self._again(individual)

    def _again(self, individual: Individual) -> None:
        """The database may come later than we do."""
        self._loop.call_later(_AGAIN_S, self._give, individual)

    def _command(self, individual: Individual) -> RecordCertificate:
        leaf = individual.certificate
        now_us = self._clock.now_us()
        made_ms = int(leaf.not_valid_before_utc.timestamp()) * 1000
        fingerprint = sha256(leaf.public_bytes(Encoding.DER)).digest()
        origin = Origin(
            # The same at every start, so that the command is carried out once.
            command_id=make_id(made_ms, 0, int.from_bytes(fingerprint[:8])),
            issued_ms=now_us // 1000,
            actor=ACTOR,
            issuer_id=self._issuer_id,
        )
        return RecordCertificate(
            origin,
            now_us + DEADLINE_US,
            subject_id=individual.subject_id,
            certificate=recorded(leaf, individual.role, INSTALLED),
        )
