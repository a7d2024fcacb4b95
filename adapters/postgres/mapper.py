"""Events to sealed rows and back: the Mapper of the eventsourcing library, bound to the row.

The library's own cipher hook sees bytes only and cannot bind a ciphertext to its place.
"""

import struct
from typing import Any
from uuid import UUID

import msgspec
from eventsourcing.persistence import JSONTranscoder, Mapper, StoredEvent

from adapters.postgres.data_keys import DataKeys
from adapters.postgres.sealing import DataKey, NotSealedHere, key_id
from domain.event import Event, decode, encode, topics

PERSONAL = "cardholder."
"""Events of these topics are sealed under the person's own key, except `IMPERSONAL`."""
IMPERSONAL = "cardholder.erased/"

_PLACE = struct.Struct(">I16sIqI")
_PLACES = {topic: topic.encode() for topic in topics()}


def event_place(originator_id: UUID, originator_version: int, topic: str) -> bytes:
    """Where an event stands, as additional data: id, version, topic.

    The same bytes stand in a row of PostgreSQL's binary COPY format.
    """
    name = _PLACES.get(topic) or topic.encode()
    return _PLACE.pack(16, originator_id.int.to_bytes(16), 8, originator_version, len(name)) + name


class SealedMapper(Mapper[UUID]):
    """Seals under the run's key, a person's facts under the person's key."""

    def __init__(self, keys: DataKeys) -> None:
        super().__init__(JSONTranscoder())
        self._keys = keys

    def seal(self, event: Event) -> bytes:
        """The stored state of an event."""
        place = event_place(event.originator_id, event.originator_version, event.TOPIC)
        return self.seal_at(place, event)

    def seal_at(self, place: bytes, event: Event) -> bytes:
        """As `seal`, with the `event_place`."""
        topic = event.TOPIC
        if topic.startswith(PERSONAL) and not topic.startswith(IMPERSONAL):
            key = self._keys.person_key(event.originator_id)
        else:
            key = self._keys.run_key()
        return key.seal(encode(event), place)

    def open(self, originator_id: UUID, originator_version: int, topic: str, state: bytes) -> Event:
        """The event of a row. Raises NotSealedHere if changed or moved, KeyError if erased."""
        place = event_place(originator_id, originator_version, topic)
        event = self.open_with(self.key_of(state), place, topic, state)
        if (event.originator_id, event.originator_version) != (originator_id, originator_version):
            raise NotSealedHere("another event's facts")
        return event

    def key_of(self, state: bytes) -> DataKey:
        """The key that sealed a state. Raises NotSealedHere, KeyError if erased."""
        return self._keys.key(key_id(state))

    def open_with(self, key: DataKey, place: bytes, topic: str, state: bytes) -> Event:
        """As `open`, with the `event_place` as it stands in a row's own bytes."""
        plaintext = key.open(state, place)
        try:
            return decode(topic, plaintext)
        except (msgspec.DecodeError, KeyError) as error:
            raise NotSealedHere(f"not an event of topic {topic}") from error

    def to_stored_event(self, domain_event: Any) -> StoredEvent:
        """See `seal`."""
        return StoredEvent(
            domain_event.originator_id,
            domain_event.originator_version,
            domain_event.TOPIC,
            self.seal(domain_event),
        )

    def to_domain_event(self, stored_event: StoredEvent) -> Any:
        """See `open`."""
        assert isinstance(stored_event.originator_id, UUID)
        return self.open(
            stored_event.originator_id,
            stored_event.originator_version,
            stored_event.topic,
            stored_event.state,
        )
