"""Setting a company's programme: which of its terms change, from when on, and what they were.

`preview` decides without storing: the operator sees the difference, then sends the command.
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from application.command import Command, Origin, Refused, other_command
from application.programme_fields import applied, differences, shown
from application.states import States
from application.work import Outcome
from domain.aggregates import programme as programmes
from domain.aggregates.company import Company
from domain.aggregates.programme import Programme, Version, in_force, programme_id
from domain.event import Context
from domain.local_time import instant
from domain.terms import STANDARD

MOST_AHEAD_US = 366 * 24 * 3600 * 1_000_000
"""Terms can be set so long before they come into force."""


class SetProgramme(Command):
    """`changes` are those of `read_terms`, made to the terms in force at that time; or to the
    standard ones. `effective` is a local date and minute in the company's time zone, None now."""

    makes = (programmes.ProgrammeSet,)

    def __init__(
        self,
        origin: Origin,
        deadline_us: int,
        *,
        company_id: UUID,
        changes: Mapping[str, Any],
        from_standard: bool,
        effective: tuple[str, int] | None,
        why: str,
        preview: bool = False,
    ) -> None:
        super().__init__(origin, deadline_us)
        self._company_id, self._changes = company_id, changes
        self._from_standard, self._effective = from_standard, effective
        self._why, self._preview = why, preview

    def reads(self) -> list[UUID]:
        """The company and its programme."""
        return [self._company_id, programme_id(self._company_id)]

    def execute(self, states: States, context: Context) -> Outcome:
        """Sets the terms, or says why not."""
        company = states.get(self._company_id, Company)
        if company is None:
            return Outcome(Refused("no-such-company", "There is no company with that id."))
        now_us = effective_us = context.recorded_at_us
        if self._effective is not None:
            effective_us = instant(*self._effective, company.timezone)
        if effective_us < now_us:
            return Outcome(
                Refused(
                    "effective-past",
                    "Terms cannot begin in the past: what was decided stays. Leave the time out"
                    f" for now, or give a later one ({company.timezone}).",
                )
            )
        if effective_us > now_us + MOST_AHEAD_US:
            return Outcome(Refused("effective-far", "Terms begin within 366 days at most."))
        programme = states.get(programme_id(company.id), Programme)
        before = in_force(programme, effective_us)
        after = applied(STANDARD if self._from_standard else before.terms, self._changes)
        changes = differences(before.terms, after)
        if not changes:
            return Outcome(
                Refused("no-change", "The programme has these terms at that time already.")
            )
        event = programmes.set_terms(
            context,
            programme,
            company_id=company.id,
            terms=after,
            effective_us=effective_us,
            why=self._why,
        )
        answer = {
            "programme": str(event.originator_id),
            "company": str(company.id),
            "version": event.originator_version,
            "effective_ms": event.effective_us // 1000,
            "timezone": company.timezone,
            "changes": changes,
        }
        if self._preview:
            return Outcome({**answer, "preview": True})
        return Outcome(answer, [event])

    def repeated(self, states: States, made: UUID) -> Any:
        """The version that this command set."""
        programme = states.get(made, Programme)
        for version in programme.versions if programme is not None else ():
            if version.command_id == self.origin.command_id:
                return {
                    "programme": str(made),
                    "company": str(self._company_id),
                    "version": version.number,
                    "effective_ms": version.effective_us // 1000,
                    "changes": [],
                    "repeated": True,
                }
        return other_command()


def versions_of(programme: Programme | None, timezone: str, now_us: int) -> list[dict[str, Any]]:
    """Every version for a reader, latest in effect first: `scheduled`, `in force`, `past`.

    One that was replaced before its time came is `replaced`. The standard terms are version 0.
    """
    current = in_force(programme, now_us)
    versions = [*(programme.versions if programme is not None else ()), programmes.STANDARD_VERSION]
    rows: list[dict[str, Any]] = []
    effective: set[int] = set()
    for version in versions:
        if version.effective_us in effective:
            state = "replaced"
        elif version is current:
            state = "in force"
        else:
            state = "scheduled" if version.effective_us > now_us else "past"
        effective.add(version.effective_us)
        rows.append(_row(version, state, timezone))
    return rows


def _row(version: Version, state: str, timezone: str) -> dict[str, Any]:
    return {
        "version": version.number,
        "state": state,
        "effective_ms": version.effective_us // 1000,
        "set_ms": version.set_us // 1000,
        "by": version.actor,
        "why": version.why,
        "timezone": timezone,
        "terms": shown(version.terms),
    }
