"""The rules by which payments are watched for cloned cards: one set in the ledger, as data.

Changed by two operators. Before it was ever set, `domain.suspicion.DEFAULTS` hold.
"""

from uuid import UUID

import msgspec

from domain.event import Context, Event, no_such_event, stamp, stored_as
from domain.ids import make_id
from domain.suspicion import DEFAULTS, Watch

WATCH_ID: UUID = make_id(0, 0, 2)
"""The one set of rules of an installation."""


@stored_as("watch.set/1")
class WatchSet(Event, frozen=True, kw_only=True, gc=False):
    """The whole set from now on."""

    rules: Watch
    why: str


class WatchRules(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The set as its events made it."""

    id: UUID
    version: int
    rules: Watch


def evolve(before: WatchRules | None, event: Event) -> WatchRules:
    """The set after `event`."""
    match event:
        case WatchSet():
            return WatchRules(
                id=event.originator_id, version=event.originator_version, rules=event.rules
            )
        case _:
            raise no_such_event("watch", event)


def in_force(known: WatchRules | None) -> Watch:
    """The rules that hold."""
    return known.rules if known is not None else DEFAULTS


def set_rules(context: Context, before: WatchRules | None, *, rules: Watch, why: str) -> WatchSet:
    """Other rules from now on."""
    version = before.version + 1 if before is not None else 1
    return WatchSet(**stamp(context, WATCH_ID, version), rules=rules, why=why)
