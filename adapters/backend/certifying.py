"""The operators' side of certificates: C ENROLMENT (give out codes, decide the queue), C POLICY.

A device's code one operator gives out. A new operator or auditor is admitted by two: one proposes
and prepares the package, the other approves and is told the code.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import UUID

from adapters.backend.carrying_out import Answer, CarryingOut, any_partition
from adapters.backend.operator_ports import Personalisation
from adapters.backend.told import Told
from application import fields
from application.command import Command
from application.enrol import DecideEnrolment, OpenEnrolment, SetPolicy
from domain.aggregates import policy as policies
from domain.aggregates.enrolment import PEOPLE
from domain.aggregates.policy import Profile
from domain.ids import derived_id

if TYPE_CHECKING:
    from adapters.backend.operator_commands import OperatorCommands

_DEVICES = ("pos", "card")


class Certifying:
    """`enrolment(told)` gives the result of C ENROLMENT, as far as one operator gives it."""

    def __init__(self, works: CarryingOut, hsm: Personalisation) -> None:
        self._works = works
        self._hsm = hsm

    async def enrolment(self, told: Told) -> Answer:
        """A new code, or the decision over one that waits."""
        body = told.body
        if "enrolment" in body:
            return await self._works.carry_out(
                DecideEnrolment(
                    told.origin,
                    self._works.deadline_us(),
                    enrolment_id=fields.uuid(body, "enrolment"),
                    approve=fields.flag(body, "approve"),
                    why=fields.text(body, "why", fields.WHY_MOST),
                )
            )
        role = fields.choice(body, "role", _DEVICES)
        subject_id = fields.uuid(body, "subject")
        code = await self._works.in_lane(lambda: self._hsm.enrolment_code(told.command_id))
        digests = await self._works.in_lane(lambda: self._hsm.code_digests(code))
        answer = await self._works.carry_out(
            OpenEnrolment(
                told.origin,
                self._works.deadline_us(),
                subject_id=subject_id,
                role=role,
                code_digest=digests[0],
                generation=len(digests),
            )
        )
        return {**answer, "code": code}


async def enrolment(commands: "OperatorCommands", told: Told) -> Answer:
    """A decision and a device's code at once; a person's as a proposal."""
    if told.body.get("role") in PEOPLE:
        return await commands.two_persons(told)
    return await commands.certifying.enrolment(told)


class NewPerson:
    """`two_persons.Verb` for C ENROLMENT of an operator or auditor: always two."""

    def __init__(self, works: CarryingOut, hsm: Personalisation) -> None:
        self._works = works
        self._hsm = hsm

    def summary(self, body: Mapping[str, Any]) -> str:
        """See `Verb`."""
        role, why = _person(body)
        return f"Admit a new {role}: {why}"

    def needs_two(self, body: Mapping[str, Any]) -> bool:
        """See `Verb`."""
        return True

    async def make(self, told: Told) -> "Admitted":
        """See `Verb`: the person's id is new, and the code hangs on it."""
        subject_id = _new_id(told)

        def code() -> Admitted:
            made = self._hsm.enrolment_code(subject_id)
            return Admitted(subject_id=subject_id, code=made, digests=self._hsm.code_digests(made))

        return await self._works.in_lane(code)

    def command(self, told: Told, made: "Admitted | None") -> Command:
        """See `Verb`."""
        role, _ = _person(told.body)
        return OpenEnrolment(
            told.origin,
            self._works.deadline_us(),
            subject_id=made.subject_id if made else _new_id(told),
            role=role,
            code_digest=made.digests[0] if made else b"",
            generation=len(made.digests) if made else 1,
        )

    @staticmethod
    def code(made: "Admitted") -> Mapping[str, Any]:
        """`two_persons.Beside`: the code, for the operator who approved."""
        return {"code": made.code}


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """A new person, and the code that leads to the first certificate. Its `repr` shows no code."""

    subject_id: UUID
    code: str = field(repr=False)
    digests: tuple[bytes, ...]


class PolicyVerb:
    """`two_persons.Verb` for C POLICY: always two."""

    def __init__(self, works: CarryingOut) -> None:
        self._works = works

    def summary(self, body: Mapping[str, Any]) -> str:
        """See `Verb`."""
        profiles, why = _read(body)
        return f"Certificate policy for {', '.join(each.role for each in profiles)}: {why}"

    def needs_two(self, body: Mapping[str, Any]) -> bool:
        """See `Verb`."""
        return True

    async def make(self, told: Told) -> None:
        """See `Verb`: nothing."""

    def command(self, told: Told, made: None) -> Command:
        """See `Verb`."""
        profiles, why = _read(told.body)
        return SetPolicy(told.origin, self._works.deadline_us(), profiles=profiles, why=why)


def _new_id(told: Told) -> UUID:
    role, _ = _person(told.body)
    return derived_id(role, told.command_id, told.issued_ms, any_partition())


def _person(body: Mapping[str, Any]) -> tuple[str, str]:
    return fields.choice(body, "role", PEOPLE), fields.text(body, "why", fields.WHY_MOST)


def _read(body: Mapping[str, Any]) -> tuple[tuple[Profile, ...], str]:
    rows = fields.rows(body, "profiles", len(policies.ROLES))
    found = tuple(_profile(row) for row in rows)
    if len({profile.role for profile in found}) < len(found):
        raise fields.Invalid("profiles", "names a role twice.")
    return found, fields.text(body, "why", fields.WHY_MOST)


def _profile(row: Mapping[str, Any]) -> Profile:
    valid_days = fields.whole(row, "valid_days", 1, policies.MOST_DAYS)
    role = fields.choice(row, "role", policies.ROLES)
    if role in PEOPLE and row.get("check") == policies.AUTOMATIC:
        raise fields.Invalid(
            "check",
            f"must be {policies.HUMAN} for {role}: who was told the code could come with it.",
        )
    return Profile(
        role=role,
        valid_days=valid_days,
        renew_days=fields.whole(row, "renew_days", 0, valid_days),
        grace_days=fields.whole(row, "grace_days", 0, policies.MOST_GRACE_DAYS),
        check=fields.choice(row, "check", (policies.AUTOMATIC, policies.HUMAN)),
        code_hours=fields.whole(row, "code_hours", 1, policies.MOST_CODE_HOURS),
    )
