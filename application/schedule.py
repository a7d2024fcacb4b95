"""Schedules of refills, and what they order; groups of accounts."""

from collections.abc import Sequence
from datetime import date
from typing import Any
from uuid import UUID

from application.command import Command, Origin, Refused, other_command
from application.refill import Terms, last_day_of, order_events
from application.states import States
from application.work import Outcome
from domain.aggregates import group as groups
from domain.aggregates import refill as refills
from domain.aggregates import schedule as schedules
from domain.aggregates.account import Account
from domain.aggregates.company import Company
from domain.aggregates.group import Groups
from domain.aggregates.programme import programme_id
from domain.aggregates.refill import Refill
from domain.aggregates.schedule import Schedule
from domain.event import Context, Event
from domain.ids import derived_id, partition_of
from domain.recurrence import Rule, next_due
from domain.refill_lines import RefillLine

ACTOR = "system:schedule"
NO_COMPANY = Refused("no-such-company", "There is no company with that id.")
_NO_GROUP = Refused("no-such-group", "This company has no group of that name; `refill group set`.")
_GONE = Refused("no-such-schedule", "There is no schedule with that id.")


class AddSchedule(Command):
    """A new schedule of a company, for all its accounts or those of a group."""

    makes = (schedules.ScheduleAdded,)

    def __init__(
        self,
        origin: Origin,
        deadline_us: int,
        *,
        company_id: UUID,
        group: str,
        each_cents: int,
        method: str,
        payment_method: str,
        rule: Rule,
        until: str = "",
    ) -> None:
        """`until` is the last day (ISO date) on which it may be due; empty: for ever."""
        super().__init__(origin, deadline_us)
        self._company_id = company_id
        self._facts: dict[str, Any] = {
            "group": group,
            "each_cents": each_cents,
            "method": method,
            "payment_method": payment_method,
            "rule": rule,
            "until": until,
        }

    def reads(self) -> list[UUID]:
        """The company and its groups."""
        return [self._company_id, groups.groups_id(self._company_id)]

    def execute(self, states: States, context: Context) -> Outcome:
        """Adds it."""
        if states.get(self._company_id, Company) is None:
            return Outcome(NO_COMPANY)
        named = self._facts["group"]
        known = states.get(groups.groups_id(self._company_id), Groups)
        if named and (known is None or known.get(named) is None):
            return Outcome(_NO_GROUP)
        origin = self.origin
        schedule_id = derived_id(
            "schedule", origin.command_id, origin.issued_ms, partition_of(self._company_id)
        )
        event = schedules.add(context, schedule_id, company_id=self._company_id, **self._facts)
        schedule = schedules.evolve(None, event)
        if schedule.coming is None:
            first, _ = next_due(schedule.rule, schedule.after)
            text = f"Nothing would ever be ordered: it is first due on {first}, after its last day."
            return Outcome(Refused("schedule-over", text))
        return Outcome(_answer(schedule), [event])

    def repeated(self, states: States, made: UUID) -> Any:
        """The schedule as it is by now."""
        schedule = states.get(made, Schedule)
        if schedule is None or schedule.company_id != self._company_id:
            return other_command()
        if any(getattr(schedule, name) != fact for name, fact in self._facts.items()):
            return other_command()
        return {**_answer(schedule), "repeated": True}


_MADE: dict[str, type[Event]] = {
    schedules.PAUSED: schedules.SchedulePaused,
    schedules.ACTIVE: schedules.ScheduleResumed,
    schedules.REMOVED: schedules.ScheduleRemoved,
}


class ChangeSchedule(Command):
    """Pauses, resumes or removes a schedule: `to` is its status from now on."""

    makes = tuple(_MADE.values())

    def __init__(
        self, origin: Origin, deadline_us: int, *, schedule_id: UUID, to: str, why: str
    ) -> None:
        super().__init__(origin, deadline_us)
        self._schedule_id, self._to, self._why = schedule_id, to, why

    def reads(self) -> list[UUID]:
        """The schedule."""
        return [self._schedule_id]

    def execute(self, states: States, context: Context) -> Outcome:
        """Changes it."""
        schedule = states.get(self._schedule_id, Schedule)
        if schedule is None:
            return Outcome(_GONE)
        event = schedules.change(context, schedule, self._to, self._why)
        if event is None:
            text = f"The schedule is {schedule.status} and cannot become {self._to}."
            return Outcome(Refused("schedule-status", text))
        return Outcome(_answer(schedules.evolve(schedule, event)), [event])

    def repeated(self, states: States, made: UUID) -> Any:
        """The schedule as it is by now."""
        schedule = states.get(made, Schedule)
        done = states.first_of(self.origin.command_id, made)
        if schedule is None or made != self._schedule_id or done is not _MADE[self._to]:
            return other_command()
        return {**_answer(schedule), "repeated": True}


class OrderScheduled(Command):
    """The order of a due date: the same schedule and date make the same refill, once.

    `why` says why nothing can be ordered; the run is recorded all the same.
    """

    makes = (schedules.ScheduleRan,)

    def __init__(
        self,
        deadline_us: int,
        *,
        schedule: Schedule,
        due_on: str,
        due_us: int,
        missed: int,
        accounts: Sequence[UUID],
        terms: Terms,
        now_ms: int,
        issuer_id: UUID,
        why: str = "",
    ) -> None:
        origin = Origin(
            command_id=derived_id(f"scheduled/{due_on}", schedule.id, due_us // 1000, 0),
            issued_ms=now_ms,
            actor=ACTOR,
            issuer_id=issuer_id,
        )
        super().__init__(origin, deadline_us)
        self._schedule_id, self._due_on, self._missed = schedule.id, due_on, missed
        self._company_id = schedule.company_id
        self._accounts, self._terms, self._why = accounts, terms, why
        self._refill_id = scheduled_refill_id(schedule, due_on, due_us)

    def reads(self) -> list[UUID]:
        """The schedule, the refill that must not exist yet, the company with its programme."""
        company_id = self._company_id
        return [self._schedule_id, self._refill_id, company_id, programme_id(company_id)]

    def execute(self, states: States, context: Context) -> Outcome:
        """Orders it, unless that was done or the schedule does not want it any more."""
        schedule = states.get(self._schedule_id, Schedule)
        if schedule is None or schedule.status != schedules.ACTIVE:
            return Outcome(Refused("schedule-status", "The schedule orders nothing now."))
        ordered = states.get(self._refill_id, Refill) is not None
        if ordered or self._due_on <= schedule.last_on:
            return Outcome(Refused("ran-before", "That due date was ordered before."))
        if not schedule.orders_on(date.fromisoformat(self._due_on)):
            return Outcome(Refused("schedule-over", "That is after the schedule's last day."))
        ran = schedules.ran(
            context,
            schedule,
            due_on=self._due_on,
            refill_id=None if self._why else self._refill_id,
            missed=self._missed,
            why=self._why,
        )
        events: list[Event] = [ran]
        if not self._why:
            events += order_events(
                context,
                self._refill_id,
                company_id=schedule.company_id,
                lines=tuple(
                    RefillLine(account_id=each, amount_cents=schedule.each_cents)
                    for each in self._accounts
                ),
                terms=self._terms,
                source=refills.SCHEDULE,
                method=schedule.method,
                token=schedule.payment_method,
                group=schedule.group,
                schedule_id=schedule.id,
                due_on=self._due_on,
                ordered_by=schedule.added_by,
                last_day=last_day_of(states, context, schedule.company_id),
            )
        return Outcome({"refill": str(self._refill_id), "why": self._why}, events)


def scheduled_refill_id(schedule: Schedule, due_on: str, due_us: int) -> UUID:
    """The one refill of a schedule and a due date."""
    partition = partition_of(schedule.company_id)
    return derived_id(f"scheduled-refill/{due_on}", schedule.id, due_us // 1000, partition)


class SetGroup(Command):
    """Puts accounts of a company into a group, and takes others out."""

    makes = (groups.GroupChanged,)

    def __init__(
        self,
        origin: Origin,
        deadline_us: int,
        *,
        company_id: UUID,
        name: str,
        add: Sequence[UUID],
        remove: Sequence[UUID],
    ) -> None:
        super().__init__(origin, deadline_us)
        self._company_id, self._name = company_id, name
        self._add, self._remove = add, remove

    def reads(self) -> list[UUID]:
        """The company, its groups and the accounts that come."""
        return [self._company_id, groups.groups_id(self._company_id), *self._add]

    def execute(self, states: States, context: Context) -> Outcome:
        """Changes it; a group exists from its first account on."""
        if states.get(self._company_id, Company) is None:
            return Outcome(NO_COMPANY)
        known = states.get(groups.groups_id(self._company_id), Groups)
        for account_id in self._add:
            account = states.get(account_id, Account)
            if account is None or account.company_id != self._company_id:
                text = f"Account {account_id} is not of this company. Nothing was changed."
                return Outcome(Refused("no-such-account", text))
        if not self._add and (known is None or known.get(self._name) is None):
            return Outcome(_NO_GROUP)
        event = groups.change(
            context,
            known,
            company_id=self._company_id,
            name=self._name,
            added=tuple(self._add),
            removed=tuple(self._remove),
        )
        return Outcome(self._answer(groups.evolve(known, event)), [event])

    def repeated(self, states: States, made: UUID) -> Any:
        """The group as it is by now."""
        known = states.get(made, Groups)
        if known is None or known.get(self._name) is None:
            return other_command()
        return {**self._answer(known), "repeated": True}

    def _answer(self, known: Groups) -> dict[str, Any]:
        group = known.get(self._name)
        assert group is not None, "it was just changed"
        return {"id": str(known.id), "group": group.name, "accounts": len(group.accounts)}


def _answer(schedule: Schedule) -> dict[str, Any]:
    told = {"id": str(schedule.id), "status": schedule.status, "after": schedule.last_on}
    if schedule.status != schedules.ACTIVE or schedule.coming is None:
        return told
    due_on, at_us = schedule.coming
    next_run = {"next_on": due_on.isoformat(), "next_ms": at_us // 1000}
    return {**told, **next_run, "timezone": schedule.rule.timezone}
