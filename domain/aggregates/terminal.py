"""A POS terminal of a shop: the box, or the phone that serves as one."""

from uuid import UUID

import msgspec
from msgspec.structs import replace

from domain.event import Context, Event, no_such_event, stamp, stored_as


@stored_as("terminal.registered/1")
class TerminalRegistered(Event, frozen=True, kw_only=True, gc=False):
    """The terminal may ask for authorizations on behalf of its shop."""

    shop_id: UUID
    label: str


@stored_as("terminal.blocked/1")
class TerminalBlocked(Event, frozen=True, kw_only=True, gc=False):
    """The terminal may not ask any more."""

    why: str


class Terminal(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The terminal as its events made it."""

    id: UUID
    version: int
    shop_id: UUID
    label: str
    active: bool = True


def evolve(terminal: Terminal | None, event: Event) -> Terminal:
    """The terminal after `event`."""
    match event:
        case TerminalRegistered():
            return Terminal(
                id=event.originator_id,
                version=event.originator_version,
                shop_id=event.shop_id,
                label=event.label,
            )
        case TerminalBlocked() if terminal is not None:
            return replace(terminal, version=event.originator_version, active=False)
        case _:
            raise no_such_event("terminal", event)


def register(context: Context, id: UUID, *, shop_id: UUID, label: str) -> TerminalRegistered:
    """A new terminal of a shop."""
    return TerminalRegistered(**stamp(context, id, 1), shop_id=shop_id, label=label)


def block(context: Context, terminal: Terminal, *, why: str) -> TerminalBlocked | None:
    """Blocks the terminal; None where it is blocked already."""
    if not terminal.active:
        return None
    return TerminalBlocked(**stamp(context, terminal.id, terminal.version + 1), why=why)
