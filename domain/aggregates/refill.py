"""A refill: money that a company puts on the accounts of its employees, once."""

from uuid import UUID

import msgspec

from domain.event import Context, Event, no_such_event, stamp, stored_as

MOST_CENTS = 1_000_000
"""No account is refilled with more than $10,000.00 at once."""


class RefillLine(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One account's part of a refill."""

    account_id: UUID
    amount_cents: int


@stored_as("refill.credited/1")
class RefillCredited(Event, frozen=True, kw_only=True, gc=False):
    """Every line was credited, in the same commit as this event."""

    company_id: UUID
    lines: tuple[RefillLine, ...]
    total_cents: int
    approved_by: str


class Refill(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The refill as its events made it."""

    id: UUID
    version: int
    company_id: UUID
    total_cents: int
    accounts: int


def evolve(refill: Refill | None, event: Event) -> Refill:
    """The refill after `event`."""
    match event:
        case RefillCredited():
            return Refill(
                id=event.originator_id,
                version=event.originator_version,
                company_id=event.company_id,
                total_cents=event.total_cents,
                accounts=len(event.lines),
            )
        case _:
            raise no_such_event("refill", event)


def credit(
    context: Context,
    id: UUID,
    *,
    company_id: UUID,
    lines: tuple[RefillLine, ...],
    approved_by: str,
) -> RefillCredited:
    """The refill as carried out."""
    return RefillCredited(
        **stamp(context, id, 1),
        company_id=company_id,
        lines=lines,
        total_cents=sum(line.amount_cents for line in lines),
        approved_by=approved_by,
    )
