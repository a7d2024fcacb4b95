"""A schedule of refills: whom, how much each, how paid, and when.

A run is remembered by its due date, so that what was missed is caught up once and nothing is
ordered twice.
"""

from datetime import date
from uuid import UUID

import msgspec
from msgspec.structs import replace

from domain.event import Context, Event, no_such_event, stamp, stored_as
from domain.recurrence import Rule, due_by, last_before, next_due

ACTIVE, PAUSED, REMOVED = "active", "paused", "removed"


@stored_as("schedule.added/1")
class ScheduleAdded(Event, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """From the first due date after `last_on` (ISO date) on, through `until` (ISO date), for ever
    where that is empty. `group` is empty for all accounts.
    `payment_method` is the processor's token where `method` is `card`."""

    company_id: UUID
    group: str
    each_cents: int
    method: str
    payment_method: str
    rule: Rule
    last_on: str
    added_by: str
    until: str = ""


@stored_as("schedule.ran/1")
class ScheduleRan(Event, frozen=True, kw_only=True, gc=False):
    """The refill of `due_on` was ordered in the same commit, or `why` it was not.

    `missed` earlier due dates had passed unseen and are covered by this run.
    """

    due_on: str
    refill_id: UUID | None
    missed: int
    why: str


@stored_as("schedule.paused/1")
class SchedulePaused(Event, frozen=True, kw_only=True, gc=False):
    """Nothing is ordered until it goes on."""

    why: str


@stored_as("schedule.resumed/1")
class ScheduleResumed(Event, frozen=True, kw_only=True, gc=False):
    """It goes on after `last_on`: what fell due in the pause is not caught up."""

    last_on: str


@stored_as("schedule.removed/1")
class ScheduleRemoved(Event, frozen=True, kw_only=True, gc=False):
    """It never orders again."""

    why: str


class Schedule(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The schedule as its events made it. `last_why` says why its last run ordered nothing."""

    id: UUID
    version: int
    company_id: UUID
    group: str
    each_cents: int
    method: str
    payment_method: str
    rule: Rule
    last_on: str
    added_by: str
    until: str = ""
    status: str = ACTIVE
    last_refill_id: UUID | None = None
    last_why: str = ""
    runs: int = 0

    @property
    def after(self) -> date:
        """The day after which the next due date is looked for."""
        return date.fromisoformat(self.last_on)

    def orders_on(self, due_on: date) -> bool:
        """Whether a due date is not after the last day."""
        return not self.until or due_on.isoformat() <= self.until

    def due(self, now_us: int) -> list[date]:
        """The due dates whose instant has come and that did not run yet, oldest first."""
        return [day for day in due_by(self.rule, self.after, now_us) if self.orders_on(day)]

    @property
    def coming(self) -> tuple[date, int] | None:
        """The next due date and its instant; None after the last one."""
        found = next_due(self.rule, self.after)
        return found if self.orders_on(found[0]) else None


def evolve(schedule: Schedule | None, event: Event) -> Schedule:
    """The schedule after `event`."""
    match event:
        case ScheduleAdded():
            return Schedule(
                id=event.originator_id,
                version=event.originator_version,
                company_id=event.company_id,
                group=event.group,
                each_cents=event.each_cents,
                method=event.method,
                payment_method=event.payment_method,
                rule=event.rule,
                last_on=event.last_on,
                added_by=event.added_by,
                until=event.until,
            )
        case ScheduleRan() if schedule is not None:
            return replace(
                schedule,
                version=event.originator_version,
                last_on=event.due_on,
                last_refill_id=event.refill_id or schedule.last_refill_id,
                last_why=event.why,
                runs=schedule.runs + 1,
            )
        case SchedulePaused() if schedule is not None:
            return replace(schedule, version=event.originator_version, status=PAUSED)
        case ScheduleResumed() if schedule is not None:
            return replace(
                schedule, version=event.originator_version, status=ACTIVE, last_on=event.last_on
            )
        case ScheduleRemoved() if schedule is not None:
            return replace(schedule, version=event.originator_version, status=REMOVED)
        case _:
            raise no_such_event("schedule", event)


def add(
    context: Context,
    id: UUID,
    *,
    company_id: UUID,
    group: str,
    each_cents: int,
    method: str,
    payment_method: str,
    rule: Rule,
    until: str = "",
) -> ScheduleAdded:
    """A new schedule."""
    return ScheduleAdded(
        **stamp(context, id, 1),
        company_id=company_id,
        group=group,
        each_cents=each_cents,
        method=method,
        payment_method=payment_method,
        rule=rule,
        last_on=last_before(rule, context.recorded_at_us).isoformat(),
        added_by=context.actor,
        until=until,
    )


def ran(
    context: Context,
    schedule: Schedule,
    *,
    due_on: str,
    refill_id: UUID | None,
    missed: int,
    why: str,
) -> ScheduleRan:
    """A run of a due date."""
    return ScheduleRan(
        **stamp(context, schedule.id, schedule.version + 1),
        due_on=due_on,
        refill_id=refill_id,
        missed=missed,
        why=why,
    )


def change(context: Context, schedule: Schedule, to: str, why: str) -> Event | None:
    """The event that brings it to a status; None where it cannot be brought there."""
    following = stamp(context, schedule.id, schedule.version + 1)
    match schedule.status, to:
        case "active", "paused":
            return SchedulePaused(**following, why=why)
        case "paused", "active":
            last_on = last_before(schedule.rule, context.recorded_at_us).isoformat()
            return ScheduleResumed(**following, last_on=last_on)
        case (("active" | "paused"), "removed"):
            return ScheduleRemoved(**following, why=why)
    return None
