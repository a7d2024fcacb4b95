"""Refills, wired: what goes on with them, what wakes their schedules, what processors tell.

Part of the composition root, in a file of its own because it is a subject of its own.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from adapters.backend.carrying_out import CarryingOut
from adapters.backend.refill_reads import RefillLists
from adapters.backend.refill_steps import ReadAhead
from adapters.backend.refill_work import RefillWork
from adapters.backend.schedule_watch import ScheduleWatch
from adapters.backend.webhooks import Webhooks
from adapters.clock import SystemClock
from adapters.ledger_views import LedgerViews
from adapters.processors.choice import processor_of
from adapters.settings import Settings
from application.ports import Clock, Unavailable
from application.refill import Terms


@dataclass(frozen=True)
class Refilling:
    """The parts. `parts` run beside the engine."""

    work: RefillWork
    watch: ScheduleWatch
    webhooks: Webhooks
    reads: RefillLists

    @property
    def parts(self) -> list[RefillWork | ScheduleWatch]:
        """In the order of their start."""
        return [self.work, self.watch]

    def attach(self, works: CarryingOut) -> None:
        """Gives them the way to the engine."""
        self.work.attach(works)
        self.watch.attach(works)


def build_refilling(
    settings: Settings,
    loop: asyncio.AbstractEventLoop,
    views: LedgerViews,
    clock: Clock,
    issuer_id: UUID,
    read_ahead: ReadAhead,
) -> Refilling:
    """Raises SettingsError for a processor whose secrets are not there."""
    terms = Terms(
        alone_most_cents=settings.refill_alone_most_cents, fee_cents=settings.refill_fee_cents
    )

    def listed(kind: str) -> Iterator[Any]:
        if not views.caught_up():
            raise Unavailable("the directory is behind")
        for page in views.listed.pages(kind, None, 500):
            yield from page

    def accounts(company_id: UUID) -> list[UUID]:
        if not views.caught_up():
            raise Unavailable("the directory is behind")
        return views.directory.account_ids(company_id)

    work = RefillWork(
        loop,
        clock,
        issuer_id,
        terms,
        processor_of(settings),
        views.stream,
        read_ahead,
        lambda: listed("refill"),
    )
    watch = ScheduleWatch(
        loop, clock, issuer_id, terms, lambda: listed("schedule"), accounts, work.wake
    )
    work.schedule_changed = watch.changed
    # What was signed when is told by the machine's clock, also where a sandbox is ahead of it.
    webhooks = Webhooks(work, SystemClock(), issuer_id)
    reads = RefillLists(
        views.listed,
        views.stream,
        webhooks,
        lambda refill_id: work.trouble.get(refill_id, ""),
        settings.issuer_name,
    )
    return Refilling(work, watch, webhooks, reads)
