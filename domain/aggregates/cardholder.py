"""A cardholder: the employee of a company, a person with a name.

These events are personal data: they are sealed under the person's own key, so that erasing
the key erases the person and leaves every balance provable. That a person was erased is none: it
names nobody, and is sealed like every other fact.
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


@stored_as("cardholder.erased/1")
class CardholderErased(Event, frozen=True, kw_only=True, gc=False):
    """Two operators decided that the person is forgotten. `why` must not name anybody."""

    company_id: UUID
    why: str


class Cardholder(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The cardholder as its events made it; once erased, without a name."""

    id: UUID
    version: int
    company_id: UUID
    first_name: str
    last_name: str
    email: str
    erased: bool = False


def evolve(cardholder: Cardholder | None, event: Event) -> Cardholder:
    """The cardholder after `event`. Of an erased one the events before cannot be read any more."""
    match event:
        case CardholderErased():
            return Cardholder(
                id=event.originator_id,
                version=event.originator_version,
                company_id=event.company_id,
                first_name="",
                last_name="",
                email="",
                erased=True,
            )
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


def erase(context: Context, cardholder: Cardholder, *, why: str) -> CardholderErased | None:
    """Forgets the person; None where that was done."""
    if cardholder.erased:
        return None
    return CardholderErased(
        **stamp(context, cardholder.id, cardholder.version + 1),
        company_id=cardholder.company_id,
        why=why,
    )
