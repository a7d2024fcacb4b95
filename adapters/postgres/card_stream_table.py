"""`projections.card_streams.CardStreamTable`, and its reader."""

import struct
from collections.abc import Sequence
from uuid import UUID

from adapters.postgres.projection_store import ProjectionDatabase
from adapters.postgres.readers import Readers
from adapters.postgres.sealed_tables import copy_in
from projections.card_streams import CardStream

_ROW = struct.Struct(">hi16siqi16s")


class PostgresCardStreams:
    """Writes within the batch of `database`. Nothing but opaque ids: nothing is sealed."""

    def __init__(self, database: ProjectionDatabase) -> None:
        self._database = database

    def add(self, streams: Sequence[CardStream]) -> None:
        """See the port."""
        rows = [
            _ROW.pack(3, 16, card_id.bytes, 8, position, 16, stream_id.bytes)
            for card_id, position, stream_id in streams
        ]
        copy_in(self._database.connection, "card_streams", "card_id, position, stream_id", rows)


class CardStreamReader:
    """Reads from any thread."""

    def __init__(self, readers: Readers) -> None:
        self._readers = readers

    def streams_of(self, card_id: UUID) -> list[UUID]:
        """The streams that concern a card, in the order of their first event about it."""
        found = self._readers.rows(
            "SELECT stream_id FROM card_streams WHERE card_id = %s ORDER BY position", (card_id,)
        )
        return [row[0] for row in found]
