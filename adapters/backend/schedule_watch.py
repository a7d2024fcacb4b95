"""Wakes schedules of refills when they are due. APScheduler only wakes; the ledger remembers.

What fell due while nobody watched is found at the start: one order for the last due date, and how
many earlier ones it covers.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from uuid import UUID

from apscheduler.schedulers.asyncio import AsyncIOScheduler

from adapters.backend.carrying_out import CarryingOut
from adapters.backend.operator_ports import Denied
from application.ports import Clock, Unavailable
from application.read import Read
from application.refill import Terms
from application.schedule import OrderScheduled
from application.states import States
from domain.aggregates import refill as refills
from domain.aggregates.group import Groups, groups_id
from domain.aggregates.schedule import ACTIVE, Schedule
from domain.recurrence import due_us
from protocol.errors import BUSY, UNAVAILABLE

log = logging.getLogger(__name__)
LOOK_EVERY_S = 5
NO_ACCOUNTS, TOO_MANY = "no-accounts", "too-many-accounts"


class ScheduleWatch:
    """A part of the backend. `listed` gives all schedules of the directory and `accounts` those of
    a company, both in a thread; `ordered` is told of each refill that was ordered."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        clock: Clock,
        issuer_id: UUID,
        terms: Terms,
        listed: Callable[[], Iterable[Schedule]],
        accounts: Callable[[UUID], Sequence[UUID]],
        ordered: Callable[[UUID], None],
    ) -> None:
        self._loop, self._clock, self._issuer_id, self._terms = loop, clock, issuer_id, terms
        self._listed, self._accounts, self._ordered = listed, accounts, ordered
        self._due_us: dict[UUID, int] = {}
        self._known = False
        self._works: CarryingOut | None = None
        self._scheduler = AsyncIOScheduler(timezone="UTC")

    def attach(self, works: CarryingOut) -> None:
        """Gives the way to the engine."""
        self._works = works

    @property
    def works(self) -> CarryingOut:
        """The way to the engine."""
        assert self._works is not None
        return self._works

    def start(self) -> None:
        """In the event loop."""
        logging.getLogger("apscheduler").setLevel(logging.WARNING)
        self._scheduler.configure(event_loop=self._loop)
        self._scheduler.add_job(
            self.look, "interval", seconds=LOOK_EVERY_S, max_instances=1, coalesce=True
        )
        self._scheduler.start()

    def stop(self) -> None:
        """Ends; called from another thread."""
        self._loop.call_soon_threadsafe(lambda: self._scheduler.shutdown(wait=False))

    def changed(self, schedule_id: UUID) -> None:
        """A schedule was added or changed: it is looked at with the next turn."""
        self._due_us[schedule_id] = 0

    async def look(self) -> None:
        """Orders what is due."""
        try:
            if not self._known:
                # The list is complete only up to what the engine says is the log's end.
                await self._state(UUID(int=0), Schedule)
                for schedule in await asyncio.to_thread(lambda: list(self._listed())):
                    self._due_us.setdefault(schedule.id, 0)
                self._known = True
            now_us = self._clock.now_us()
            for schedule_id in [id for id, at_us in self._due_us.items() if at_us <= now_us]:
                await self._order(schedule_id, now_us)
        except (Unavailable, Denied) as error:
            log.warning("schedules wait: %s", getattr(error, "code", "unavailable"))
        except Exception:
            log.exception("schedules")

    async def _order(self, schedule_id: UUID, now_us: int) -> None:
        """What is due of one schedule; where it fails, it keeps no other from its money."""
        try:
            await self._run(schedule_id, now_us)
        except Unavailable:
            raise
        except Denied as denied:
            if denied.code in (BUSY, UNAVAILABLE):
                raise
            log.warning("schedule %s waits: %s", schedule_id, denied.code)
        except Exception:
            log.exception("schedule %s", schedule_id)

    async def _run(self, schedule_id: UUID, now_us: int) -> None:
        schedule = await self._state(schedule_id, Schedule)
        if not isinstance(schedule, Schedule) or schedule.status != ACTIVE:
            self._due_us.pop(schedule_id, None)
            return
        due = schedule.due(now_us)
        if due:
            last, at_us = due[-1], due_us(schedule.rule, due[-1])
            assert at_us is not None, "it is due"
            accounts = await self._accounts_of(schedule)
            why = "" if accounts else NO_ACCOUNTS
            if len(accounts) > refills.MOST_LINES:
                why = TOO_MANY
            try:
                answer = await self.works.carry_out(
                    OrderScheduled(
                        self.works.deadline_us(),
                        schedule=schedule,
                        due_on=last.isoformat(),
                        due_us=at_us,
                        missed=len(due) - 1,
                        accounts=accounts,
                        terms=self._terms,
                        now_ms=now_us // 1000,
                        issuer_id=self._issuer_id,
                        why=why,
                    )
                )
                if why:
                    log.warning("schedule %s ordered nothing: %s", schedule_id, why)
                else:
                    self._ordered(UUID(answer["refill"]))
            except Denied as error:
                if error.code not in ("ran-before", "schedule-status", "schedule-over"):
                    raise
            schedule = await self._state(schedule_id, Schedule)
            assert isinstance(schedule, Schedule)
        coming = schedule.coming
        if coming is None:
            self._due_us.pop(schedule_id, None)
        else:
            self._due_us[schedule_id] = coming[1]

    async def _accounts_of(self, schedule: Schedule) -> Sequence[UUID]:
        if not schedule.group:
            return await asyncio.to_thread(self._accounts, schedule.company_id)
        known = await self._state(groups_id(schedule.company_id), Groups)
        group = known.get(schedule.group) if isinstance(known, Groups) else None
        return group.accounts if group is not None else ()

    async def _state(self, id: UUID, cls: type[object]) -> object:
        def look(states: States, _: int) -> object:
            return states.get(id, cls)

        return await self.works.through_engine(Read(id, look, self.works.deadline_us()))
