"""The rules by which payments are watched: setting them, and rehearsing others on the past."""

from collections import Counter, OrderedDict
from collections.abc import Iterable
from typing import Any
from uuid import UUID

import msgspec

from application.command import Command, Origin, Refused
from application.states import States
from application.work import Outcome
from domain.aggregates import watch as watches
from domain.aggregates.shop import ShopPlaced
from domain.aggregates.transaction import Authorized, Reversed
from domain.aggregates.watch import WATCH_ID, WatchRules
from domain.event import Context, Event
from domain.suspicion import (
    KEPT_US,
    NOTHING,
    REFUSE,
    Place,
    Use,
    Watch,
    assess,
    remembered,
    unheard,
)


class SetWatch(Command):
    """Other rules, as a whole."""

    makes = (watches.WatchSet,)

    def __init__(self, origin: Origin, deadline_us: int, *, rules: Watch, why: str) -> None:
        super().__init__(origin, deadline_us)
        self._rules, self._why = rules, why

    def reads(self) -> list[UUID]:
        """The rules in force."""
        return [WATCH_ID]

    def execute(self, states: States, context: Context) -> Outcome:
        """Sets them."""
        before = states.get(WATCH_ID, WatchRules)
        if watches.in_force(before) == self._rules:
            return Outcome(Refused("unchanged", "These rules are in force already."))
        changed = watches.set_rules(context, before, rules=self._rules, why=self._why)
        return Outcome({"version": changed.originator_version}, [changed])

    def repeated(self, states: States, made: UUID) -> Any:
        """The version in force."""
        known = states.get(WATCH_ID, WatchRules)
        return {"version": known.version if known is not None else 0, "repeated": True}


class Rehearsed(msgspec.Struct, frozen=True, kw_only=True):
    """What rules would have done to payments that were approved. `by_signal`: how many showed it;
    `people`: accounts of which at least one payment would have been stopped."""

    payments: int
    step_ups: int
    refusals: int
    people: int
    by_signal: dict[str, int]


REHEARSED = (Authorized, Reversed, ShopPlaced)
"""The kinds of event that a rehearsal reads."""


def rehearse(events: Iterable[Event], rules: Watch, since_us: int) -> Rehearsed:
    """Replays approved payments, in order of the log; those before `since_us` only lead up to it.

    A payment that would have been refused is not remembered as a use; one that would have needed
    its PIN is: most owners know it.
    """
    places: dict[UUID, Place] = {}
    recent: dict[UUID, tuple[Use, ...]] = {}
    people: set[UUID] = set()
    signals: Counter[str] = Counter()
    counted: Counter[str] = Counter()
    used: OrderedDict[UUID, tuple[UUID, int]] = OrderedDict()  # by payment: account and time
    payments = 0
    for event in events:
        if isinstance(event, ShopPlaced):
            places[event.originator_id] = event.place
            continue
        if isinstance(event, Reversed) and event.originator_id in used:
            account_id, at_us = used.pop(event.originator_id)
            recent[account_id] = unheard(recent[account_id], at_us)
        if not isinstance(event, Authorized):
            continue
        kind = "virtual" if event.signed.consent else "stripe"
        place = places.get(event.shop_id)
        use = Use(event.recorded_at_us, event.shop_id, kind, event.amount_cents, place)
        known = recent.get(event.account_id, ())
        found = assess(rules, known, use)
        action = found.action if kind == "stripe" or found.action == REFUSE else NOTHING
        if action != REFUSE:
            recent[event.account_id] = remembered(known, use)
            used[event.originator_id] = (event.account_id, event.recorded_at_us)
            while next(iter(used.values()))[1] < event.recorded_at_us - KEPT_US:
                used.popitem(last=False)
        if event.recorded_at_us < since_us:
            continue
        payments += 1
        signals.update(found.reasons)
        if action != NOTHING:
            counted[action] += 1
            people.add(event.account_id)
    return Rehearsed(
        payments=payments,
        step_ups=counted["step-up"],
        refusals=counted[REFUSE],
        people=len(people),
        by_signal=dict(signals),
    )
