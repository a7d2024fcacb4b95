"""Enrolments and renewals: the validation authority's checks, and certificates on record.

The certificate itself is made by the authority in the HSM before; it is good for nothing until the
command here is stored, because the backend admits only what the ledger knows.
"""

from typing import Any
from uuid import UUID

import msgspec
from msgspec.structs import replace

from application.command import Command, Origin, Refused, other_command
from application.issue import VIRTUAL
from application.ports import Claim
from application.register import KEY, IssuedCertificate, certified_before, key_claims
from application.states import States
from application.work import Outcome
from domain.actor import person_of
from domain.aggregates import enrolment as enrolments
from domain.aggregates import policy as policies
from domain.aggregates.card import Card
from domain.aggregates.enrolment import Enrolment
from domain.aggregates.policy import POLICY_ID, Policy, Profile
from domain.aggregates.shop import Shop
from domain.aggregates.terminal import Terminal
from domain.event import Context, Event
from domain.ids import derived_id, partition_of

CODE = "enrolment-code"
"""The kind of claim under which a code's keyed hash leads to its enrolment."""
_HOUR_US = 3600 * 1_000_000
_TEXTS = {
    "code-used": "This code was used. Ask for a new one.",
    "code-expired": "This code has expired. Ask for a new one.",
    "enrolment-rejected": "This enrolment was rejected. Ask the issuer.",
    "other-key": "Another device came with this code before. Ask for a new one.",
    "key-in-use": "This key was certified before. Make a new one.",
    "no-such-code": "There is no such code. Type it again.",
    "holder-blocked": "The terminal or card is out of use.",
    "no-such-holder": "There is no such terminal or card in use.",
    "same-operator": "You were told the code: another operator must admit who comes with it.",
    "not-virtual": "Only a virtual card has a certificate; a stripe card pays by its stripe.",
}


class Standing(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a device that came with a code may expect. `refused`: a code of `_TEXTS`.

    `serial`: of the certificate that it got before, when the answer was lost on its way.
    """

    enrolment: Enrolment | None = None
    profile: Profile | None = None
    refused: str = ""
    queue_why: str = ""
    serial: str = ""
    shop: UUID | None = None
    shop_name: str = ""


def refusal(code: str) -> Refused:
    """The words for a refusal."""
    return Refused(code, _TEXTS[code])


def standing(
    states: States, code_digests: tuple[bytes, ...], key_hash: bytes, now_us: int
) -> Standing:
    """The validation authority's automatic checks, over the states alone."""
    owners = (states.owner(CODE, each) for each in code_digests)
    id = next((owner for owner in owners if owner is not None), None)
    enrolment = states.get(id, Enrolment) if id is not None else None
    if enrolment is None:
        return Standing(refused="no-such-code")
    shop = _shop(states, enrolment)
    found = Standing(
        enrolment=enrolment,
        profile=policies.profile_of(states.get(POLICY_ID, Policy), enrolment.role),
        shop=shop.id if shop else None,
        shop_name=shop.name if shop else "",
    )
    before = certified_before(states, key_hash)
    if before is not None:
        ours = enrolment.key_hash == key_hash and before.subject_id == enrolment.subject_id
        if ours and enrolment.status == enrolments.COMPLETED and not before.revoked:
            return replace(found, serial=before.serial)
        return replace(found, refused="key-in-use")
    no = enrolments.why_not(enrolment, key_hash=key_hash, now_us=now_us)
    no = no or holder_refused(states, enrolment.subject_id, enrolment.role)
    assert found.profile is not None
    human = found.profile.check == policies.HUMAN or enrolment.role in enrolments.PEOPLE
    waits = human and enrolment.status == enrolments.OPEN
    queued = waits or enrolment.status == enrolments.QUEUED
    return replace(found, refused=no, queue_why="the policy asks for a person" if queued else "")


def holder_refused(states: States, subject_id: UUID, role: str) -> str:
    """Why this holder gets no certificate, as a code; empty where nothing is in the way."""
    if role == "pos":
        terminal = states.get(subject_id, Terminal)
        return "" if terminal is not None and terminal.active else "holder-blocked"
    if role == "card":
        card = states.get(subject_id, Card)
        if card is None or card.status != "active":
            return "holder-blocked"
        return "" if card.kind == VIRTUAL else "not-virtual"
    return ""


def _shop(states: States, enrolment: Enrolment) -> Shop | None:
    terminal = states.get(enrolment.subject_id, Terminal) if enrolment.role == "pos" else None
    return states.get(terminal.shop_id, Shop) if terminal else None


class OpenEnrolment(Command):
    """A code is given out for a terminal, a card or a new person; the code itself is not here."""

    makes = (enrolments.EnrolmentOpened,)

    def __init__(
        self,
        origin: Origin,
        deadline_us: int,
        *,
        subject_id: UUID,
        role: str,
        code_digest: bytes,
        generation: int = 1,
    ) -> None:
        """`generation` of the key that hashed the code. A code that is only to be given out once
        two operators agreed has no digest yet."""
        super().__init__(origin, deadline_us)
        self._subject_id, self._role = subject_id, role
        self._digest, self._generation = code_digest, generation

    def reads(self) -> list[UUID]:
        """The holder, and the policy."""
        return [self._subject_id, POLICY_ID]

    def foresee(self, states: States, context: Context) -> Refused | None:
        """Only the holder can stand against it."""
        return self._refused(states)

    def execute(self, states: States, context: Context) -> Outcome:
        """Opens it."""
        assert self._digest, "made"
        id = derived_id(
            "enrolment",
            self.origin.command_id,
            self.origin.issued_ms,
            partition_of(self._subject_id),
        )
        profile = policies.profile_of(states.get(POLICY_ID, Policy), self._role)
        opened = enrolments.open(
            context,
            id,
            subject_id=self._subject_id,
            role=self._role,
            expires_us=context.recorded_at_us + profile.code_hours * _HOUR_US,
        )
        state = enrolments.evolve(None, opened)
        no = self._refused(states)
        if no is not None:
            return Outcome(no)
        return Outcome(_answer(state), [opened], [Claim(CODE, self._digest, id, self._generation)])

    def _refused(self, states: States) -> Refused | None:
        no = holder_refused(states, self._subject_id, self._role)
        return refusal("no-such-holder" if no == "holder-blocked" else no) if no else None

    def repeated(self, states: States, made: UUID) -> Any:
        """How far it is."""
        enrolment = states.get(made, Enrolment)
        return other_command() if enrolment is None else {**_answer(enrolment), "repeated": True}


class Enrol(Command):
    """A device comes with a code: it is queued, or gets the certificate that was made for it.

    `certificate` None: only the checks, and the queue. The answer is a `Standing`, or a dict with
    `state`. A device may ask again and again, each time under a new command id: what it gets
    hangs on code and key alone.
    """

    def __init__(
        self,
        origin: Origin,
        deadline_us: int,
        *,
        code_digests: tuple[bytes, ...],
        key_hash: bytes,
        certificate: IssuedCertificate | None,
    ) -> None:
        """`code_digests`: of the code, by each generation of the key."""
        super().__init__(origin, deadline_us)
        self._digests, self._key_hash, self._certificate = code_digests, key_hash, certificate

    def claims_read(self) -> list[tuple[str, bytes]]:
        """The code and the key."""
        return [*((CODE, each) for each in self._digests), (KEY, self._key_hash)]

    def reads(self) -> list[UUID]:
        """The policy; what the code leads to is loaded on the way."""
        return [POLICY_ID]

    def execute(self, states: States, context: Context) -> Outcome:
        """Checks again what was checked before the certificate was made."""
        found = standing(states, self._digests, self._key_hash, context.recorded_at_us)
        if found.refused:
            return Outcome(refusal(found.refused))
        assert found.enrolment is not None
        if found.queue_why:
            return self._queue(context, found)
        if self._certificate is None or found.serial:
            return Outcome(found)
        issued = self._certificate.event(context, found.enrolment.subject_id)
        done = enrolments.complete(
            context,
            found.enrolment,
            certificate_id=issued.originator_id,
            key_hash=self._key_hash,
        )
        told = replace(found, serial=issued.serial)
        return Outcome(told, [done, issued], key_claims(issued))

    def _queue(self, context: Context, found: Standing) -> Outcome:
        assert found.enrolment is not None
        answer = {"state": "queued", "enrolment": str(found.enrolment.id)}
        if found.enrolment.status == enrolments.QUEUED:
            return Outcome(answer)
        event = enrolments.queue(
            context, found.enrolment, key_hash=self._key_hash, why=found.queue_why
        )
        return Outcome(answer, [event])


class DecideEnrolment(Command):
    """A person admits a queued enrolment, or rejects one."""

    makes = (enrolments.EnrolmentAdmitted, enrolments.EnrolmentRejected)

    def __init__(
        self, origin: Origin, deadline_us: int, *, enrolment_id: UUID, approve: bool, why: str
    ) -> None:
        super().__init__(origin, deadline_us)
        self._id, self._approve, self._why = enrolment_id, approve, why

    def reads(self) -> list[UUID]:
        """The enrolment."""
        return [self._id]

    def execute(self, states: States, context: Context) -> Outcome:
        """Decides it."""
        enrolment = states.get(self._id, Enrolment)
        if enrolment is None:
            return Outcome(Refused("no-such-enrolment", "There is no enrolment with that id."))
        if self._approve and person_of(self.origin.actor) == enrolments.barred(enrolment):
            return Outcome(refusal("same-operator"))
        decide = enrolments.admit if self._approve else enrolments.reject
        event: Event | None = decide(context, enrolment, why=self._why)
        if event is None:
            text = f"This enrolment is {enrolment.status}: there is nothing to decide."
            return Outcome(Refused("already-decided", text))
        return Outcome(_answer(enrolments.evolve(enrolment, event)), [event])

    def repeated(self, states: States, made: UUID) -> Any:
        """What became of it."""
        enrolment = states.get(made, Enrolment)
        return other_command() if enrolment is None else {**_answer(enrolment), "repeated": True}


class Renew(Command):
    """A holder's next certificate, asked for with the one that it has.

    `certificate` None: only the checks; the answer's `serial` is then empty, or that of the
    certificate that the same key was given before, when the answer was lost on its way.
    """

    def __init__(
        self,
        origin: Origin,
        deadline_us: int,
        *,
        subject_id: UUID,
        role: str,
        key_hash: bytes,
        certificate: IssuedCertificate | None,
    ) -> None:
        super().__init__(origin, deadline_us)
        self._subject_id, self._role, self._key_hash = subject_id, role, key_hash
        self._certificate = certificate

    def claims_read(self) -> list[tuple[str, bytes]]:
        """The key."""
        return [(KEY, self._key_hash)]

    def execute(self, states: States, context: Context) -> Outcome:
        """Puts it on record."""
        no = holder_refused(states, self._subject_id, self._role)
        if no:
            return Outcome(refusal(no))
        before = certified_before(states, self._key_hash)
        if before is not None:
            if before.subject_id == self._subject_id and not before.revoked:
                return Outcome({"serial": before.serial})
            return Outcome(refusal("key-in-use"))
        if self._certificate is None:
            return Outcome({"serial": ""})
        issued = self._certificate.event(context, self._subject_id)
        return Outcome({"serial": issued.serial}, [issued], key_claims(issued))


class SetPolicy(Command):
    """The certificate policy from now on; two operators give it."""

    def __init__(
        self, origin: Origin, deadline_us: int, *, profiles: tuple[Profile, ...], why: str
    ) -> None:
        super().__init__(origin, deadline_us)
        self._profiles, self._why = profiles, why

    def reads(self) -> list[UUID]:
        """The policy."""
        return [POLICY_ID]

    def execute(self, states: States, context: Context) -> Outcome:
        """Sets it."""
        before = states.get(POLICY_ID, Policy)
        event = policies.set_profiles(context, before, profiles=self._profiles, why=self._why)
        after = policies.evolve(before, event)
        return Outcome({"version": after.version, "profiles": shown(after)}, [event])


def shown(policy: Policy | None) -> list[dict[str, Any]]:
    """The profiles in force, for people and programs."""
    return [msgspec.to_builtins(policies.profile_of(policy, role)) for role in policies.ROLES]


def _answer(enrolment: Enrolment) -> dict[str, Any]:
    return {
        "enrolment": str(enrolment.id),
        "status": enrolment.status,
        "subject": str(enrolment.subject_id),
        "role": enrolment.role,
        "expires_ms": enrolment.expires_us // 1000,
    }
