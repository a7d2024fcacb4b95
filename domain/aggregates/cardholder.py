"""A cardholder: the employee of a company, a person with a name.

These events are personal data: they are sealed under the person's own key, so that erasing
the key erases the person and leaves every balance provable.
"""

from uuid import UUID

import msgspec

from domain.event import Context, Event, no_such_event, stamp, stored_as


@stored_as("cardholder.registered/1")
class CardholderRegistered(Event, frozen=True, kw_only=True, gc=False):
    """The person, as the company's list named them."""

    company_id: UUID
    first_name: str
    last_name: str
    email: str


class Cardholder(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The cardholder as its events made it."""

    id: UUID
    version: int
    company_id: UUID
    first_name: str
    last_name: str
    email: str


def evolve(cardholder: Cardholder | None, event: Event) -> Cardholder:
    """The cardholder after `event`."""
    match event:
        case CardholderRegistered():
            return Cardholder(
                id=event.originator_id,
                version=event.originator_version,
                company_id=event.company_id,
                first_name=event.first_name,
                last_name=event.last_name,
                email=event.email,
            )
        case _:
            raise no_such_event("cardholder", event)


def register(
    context: Context, id: UUID, *, company_id: UUID, first_name: str, last_name: str, email: str
) -> CardholderRegistered:
    """A new cardholder."""
    return CardholderRegistered(
        **stamp(context, id, 1),
        company_id=company_id,
        first_name=first_name,
        last_name=last_name,
        email=email,
    )
