"""Every row of the events table as raw bytes, fast, whatever somebody did to the table.

PostgreSQL's binary COPY gives each field with a 4-byte length in front, which is exactly how a
leaf is made: a leaf is hashed from the row as it comes, without taking it apart.
"""

import struct
from collections.abc import Iterator
from hashlib import sha256
from typing import Any, NamedTuple
from uuid import UUID

import psycopg

from application.merkle import LEAF

_COPY = (
    "COPY (SELECT shard, position, originator_id, originator_version, topic, state FROM events"
    " ORDER BY position, shard, originator_id, originator_version)"
    " TO STDOUT (FORMAT BINARY)"
)
_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_FIELDS = 6
_AFTER_SHARD = 8  # count of fields (2), length and value of the shard (4 + 2)
_AFTER_POSITION = _AFTER_SHARD + 12
_INT8 = struct.Struct(">q")


class StoredRow:
    """One row: `raw` as COPY gave it. The parts are taken apart only where they are asked for."""

    __slots__ = ("position", "raw")

    def __init__(self, raw: bytes, position: int) -> None:
        self.raw = raw
        self.position = position

    def leaf_at(self, position: int) -> bytes:
        """The leaf that this row would have at another position."""
        head = LEAF + self.raw[_AFTER_SHARD : _AFTER_SHARD + 4] + _INT8.pack(position)
        return sha256(head + self.raw[_AFTER_POSITION:]).digest()

    @property
    def parts(self) -> "Parts":
        """The columns."""
        return _parts(self.raw)


class Parts(NamedTuple):
    """The columns of a row; None for NULL, which only an attacker can store."""

    shard: int | None
    position: int | None
    stream: UUID | None
    version: int | None
    topic: str | None
    state: bytes | None


def rows(connection: "psycopg.Connection[Any]", shard: int) -> Iterator[tuple[int, bytes, bytes]]:
    """(position, leaf, raw) of every row in order of position; position 0: not of this shard, or
    at no position that there is. Raises psycopg.Error."""
    start = struct.pack(">hihi", _FIELDS, 2, shard, 8)
    unpack = _INT8.unpack_from
    with connection.cursor().copy(_COPY.encode()) as copy:
        for data in copy:
            raw = bytes(data)
            raw = raw.removeprefix(_HEADER)
            if raw.startswith(start):
                yield max(0, unpack(raw, 12)[0]), sha256(LEAF + raw[_AFTER_SHARD:]).digest(), raw
            elif len(raw) > 2:  # else the end of the data
                yield 0, b"", raw


def _parts(raw: bytes) -> Parts:
    values: list[Any] = []
    at = 2
    for convert in (_int, _int, _uuid, _int, _text, bytes):
        (length,) = struct.unpack_from(">i", raw, at)
        at += 4
        values.append(None if length < 0 else convert(raw[at : at + length]))
        at += max(0, length)
    return Parts(*values)


def _int(raw: bytes) -> int:
    return int.from_bytes(raw, signed=True)


def _uuid(raw: bytes) -> UUID:
    return UUID(bytes=raw)


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")
