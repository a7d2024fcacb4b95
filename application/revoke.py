"""Ending certificates of the private PKI before their time, by reason (RFC 5280 section 5.3.1)."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from application.command import Command, Origin, Refused, other_command, seen_of
from application.states import States
from application.work import Needs, Outcome
from domain.aggregates import certificate as certificates
from domain.aggregates.certificate import AUTHORITY_LINK, TLS, Certificate, carries_others
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
"""So many one operator may revoke alone: a stolen device does not wait. More needs two, and so does
one of an authority, of the backend or of the key for PIN blocks, on which all others hang."""
_LINK_STAYS = Refused(
    "not-revoked-here",
    "A link ends with the root that signed it: ticketrestaurant hsm retire CA-ROOT.",
)
_TLS_STAYS = Refused(
    "not-revoked-here",
    "A TLS certificate is ended by: ticketrestaurant tls rotate, and tls retire.",
)
_TWO = Refused("needs-two", "Two operators must agree to this. Propose it again.")
_GONE = "There is no certificate with the id {}."


def why_not(certificate: Certificate, needed: Mapping[str, str]) -> Refused | None:
    """Why this one cannot be revoked now. `needed`: by serial, what must be done before."""
    if certificate.role == AUTHORITY_LINK:
        return _LINK_STAYS
    if certificate.role.startswith(TLS):
        return _TLS_STAYS
    if certificate.serial in needed and not certificate.revoked:
        return Refused("still-needed", needed[certificate.serial])
    return None


class Weighing:
    """A work that stores nothing: whether it takes two operators to revoke these certificates.

    Answers with a bool, or is Refused as the revocation would be.
    """

    claims = False

    def __init__(
        self, deadline_us: int, certificate_ids: Sequence[UUID], needed: Mapping[str, str]
    ) -> None:
        self.deadline_us = deadline_us
        self._ids, self._needed = certificate_ids, needed

    def needs(self, states: States, needs: Needs, now_us: int) -> bool:
        """The certificates."""
        needs.ids.extend(id for id in self._ids if not states.knows(id))
        return False

    def decide(self, states: States, now_us: int) -> Outcome:
        """Looks at each of them."""
        two = len(self._ids) > ALONE
        for id in self._ids:
            certificate = states.get(id, Certificate)
            if certificate is None:
                return Outcome(Refused("no-such-certificate", _GONE.format(id)))
            no = why_not(certificate, self._needed)
            if no is not None:
                return Outcome(no)
            two = two or carries_others(certificate.role)
        return Outcome(two)


class RevokeCertificates(Command):
    """`certificate_ids`: 1 to 1,000 ids of certificates, all or none.

    `needed` gives by serial what must be done before; `by_two` is whether two operators agreed.
    """

    makes = (certificates.CertificateRevoked,)

    def __init__(
        self,
        origin: Origin,
        deadline_us: int,
        *,
        certificate_ids: Sequence[UUID],
        reason: str,
        why: str,
        needed: Mapping[str, str] | None = None,
        by_two: bool = True,
    ) -> None:
        super().__init__(origin, deadline_us)
        self._ids, self._reason, self._why = certificate_ids, reason, why
        self._needed, self._by_two = needed or {}, by_two

    def reads(self) -> list[UUID]:
        """The certificates."""
        return list(self._ids)

    def foresee(self, states: States, context: Context) -> Refused | None:
        """As it would be with a second operator's yes."""
        return seen_of(self._revoked(states, context, by_two=True))

    def execute(self, states: States, context: Context) -> Outcome:
        """Revokes those that are not revoked yet."""
        return self._revoked(states, context, by_two=self._by_two)

    def _revoked(self, states: States, context: Context, *, by_two: bool) -> Outcome:
        events: list[Event] = []
        revoked, before = [], []
        for id in dict.fromkeys(self._ids):
            certificate = states.get(id, Certificate)
            if certificate is None:
                return Outcome(Refused("no-such-certificate", _GONE.format(id)))
            no = why_not(certificate, self._needed)
            if no is not None:
                return Outcome(no)
            if carries_others(certificate.role) and not by_two:
                return Outcome(_TWO)
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
