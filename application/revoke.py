"""Ending certificates of the private PKI before their time, by reason (RFC 5280 section 5.3.1)."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from application.command import COMMAND, Command, Origin, Refused, other_command, seen_of
from application.states import States
from application.work import Needs, Outcome
from domain.aggregates import certificate as certificates
from domain.aggregates import lone_revocation
from domain.aggregates.certificate import AUTHORITY_LINK, TLS, Certificate, carries_others
from domain.aggregates.enrolment import PEOPLE
from domain.aggregates.lone_revocation import LONE_ID, LoneRevocations
from domain.aggregates.proposal import ProposalMade
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
"""So many one command revokes by one operator, and `lone_revocation` says how often: a stolen
device does not wait."""
_LINK_STAYS = Refused(
    "not-revoked-here",
    "A link ends with the root that signed it: ticketrestaurant hsm retire CA-ROOT.",
)
_TLS_STAYS = Refused(
    "not-revoked-here",
    "A TLS certificate is ended by: ticketrestaurant tls rotate, and tls retire.",
)
_GONE = "There is no certificate with the id {}."
_SEVERAL = "More than one certificate is revoked by two operators only."
_CARRIES = "All others hang on this certificate: two operators decide over it."
_ANOTHERS = "It is somebody else's: one operator alone shuts no other person out."
_ASKED = "It was proposed to a second operator before."


def why_not(certificate: Certificate, needed: Mapping[str, str]) -> Refused | None:
    """Why this one cannot be revoked now. `needed`: by serial, what must be done before."""
    if certificate.role == AUTHORITY_LINK:
        return _LINK_STAYS
    if certificate.role.startswith(TLS):
        return _TLS_STAYS
    if certificate.serial in needed and not certificate.revoked:
        return Refused("still-needed", needed[certificate.serial])
    return None


def is_own(certificate: Certificate, signer_id: UUID) -> bool:
    """Whether a person ends what is his own: that one is always free to do, at once."""
    return certificate.role in PEOPLE and certificate.subject_id == signer_id


def why_two(
    certificate: Certificate, signer_id: UUID, lone: LoneRevocations | None, now_us: int
) -> str:
    """Why this operator cannot revoke it alone now, in words; empty where he may."""
    if carries_others(certificate.role):
        return _CARRIES
    if certificate.revoked or is_own(certificate, signer_id):
        return ""
    if certificate.role in PEOPLE:
        return _ANOTHERS
    return lone_revocation.why_not(lone, operator_id=signer_id, now_us=now_us)


class Weighing:
    """A work that stores nothing: whether it takes two operators to revoke these certificates.

    Answers why, in words, empty where one suffices; or is Refused as the revocation would be. A
    command that came before is answered by what became of it then, however it would be now.
    """

    def __init__(
        self,
        deadline_us: int,
        command_id: UUID,
        certificate_ids: Sequence[UUID],
        needed: Mapping[str, str],
        signer_id: UUID,
    ) -> None:
        self.deadline_us = deadline_us
        self._command_id = command_id
        self._ids, self._needed, self._signer_id = certificate_ids, needed, signer_id

    def needs(self, states: States, needs: Needs, now_us: int) -> bool:
        """The certificates, what was revoked alone lately, and the command's claim."""
        needs.ids.extend(id for id in (*self._ids, LONE_ID) if not states.knows(id))
        key = (COMMAND, self._command_id.bytes)
        if not states.knows_owner(*key):
            needs.owners.append(key)
        return False

    def decide(self, states: States, now_us: int) -> Outcome:
        """Looks at each of them."""
        made = states.owner(COMMAND, self._command_id.bytes)
        if made is not None:
            proposed = states.first_of(self._command_id, made) is ProposalMade
            return Outcome(_ASKED if proposed else "")
        two = _SEVERAL if len(self._ids) > ALONE else ""
        lone = states.get(LONE_ID, LoneRevocations)
        for id in self._ids:
            certificate = states.get(id, Certificate)
            if certificate is None:
                return Outcome(Refused("no-such-certificate", _GONE.format(id)))
            no = why_not(certificate, self._needed)
            if no is not None:
                return Outcome(no)
            two = two or why_two(certificate, self._signer_id, lone, now_us)
        return Outcome(two)


class RevokeCertificates(Command):
    """`certificate_ids`: 1 to 1,000 ids of certificates, all or none.

    `needed` gives by serial what must be done before; `alone` is the person who signed, None where
    two operators agreed.
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
        alone: UUID | None = None,
    ) -> None:
        super().__init__(origin, deadline_us)
        self._ids, self._reason, self._why = certificate_ids, reason, why
        self._needed, self._alone = needed or {}, alone

    def reads(self) -> list[UUID]:
        """The certificates, and what was revoked alone lately."""
        return [*self._ids, LONE_ID]

    def foresee(self, states: States, context: Context) -> Refused | None:
        """As it would be with a second operator's yes."""
        return seen_of(self._revoked(states, context, alone=None))

    def execute(self, states: States, context: Context) -> Outcome:
        """Revokes those that are not revoked yet."""
        if self._alone is not None and len(self._ids) > ALONE:
            return Outcome(_needs_two(_SEVERAL))
        return self._revoked(states, context, alone=self._alone)

    def _revoked(self, states: States, context: Context, *, alone: UUID | None) -> Outcome:
        events: list[Event] = []
        revoked, before = [], []
        lone = states.get(LONE_ID, LoneRevocations)
        for id in dict.fromkeys(self._ids):
            certificate = states.get(id, Certificate)
            if certificate is None:
                return Outcome(Refused("no-such-certificate", _GONE.format(id)))
            no = why_not(certificate, self._needed)
            if no is not None:
                return Outcome(no)
            if alone is not None:
                two = why_two(certificate, alone, lone, context.recorded_at_us)
                if two:
                    return Outcome(_needs_two(two))
            event = certificates.revoke(context, certificate, reason=self._reason, why=self._why)
            if event is None:
                before.append(certificate.serial)
                continue
            events.append(event)
            revoked.append(certificate.serial)
            if alone is not None and not is_own(certificate, alone):
                events.append(
                    lone_revocation.note(context, lone, operator_id=alone, certificate_id=id)
                )
        answer: dict[str, Any] = {"revoked": revoked, "revoked_before": before}
        if not events:
            return Outcome({**answer, "unchanged": True})
        return Outcome(answer, events)

    def repeated(self, states: States, made: UUID) -> Any:
        """It was done, if it was one of these."""
        return {"id": str(made), "repeated": True} if made in self._ids else other_command()


def _needs_two(why: str) -> Refused:
    """The writer's word where something changed since it was weighed."""
    return Refused("needs-two", f"{why} Give the command again: it will be proposed to another.")
