"""The programme of a company: its terms, version by version, each from a stated time on.

A company has one, whose id follows from the company's; before it is set, `STANDARD` holds.
"""

from functools import lru_cache
from uuid import UUID

import msgspec

from domain.event import Context, Event, no_such_event, stamp, stored_as
from domain.ids import derived_id, milliseconds_of, partition_of
from domain.terms import STANDARD, Terms


@stored_as("programme.set/1")
class ProgrammeSet(Event, frozen=True, kw_only=True, gc=False):
    """All terms as they hold from `effective_us` on, until a later time that another set names."""

    company_id: UUID
    terms: Terms
    effective_us: int
    why: str


class Version(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Terms that were set. `number` is the version of the event that set them, 0 for none."""

    number: int
    command_id: UUID
    effective_us: int
    set_us: int
    actor: str
    why: str
    terms: Terms


STANDARD_VERSION = Version(
    number=0,
    command_id=UUID(int=0),
    effective_us=0,
    set_us=0,
    actor="",
    why="no programme was set",
    terms=STANDARD,
)


class Programme(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The programme as its events made it; `versions` latest in effect first."""

    id: UUID
    version: int
    company_id: UUID
    versions: tuple[Version, ...]


def programme_id(company_id: UUID) -> UUID:
    """The id of a company's programme, in the company's partition."""
    return _id_of(company_id.int)


@lru_cache(maxsize=65_536)  # by number: Python's UUID hashes in Python
def _id_of(company: int) -> UUID:
    company_id = UUID(int=company)
    return derived_id(
        "programme", company_id, milliseconds_of(company_id), partition_of(company_id)
    )


def evolve(programme: Programme | None, event: Event) -> Programme:
    """The programme after `event`."""
    if not isinstance(event, ProgrammeSet):
        raise no_such_event("programme", event)
    new = Version(
        number=event.originator_version,
        command_id=event.command_id,
        effective_us=event.effective_us,
        set_us=event.recorded_at_us,
        actor=event.actor,
        why=event.why,
        terms=event.terms,
    )
    known = programme.versions if programme is not None else ()
    return Programme(
        id=event.originator_id,
        version=event.originator_version,
        company_id=event.company_id,
        versions=tuple(sorted((new, *known), key=lambda each: (-each.effective_us, -each.number))),
    )


def in_force(programme: Programme | None, at_us: int) -> Version:
    """The terms that hold at a time: of those in effect the latest; of one time the last set."""
    if programme is not None:
        for version in programme.versions:
            if version.effective_us <= at_us:
                return version
    return STANDARD_VERSION


def to_come(programme: Programme | None, after_us: int) -> list[Version]:
    """What comes into force after a time, the next first."""
    found: list[Version] = []
    for version in programme.versions if programme is not None else ():
        if version.effective_us <= after_us:
            break
        if not found or found[-1].effective_us != version.effective_us:
            found.append(version)
    return found[::-1]


def set_terms(
    context: Context,
    programme: Programme | None,
    *,
    company_id: UUID,
    terms: Terms,
    effective_us: int,
    why: str,
) -> ProgrammeSet:
    """New terms, never for a time that is past: what was decided stays as it was."""
    version = programme.version + 1 if programme is not None else 1
    return ProgrammeSet(
        **stamp(context, programme_id(company_id), version),
        company_id=company_id,
        terms=terms,
        effective_us=max(effective_us, context.recorded_at_us),
        why=why,
    )
