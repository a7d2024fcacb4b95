"""The operators' side of certificates: C ENROLMENT (give out codes, decide the queue), C POLICY."""

from collections.abc import Mapping
from typing import Any

from adapters.backend.carrying_out import Answer, CarryingOut
from adapters.backend.operator_ports import Personalisation
from adapters.backend.told import Told
from application import fields
from application.command import Command
from application.enrol import DecideEnrolment, OpenEnrolment, SetPolicy
from domain.aggregates import policy as policies
from domain.aggregates.policy import Profile

_ENROLLED = ("pos", "card")


class Certifying:
    """`enrolment(told)` gives the result of C ENROLMENT."""

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
        role = fields.choice(body, "role", _ENROLLED)
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


def _read(body: Mapping[str, Any]) -> tuple[tuple[Profile, ...], str]:
    rows = fields.rows(body, "profiles", len(policies.ROLES))
    found = tuple(_profile(row) for row in rows)
    if len({profile.role for profile in found}) < len(found):
        raise fields.Invalid("profiles", "names a role twice.")
    return found, fields.text(body, "why", fields.WHY_MOST)


def _profile(row: Mapping[str, Any]) -> Profile:
    valid_days = fields.whole(row, "valid_days", 1, policies.MOST_DAYS)
    return Profile(
        role=fields.choice(row, "role", policies.ROLES),
        valid_days=valid_days,
        renew_days=fields.whole(row, "renew_days", 0, valid_days),
        grace_days=fields.whole(row, "grace_days", 0, policies.MOST_GRACE_DAYS),
        check=fields.choice(row, "check", (policies.AUTOMATIC, policies.HUMAN)),
        code_hours=fields.whole(row, "code_hours", 1, policies.MOST_CODE_HOURS),
    )
