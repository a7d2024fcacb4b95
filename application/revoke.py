"""Ending certificates of the private PKI before their time, by reason (RFC 5280 section 5.3.1)."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from application.command import Command, Origin, Refused, other_command
from application.group_commit import Outcome
from application.states import States
from domain.aggregates import certificate as certificates
from domain.aggregates.certificate import Certificate
from domain.event import Context, Event

REASONS = (
    "unspecified",
    "keyCompromise",
    "affiliationChanged",
    "superseded",
    "cessationOfOperation",
    "privilegeWithdrawn",
)
"""Of the standard's, those that fit a certificate of a device or a person. There is no
certificateHold: what is revoked stays so."""
MOST = 1_000
ALONE = 1
"""So many one operator may revoke alone: a stolen device does not wait. More needs two."""


class RevokeCertificates(Command):
    """`certificate_ids`: 1 to 1,000 ids of certificates, all or none."""

    makes = (certificates.CertificateRevoked,)

    def __init__(
        self,
        origin: Origin,
        deadline_us: int,
        *,
        certificate_ids: Sequence[UUID],
        reason: str,
        why: str,
    ) -> None:
        super().__init__(origin, deadline_us)
        self._ids, self._reason, self._why = certificate_ids, reason, why

    def reads(self) -> list[UUID]:
        """The certificates."""
        return list(self._ids)

    def execute(self, states: States, context: Context) -> Outcome:
        """Revokes those that are not revoked yet."""
        events: list[Event] = []
        revoked, before = [], []
        for id in dict.fromkeys(self._ids):
            certificate = states.get(id, Certificate)
            if certificate is None:
                return Outcome(
                    Refused("no-such-certificate", f"There is no certificate with the id {id}.")
                )
            event = certificates.revoke(context, certificate, reason=self._reason, why=self._why)
            if event is None:
                before.append(certificate.serial)
            else:
                events.append(event)
                revoked.append(certificate.serial)
        answer: dict[str, Any] = {"revoked": revoked, "revoked_before": before}
        if not events:
            return Outcome({**answer, "unchanged": True})
        return Outcome(answer, events)

    def repeated(self, states: States, made: UUID) -> Any:
        """It was done, if it was one of these."""
        return {"id": str(made), "repeated": True} if made in self._ids else other_command()
