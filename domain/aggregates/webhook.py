"""What a payment processor told us, each message once: its id there leads to the same stream."""

import hashlib
from uuid import UUID

import msgspec

from domain.event import Context, Event, no_such_event, stamp, stored_as
from domain.ids import make_id


@stored_as("webhook.received/1")
class WebhookReceived(Event, frozen=True, kw_only=True, gc=False):
    """A message whose signature was verified, and what it came to.

    `event` and `kind` as the processor calls them; `refill_id` where it is about one of ours.
    """

    processor: str
    event: str
    kind: str
    refill_id: UUID | None
    outcome: str


class Webhook(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The message as it was received."""

    id: UUID
    version: int
    processor: str
    event: str
    kind: str
    refill_id: UUID | None
    outcome: str
    received_us: int


def webhook_id(processor: str, event: str, created_ms: int) -> UUID:
    """The stream of a processor's message."""
    digest = hashlib.sha256(f"TR-WEBHOOK/1 {processor} {event}".encode()).digest()
    return make_id(created_ms, 0, int.from_bytes(digest[:8]))


def evolve(webhook: Webhook | None, event: Event) -> Webhook:
    """The message after `event`."""
    match event:
        case WebhookReceived() if webhook is None:
            return Webhook(
                id=event.originator_id,
                version=event.originator_version,
                processor=event.processor,
                event=event.event,
                kind=event.kind,
                refill_id=event.refill_id,
                outcome=event.outcome,
                received_us=event.recorded_at_us,
            )
        case _:
            raise no_such_event("webhook", event)


def receive(
    context: Context,
    id: UUID,
    *,
    processor: str,
    event: str,
    kind: str,
    refill_id: UUID | None,
    outcome: str,
) -> WebhookReceived:
    """A message that was not seen before."""
    return WebhookReceived(
        **stamp(context, id, 1),
        processor=processor,
        event=event,
        kind=kind,
        refill_id=refill_id,
        outcome=outcome,
    )
