"""Roots of subtrees from the file of leaves, quickly: complete blocks are hashed once and kept.

A block's root takes 32 bytes for 256 events. The first proof over a million events hashes them all
(half a second), a later one some thousand.
"""

from collections.abc import Callable
from hashlib import sha256

from application.merkle import EMPTY_ROOT, HASH_BYTES, NODE

BLOCK = 256
"""Leaves of a block: a power of two."""
_READ = 64 * BLOCK
ReadLeaves = Callable[[int, int], bytes]
"""So many leaves from a leaf on, one after the other; fewer at the end. Raises OSError."""


class LeavesMissing(Exception):
    """There are fewer leaves than were asked for."""


class Subtrees:
    """`root` is a `application.merkle_proofs.SubtreeRoot`. Not for several threads at a time."""

    def __init__(self, read: ReadLeaves) -> None:
        self._read = read
        self._blocks = bytearray()

    def root(self, first: int, end: int) -> bytes:
        """The root over the leaves from `first` up to `end`. Raises LeavesMissing, OSError.

        `first` is a multiple of the power of two at or above the length, as in every proof.
        """
        whole = end // BLOCK
        if first % BLOCK or whole * BLOCK <= first:
            return _reduce(self._leaves(first, end - first))
        self._hash_blocks(whole)
        roots = self._blocks[first // BLOCK * HASH_BYTES : whole * HASH_BYTES]
        if end % BLOCK:
            roots += _reduce(self._leaves(whole * BLOCK, end % BLOCK))
        return _reduce(bytes(roots))

    def forget(self) -> None:
        """Everything is hashed anew: for leaves that turned out to be others."""
        self._blocks.clear()

    def _hash_blocks(self, count: int) -> None:
        """So that the roots of the first `count` blocks are there."""
        while (done := len(self._blocks) // HASH_BYTES) < count:
            some = min(_READ, (count - done) * BLOCK)
            level = self._leaves(done * BLOCK, some)
            for _ in range(BLOCK.bit_length() - 1):  # level by level, all blocks at once
                level = _pairs(level)
            self._blocks += level

    def _leaves(self, at: int, count: int) -> bytes:
        leaves = self._read(at, count)
        if len(leaves) != count * HASH_BYTES:
            raise LeavesMissing(f"the file of leaves ends before event {at + count:,}")
        return leaves


def _reduce(level: bytes) -> bytes:
    """The root over hashes. One without a neighbour goes up as it is, as RFC 6962 wants it."""
    if not level:
        return EMPTY_ROOT
    while len(level) > HASH_BYTES:
        level = _pairs(level)
    return level


def _pairs(level: bytes) -> bytes:
    paired = len(level) // (2 * HASH_BYTES) * 2 * HASH_BYTES
    parents = [
        sha256(NODE + level[at : at + 2 * HASH_BYTES]).digest()
        for at in range(0, paired, 2 * HASH_BYTES)
    ]
    return b"".join(parents) + level[paired:]
