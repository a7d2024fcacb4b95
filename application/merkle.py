"""The Merkle tree of RFC 6962, section 2.1, over leaf hashes (SHA-256), grown from the left.

A tree is kept as its frontier: the roots of its complete subtrees, largest first, one for each
bit of its size. Growing by a leaf costs one hash on average, the root as many as there are bits.
"""

from collections.abc import Iterable
from hashlib import sha256

LEAF, NODE = b"\0", b"\1"
HASH_BYTES = 32
EMPTY_ROOT = sha256().digest()


def leaf_hash(entry: bytes) -> bytes:
    """The leaf of an entry: SHA-256 over 0x00 and the entry."""
    return sha256(LEAF + entry).digest()


class Tree:
    """A tree of `size` leaves. Without arguments the empty one."""

    __slots__ = ("_frontier", "size")

    def __init__(self, size: int = 0, frontier: Iterable[bytes] = ()) -> None:
        self.size = size
        self._frontier = list(frontier)
        if len(self._frontier) != size.bit_count():
            raise ValueError("a frontier has one hash for each bit of the size")

    @property
    def frontier(self) -> tuple[bytes, ...]:
        """The roots of the complete subtrees, largest first."""
        return tuple(self._frontier)

    def add(self, leaf: bytes) -> None:
        """One more leaf, already hashed."""
        frontier, size = self._frontier, self.size
        while size & 1:  # each bit carried merges two subtrees of the same size
            leaf = sha256(NODE + frontier.pop() + leaf).digest()
            size >>= 1
        frontier.append(leaf)
        self.size += 1

    def add_all(self, leaves: bytes) -> None:
        """Many leaves, 32 bytes each, one after the other."""
        for at in range(0, len(leaves), HASH_BYTES):
            self.add(leaves[at : at + HASH_BYTES])

    def root(self) -> bytes:
        """The root hash."""
        if not self._frontier:
            return EMPTY_ROOT
        root = self._frontier[-1]
        for left in reversed(self._frontier[:-1]):
            root = sha256(NODE + left + root).digest()
        return root

    def copy(self) -> "Tree":
        """A tree that grows apart."""
        return Tree(self.size, self._frontier)
