"""Which streams concern a card: its transactions, also the declined ones, their disputes, and its
certificates.

The card's own stream, its account's and its cardholder's are named in the card's first event. So
a card's full history is found without reading the log from its beginning.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol
from uuid import UUID

from domain.aggregates.certificate import CertificateIssued
from domain.aggregates.dispute import DisputeOpened
from domain.aggregates.transaction import Authorized, Declined
from domain.event import stored_topics
from projections.ports import Entry

NAME = "card_streams/1"


class CardStream(NamedTuple):
    """`stream_id` concerns the card, from `position` on."""

    card_id: UUID
    position: int
    stream_id: UUID


class CardStreamTable(Protocol):
    """The table, written within the runner's batch."""

    def add(self, streams: Sequence[CardStream]) -> None:
        """Stores new ones."""


class CardStreams:
    """The projection."""

    name = NAME
    tables = ("card_streams",)
    topics = stored_topics((Authorized, Declined, CertificateIssued, DisputeOpened))

    def __init__(self, table: CardStreamTable) -> None:
        self._table = table

    def forget(self) -> None:
        """It remembers nothing."""

    def project(self, entries: Sequence[Entry]) -> None:
        """See `Projection.project`."""
        found = []
        for position, event in entries:
            card_id: UUID | None = None
            if isinstance(event, (Authorized, Declined, DisputeOpened)):
                card_id = event.card_id
            elif isinstance(event, CertificateIssued):
                card_id = event.subject_id
            if card_id is not None:
                found.append(CardStream(card_id, position, event.originator_id))
        if found:
            self._table.add(found)
