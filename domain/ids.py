"""Identifiers: UUIDv8 (RFC 9562) that carry their time and their partition.

Layout: 48 bits of milliseconds, version 8, 12 bits of partition, variant, 62 free bits.
Time order keeps the index local; the partition says which shard an aggregate lives on.
"""

import hashlib
from uuid import UUID

PARTITIONS = 4096
_FREE_BITS = (1 << 62) - 1
_FIXED = (8 << 76) | (2 << 62)


def make_id(ms: int, partition: int, free: int) -> UUID:
    """An id of the given millisecond (0 .. 2^48-1), partition (0 .. 4095) and 62 free bits."""
    if not (0 <= ms < 1 << 48 and 0 <= partition < PARTITIONS):
        raise ValueError("an id needs 48 bits of milliseconds and 12 bits of partition")
    return UUID(int=(ms << 80) | _FIXED | (partition << 64) | (free & _FREE_BITS))


def partition_of(id: UUID) -> int:
    """The partition that the id was made in."""
    return (id.int >> 64) & 0xFFF


def milliseconds_of(id: UUID) -> int:
    """The millisecond since 1970 UTC that the id was made at."""
    return id.int >> 80


def transaction_id(terminal: UUID, counter: int, ms: int, partition: int) -> UUID:
    """The transaction that (terminal, counter, milliseconds) names; the same for ever.

    Derived, so that the same message sent twice meets its own first answer.
    """
    digest = hashlib.sha256(
        b"TR-TXN/1" + terminal.bytes + counter.to_bytes(8) + ms.to_bytes(8)
    ).digest()
    return make_id(ms, partition, int.from_bytes(digest[:8]))


def derived_id(label: str, source: UUID, ms: int, partition: int) -> UUID:
    """The id of what a command makes: the same command sent twice makes the same thing."""
    digest = hashlib.sha256(b"TR-ID/1" + label.encode() + b"\0" + source.bytes).digest()
    return make_id(ms, partition, int.from_bytes(digest[:8]))
