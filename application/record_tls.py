"""A certificate of the TLS authority, recorded: who had it made, of which holder, and when."""

from typing import Any
from uuid import UUID

from application.command import Command, Origin
from application.group_commit import Outcome
from application.register import IssuedCertificate
from application.states import States
from domain.event import Context
from domain.ids import derived_id


class RecordTls(Command):
    """The caller had it made before; nobody gets it unless this is stored."""

    def __init__(
        self,
        origin: Origin,
        deadline_us: int,
        *,
        partition: int,
        holder: str,
        certificate: IssuedCertificate,
    ) -> None:
        super().__init__(origin, deadline_us)
        self._id = derived_id("tls:" + holder, origin.command_id, origin.issued_ms, partition)
        self._certificate = certificate

    def execute(self, states: States, context: Context) -> Outcome:
        """Records it: a TLS class is no individual, so the subject is this issuance."""
        return Outcome({"id": str(self._id)}, [self._certificate.event(context, self._id)])

    def repeated(self, states: States, made: UUID) -> Any:
        """The certificate went out with the first answer only."""
        return {"id": str(made), "repeated": True}
