"""How far the money of a large refill is on its accounts: the lines of an order, some at a time.

Each step is in the commit of the credits that it counts, so it tells at any moment which lines are
done: the first `done` of them, each credited once or refused with a reason.
"""

from uuid import UUID

import msgspec
from msgspec.structs import replace

from domain.event import Context, Event, no_such_event, stamp, stored_as
from domain.ids import derived_id, milliseconds_of, partition_of

NO_SUCH_ACCOUNT = "no-such-account"
"""The company has no such account."""
BAD_AMOUNT = "amount"
"""No amount that an account can be refilled with."""


class RefusedLine(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A line (from 1) that was not credited, and why."""

    line: int
    reason: str


@stored_as("crediting.begun/1")
class CreditingBegun(Event, frozen=True, kw_only=True, gc=False):
    """The lines of an order are being credited: these and no others, by their hash."""

    order_id: UUID
    company_id: UUID
    lines: int
    lines_sha256: bytes
    last_day: str


@stored_as("crediting.advanced/1")
class CreditingAdvanced(Event, frozen=True, kw_only=True, gc=False):
    """The lines up to `done` were credited, but for the refused ones; the last of these here."""

    done: int
    credited: int
    credited_cents: int
    refused: tuple[RefusedLine, ...]


class Crediting(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The crediting as its events made it. Counts and cents are those of the whole until now."""

    id: UUID
    version: int
    order_id: UUID
    company_id: UUID
    lines: int
    lines_sha256: bytes
    last_day: str
    done: int = 0
    credited: int = 0
    credited_cents: int = 0
    refused: tuple[RefusedLine, ...] = ()

    @property
    def finished(self) -> bool:
        """Whether every line was credited or refused."""
        return self.done == self.lines


def crediting_id(order_id: UUID) -> UUID:
    """The crediting of an order: there is one."""
    return derived_id("crediting", order_id, milliseconds_of(order_id), partition_of(order_id))


def credit_id(order_id: UUID, line: int) -> UUID:
    """The credit of a line (from 1): the `command_id` of the event that credits it."""
    return derived_id(f"credit/{line}", order_id, milliseconds_of(order_id), partition_of(order_id))


def evolve(crediting: Crediting | None, event: Event) -> Crediting:
    """The crediting after `event`."""
    match event:
        case CreditingBegun():
            return Crediting(
                id=event.originator_id,
                version=event.originator_version,
                order_id=event.order_id,
                company_id=event.company_id,
                lines=event.lines,
                lines_sha256=event.lines_sha256,
                last_day=event.last_day,
            )
        case CreditingAdvanced() if crediting is not None:
            return replace(
                crediting,
                version=event.originator_version,
                done=event.done,
                credited=crediting.credited + event.credited,
                credited_cents=crediting.credited_cents + event.credited_cents,
                refused=crediting.refused + event.refused,
            )
        case _:
            raise no_such_event("crediting", event)


def begin(
    context: Context,
    order_id: UUID,
    *,
    company_id: UUID,
    lines: int,
    lines_sha256: bytes,
    last_day: str,
) -> CreditingBegun:
    """The first event, in the commit of the first lines."""
    return CreditingBegun(
        **stamp(context, crediting_id(order_id), 1),
        order_id=order_id,
        company_id=company_id,
        lines=lines,
        lines_sha256=lines_sha256,
        last_day=last_day,
    )


def advance(
    context: Context,
    crediting: Crediting,
    *,
    done: int,
    credited: int,
    credited_cents: int,
    refused: tuple[RefusedLine, ...],
) -> CreditingAdvanced:
    """One step further."""
    return CreditingAdvanced(
        **stamp(context, crediting.id, crediting.version + 1),
        done=done,
        credited=credited,
        credited_cents=credited_cents,
        refused=refused,
    )
