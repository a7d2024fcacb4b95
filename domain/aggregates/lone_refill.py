"""What each person ordered alone for a company lately: one record a company, so that the limit for
one person does not fall to several orders just below it.
"""

from uuid import UUID

import msgspec

from domain.actor import person_of
from domain.event import Context, Event, no_such_event, stamp, stored_as
from domain.ids import derived_id, milliseconds_of, partition_of

WINDOW_US = 24 * 3600 * 1_000_000


@stored_as("lone_refill.ordered/1")
class LoneRefillOrdered(Event, frozen=True, kw_only=True, gc=False):
    """Beside `refill.ordered`, in the same commit: nobody else has to approve that one."""

    company_id: UUID
    refill_id: UUID
    total_cents: int
    ordered_by: str


class LoneRefills(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """`lately`: when, in microseconds, which person, and cents; within the window before the
    newest."""

    id: UUID
    version: int
    lately: tuple[tuple[int, str, int], ...] = ()


def lone_refills_id(company_id: UUID) -> UUID:
    """The record of a company."""
    ms, partition = milliseconds_of(company_id), partition_of(company_id)
    return derived_id("lone-refills", company_id, ms, partition)


def evolve(before: LoneRefills | None, event: Event) -> LoneRefills:
    """The record after `event`."""
    match event:
        case LoneRefillOrdered():
            at_us = event.recorded_at_us
            one = (at_us, person_of(event.ordered_by), event.total_cents)
            return LoneRefills(
                id=event.originator_id,
                version=event.originator_version,
                lately=(*_within(before, at_us), one),
            )
        case _:
            raise no_such_event("lone_refill", event)


def ordered_alone(before: LoneRefills | None, *, ordered_by: str, now_us: int) -> int:
    """What that person (an actor) ordered alone within the window, in cents."""
    person = person_of(ordered_by)
    return sum(cents for _, who, cents in _within(before, now_us) if who == person)


def note(
    context: Context,
    before: LoneRefills | None,
    *,
    company_id: UUID,
    refill_id: UUID,
    total_cents: int,
    ordered_by: str,
) -> LoneRefillOrdered:
    """One more."""
    version = before.version + 1 if before is not None else 1
    return LoneRefillOrdered(
        **stamp(context, lone_refills_id(company_id), version),
        company_id=company_id,
        refill_id=refill_id,
        total_cents=total_cents,
        ordered_by=ordered_by,
    )


def _within(before: LoneRefills | None, now_us: int) -> list[tuple[int, str, int]]:
    return [each for each in before.lately if each[0] > now_us - WINDOW_US] if before else []
