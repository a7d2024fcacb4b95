"""Sealed payloads in the projections' tables, each bound to its table and to its clear columns."""

import struct
from collections.abc import Callable, Iterable
from datetime import date
from typing import Any, Generic, TypeVar
from uuid import UUID

import msgspec

from adapters.postgres.data_keys import DataKeys
from adapters.postgres.sealing import DataKey, NotSealedHere, key_id, place
from projections.ports import ReadModelChanged

_S = TypeVar("_S")
_ENCODER = msgspec.msgpack.Encoder(uuid_format="bytes")
_INT8 = struct.Struct(">q")
_EPOCH = date(2000, 1, 1).toordinal()  # PostgreSQL counts days from there

COPY_BEGIN = b"PGCOPY\n\xff\r\n\0" + bytes(8)
COPY_END = b"\xff\xff"
_CHUNK_ROWS = 200


class Sealer(Generic[_S]):
    """Seals and opens the payloads of one type in one table."""

    def __init__(
        self,
        keys: DataKeys,
        table: str,
        cls: type[_S],
        key: Callable[[_S], DataKey] | None = None,
    ) -> None:
        self._keys = keys
        self._table = table.encode()
        self._decoder = msgspec.msgpack.Decoder(cls)
        self._key = key

    def seal(self, state: _S, *clear: bytes) -> bytes:
        """The payload of `state` beside the clear columns, given as bytes."""
        return self.seal_at(state, place(self._table, *clear))

    def seal_at(self, state: _S, at: bytes) -> bytes:
        """The same, where the caller builds `place(table, columns…)` by itself."""
        key = self._key(state) if self._key else self._keys.run_key()
        return key.seal(_ENCODER.encode(state), at)

    def open(self, payload: bytes, *clear: bytes) -> _S:
        """What was sealed there. Raises ReadModelChanged; KeyError for a person who was erased."""
        try:
            key = self._keys.key(key_id(payload))
            return self._decoder.decode(key.open(payload, place(self._table, *clear)))
        except NotSealedHere:
            raise ReadModelChanged(self._table.decode(), "a row does not open") from None
        except KeyError:
            if self._key is not None:
                raise
            raise ReadModelChanged(self._table.decode(), "a row names no key of ours") from None


def int8(number: int) -> bytes:
    """A bigint column as part of a place, and in COPY's binary format."""
    return _INT8.pack(number)


def day(iso: str) -> int:
    """A date column in COPY's binary format: days since 2000."""
    return date.fromisoformat(iso).toordinal() - _EPOCH


def uuid_bytes(id: UUID | None) -> bytes:
    """A uuid column as part of a place; empty for NULL."""
    return id.bytes if id is not None else b""


def copy_in(connection: Any, table: str, columns: str, rows: Iterable[bytes]) -> None:
    """Stores rows that are in COPY's binary format already.

    In chunks, so that the server stores some while others are sealed.
    """
    statement = f"COPY {table} ({columns}) FROM STDIN (FORMAT BINARY)".encode()
    chunk = [COPY_BEGIN]
    with connection.cursor().copy(statement) as copy:
        for row in rows:
            chunk.append(row)
            if len(chunk) >= _CHUNK_ROWS:
                copy.write(b"".join(chunk))
                chunk.clear()
        chunk.append(COPY_END)
        copy.write(b"".join(chunk))
