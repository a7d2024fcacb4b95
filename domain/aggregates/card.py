"""A payment card, on plastic (`stripe`) or on a phone (`virtual`).

The full card number is never stored: events hold its masked form, look-ups go by keyed hash.
"""

from uuid import UUID

import msgspec
from msgspec.structs import replace

from domain.answers import Refusal, refusal
from domain.event import Context, Event, no_such_event, stamp, stored_as
from domain.terms import PIN_FREE_CENTS

PIN_TRIES = 3


@stored_as("card.issued/1")
class CardIssued(Event, frozen=True, kw_only=True, gc=False):
    """`expiry` is YYMM as on the stripe; `sequence` counts the re-issues of the number."""

    account_id: UUID
    cardholder_id: UUID
    kind: str
    masked_pan: str
    expiry: str
    sequence: int


@stored_as("card.pin_set/1")
class PinSet(Event, frozen=True, kw_only=True, gc=False):
    """`reference` is what the HSM compares a PIN with; it tells nothing without the HSM."""

    reference: bytes


@stored_as("card.pin_failed/1")
class PinFailed(Event, frozen=True, kw_only=True, gc=False):
    """A wrong PIN; `tries_left` after it."""

    transaction_id: UUID
    tries_left: int


@stored_as("card.pin_accepted/1")
class PinAccepted(Event, frozen=True, kw_only=True, gc=False):
    """The right PIN after wrong ones: the count starts again."""

    transaction_id: UUID


@stored_as("card.pin_referenced/1")
class PinReferenced(Event, frozen=True, kw_only=True, gc=False):
    """The same PIN, which was just presented, referred to by a newer key of the HSM."""

    reference: bytes
    transaction_id: UUID


@stored_as("card.blocked/1")
class CardBlocked(Event, frozen=True, kw_only=True, gc=False):
    """`status` is `blocked`, `lost` or `stolen`."""

    status: str
    why: str


class Card(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The card as its events made it. `status` is `active`, `blocked`, `lost` or `stolen`."""

    id: UUID
    version: int
    account_id: UUID
    cardholder_id: UUID
    kind: str
    masked_pan: str
    expiry: str
    status: str = "active"
    pin_reference: bytes = b""
    pin_failures: int = 0


def evolve(card: Card | None, event: Event) -> Card:
    """The card after `event`."""
    if isinstance(event, CardIssued):
        return Card(
            id=event.originator_id,
            version=event.originator_version,
            account_id=event.account_id,
            cardholder_id=event.cardholder_id,
            kind=event.kind,
            masked_pan=event.masked_pan,
            expiry=event.expiry,
        )
    if card is None:
        raise no_such_event("new card", event)
    version = event.originator_version
    match event:
        case PinSet():
            return replace(card, version=version, pin_reference=event.reference, pin_failures=0)
        case PinFailed():
            return replace(card, version=version, pin_failures=card.pin_failures + 1)
        case PinAccepted():
            return replace(card, version=version, pin_failures=0)
        case PinReferenced():
            return replace(card, version=version, pin_reference=event.reference)
        case CardBlocked():
            return replace(card, version=version, status=event.status)
        case _:
            raise no_such_event("card", event)


def issue(
    context: Context,
    id: UUID,
    *,
    account_id: UUID,
    cardholder_id: UUID,
    kind: str,
    masked_pan: str,
    expiry: str,
    sequence: int = 1,
) -> CardIssued:
    """A new card of an account."""
    return CardIssued(
        **stamp(context, id, 1),
        account_id=account_id,
        cardholder_id=cardholder_id,
        kind=kind,
        masked_pan=masked_pan,
        expiry=expiry,
        sequence=sequence,
    )


def set_pin(context: Context, card: Card, *, reference: bytes) -> PinSet:
    """Sets or replaces the PIN; wrong tries are forgotten."""
    return PinSet(**stamp(context, card.id, card.version + 1), reference=reference)


def block(context: Context, card: Card, *, status: str, why: str) -> CardBlocked | None:
    """Takes the card out of use; None where it has that status already."""
    if card.status == status:
        return None
    return CardBlocked(**stamp(context, card.id, card.version + 1), status=status, why=why)


def check_usable(card: Card, year_month: str) -> Refusal | None:
    """Refuses a card that is lost, stolen, blocked or past its month. `year_month` is YYMM."""
    match card.status:
        case "lost":
            return refusal("41", "card-lost")
        case "stolen":
            return refusal("43", "card-stolen")
        case "blocked":
            return refusal("62", "card-blocked")
    if year_month > card.expiry:
        return refusal("54", "card-expired")
    return None


def check_pin(
    card: Card, amount_cents: int, pin_right: bool | None, free_cents: int = PIN_FREE_CENTS
) -> Refusal | None:
    """Refuses a wrong or missing PIN. `pin_right` is None where none was presented, which a stripe
    needs above `free_cents`.

    After three wrong ones even the right PIN is answered 75, so that nobody can try on.
    """
    if card.pin_failures >= PIN_TRIES:
        return refusal("75", "pin-tries")
    if pin_right is None:
        if card.kind == "stripe" and amount_cents > free_cents:
            return refusal("55", "pin-required")
        return None
    if pin_right:
        return None
    if card.pin_failures + 1 >= PIN_TRIES:
        return refusal("75", "pin-tries")
    return refusal("55", "wrong-pin")


def count_pin(
    context: Context, card: Card, *, pin_right: bool | None, transaction_id: UUID
) -> PinFailed | PinAccepted | None:
    """The event that counts a presented PIN, None where nothing changes."""
    if pin_right is None or card.pin_failures >= PIN_TRIES:
        return None
    if not pin_right:
        return PinFailed(
            **stamp(context, card.id, card.version + 1),
            transaction_id=transaction_id,
            tries_left=PIN_TRIES - card.pin_failures - 1,
        )
    if card.pin_failures:
        return PinAccepted(
            **stamp(context, card.id, card.version + 1), transaction_id=transaction_id
        )
    return None


def refer_to_pin(
    context: Context, card: Card, *, reference: bytes, transaction_id: UUID, counted: bool
) -> PinReferenced:
    """What the right PIN is compared with from now on. `counted`: after an event of `count_pin`."""
    return PinReferenced(
        **stamp(context, card.id, card.version + (2 if counted else 1)),
        reference=reference,
        transaction_id=transaction_id,
    )
