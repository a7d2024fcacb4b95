"""A company that subscribes and funds the cards of its employees."""

from uuid import UUID

import msgspec

from domain.event import Context, Event, no_such_event, stamp, stored_as
from domain.terms import LEGAL_DAY_CENTS

MOST_DAILY_CENTS = LEGAL_DAY_CENTS
"""The most that an account of a company may be let to spend in a day."""


@stored_as("company.registered/1")
class CompanyRegistered(Event, frozen=True, kw_only=True, gc=False):
    """Accounts of the company follow its time zone (IANA) and daily limit (cents)."""

    name: str
    timezone: str
    daily_limit_cents: int
    currency: str


class Company(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The company as its events made it."""

    id: UUID
    version: int
    name: str
    timezone: str
    daily_limit_cents: int
    currency: str


def evolve(company: Company | None, event: Event) -> Company:
    """The company after `event`."""
    match event:
        case CompanyRegistered():
            return Company(
                id=event.originator_id,
                version=event.originator_version,
                name=event.name,
                timezone=event.timezone,
                daily_limit_cents=event.daily_limit_cents,
                currency=event.currency,
            )
        case _:
            raise no_such_event("company", event)


def register(
    context: Context, id: UUID, *, name: str, timezone: str, daily_limit_cents: int
) -> CompanyRegistered:
    """A new company. One currency: USD."""
    return CompanyRegistered(
        **stamp(context, id, 1),
        name=name,
        timezone=timezone,
        daily_limit_cents=daily_limit_cents,
        currency="USD",
    )
