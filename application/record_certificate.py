"""The certificates that `init` made, put on record at the first start: then they can be revoked."""

from typing import Any
from uuid import UUID

from application.command import Command, Origin
from application.register import KEY, IssuedCertificate, certified_before, key_claims
from application.states import States
from application.work import Outcome
from domain.event import Context


class RecordCertificate(Command):
    """One certificate of the installation; its command id is derived from its fingerprint."""

    def __init__(
        self, origin: Origin, deadline_us: int, *, subject_id: UUID, certificate: IssuedCertificate
    ) -> None:
        super().__init__(origin, deadline_us)
        self._subject_id, self._certificate = subject_id, certificate

    def claims_read(self) -> list[tuple[str, bytes]]:
        """The key."""
        return [(KEY, self._certificate.key_hash)] if self._certificate.key_hash else []

    def execute(self, states: States, context: Context) -> Outcome:
        """Records it, unless whoever had it made did so: a renewal, a rotation of the key."""
        known = certified_before(states, self._certificate.key_hash)
        if known is not None and known.serial == self._certificate.serial:
            return Outcome({"id": str(known.id), "repeated": True})
        event = self._certificate.event(context, self._subject_id)
        claims = key_claims(event) if known is None else []  # a key that got its next certificate
        return Outcome({"id": str(event.originator_id)}, [event], claims)

    def repeated(self, states: States, made: UUID) -> Any:
        """It is on record."""
        return {"id": str(made), "repeated": True}
