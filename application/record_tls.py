"""A certificate of the TLS authority, recorded: who had it made, of which holder, and when."""

from typing import Any
from uuid import UUID

from application.command import Command, Origin, Refused, other_command
from application.ports import Claim
from application.register import KEY, IssuedCertificate, certified_before, key_claims
from application.states import States
from application.work import Outcome
from domain.aggregates.certificate import Certificate, CertificateIssued
from domain.event import Context
from domain.ids import derived_id

AUTHORITY_ROLE = "tls:authority"


class RecordTls(Command):
    """The caller had it made before; nobody gets it unless this is stored.

    `certificate` None: it is not made, as the command came before or is only proposed.
    """

    makes = (CertificateIssued,)

    def __init__(
        self,
        origin: Origin,
        deadline_us: int,
        *,
        partition: int,
        holder: str,
        certificate: IssuedCertificate | None,
    ) -> None:
        super().__init__(origin, deadline_us)
        self._id = derived_id("tls:" + holder, origin.command_id, origin.issued_ms, partition)
        self._role = "tls:" + holder
        self._certificate = certificate

    def claims_read(self) -> list[tuple[str, bytes]]:
        """An authority's key."""
        made = self._certificate
        return [(KEY, made.key_hash)] if made and self._role == AUTHORITY_ROLE else []

    def foresee(self, states: States, context: Context) -> Refused | None:
        """Nothing stands against a further certificate."""
        return None

    def execute(self, states: States, context: Context) -> Outcome:
        """Records it: a TLS class is no individual, so the subject is this issuance."""
        assert self._certificate is not None, "made"
        if self._role == AUTHORITY_ROLE:
            known = certified_before(states, self._certificate.key_hash)
            if known is not None:
                return Outcome({"id": str(known.id), "unchanged": True})
        event = self._certificate.event(context, self._id)
        return Outcome({"id": str(self._id)}, [event], _claims(event))

    def repeated(self, states: States, made: UUID) -> Any:
        """The certificate went out with the first answer only."""
        certificate = states.get(made, Certificate)
        if certificate is None or certificate.role != self._role:
            return other_command()
        return {"id": str(made), "repeated": True}


def _claims(event: CertificateIssued) -> list[Claim]:
    """An authority is on record once. A holder asks again, with the same key, where the answer was
    lost."""
    return key_claims(event) if event.role == AUTHORITY_ROLE else []
