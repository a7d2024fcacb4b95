"""Proofs in the Merkle tree of RFC 6962: a leaf is in a tree, a tree is the beginning of another.

Making them (RFC 9162, sections 2.1.3.1 and 2.1.4.1) asks for roots of subtrees; checking them
(2.1.3.2 and 2.1.4.2) needs the proof alone, and believes nothing of it.
"""

from collections.abc import Callable, Sequence
from hashlib import sha256

from application.merkle import EMPTY_ROOT, HASH_BYTES, NODE

SubtreeRoot = Callable[[int, int], bytes]
"""The root over the leaves from the first number on, up to and without the second. Every subtree
that a proof needs begins at a multiple of the power of two at or above its length."""
LONGEST_PATH = 64
"""Hashes in a path: a tree of 2^63 leaves has no more."""


class BadProof(Exception):
    """The proof does not show what it should."""


def inclusion_path(index: int, size: int, root_of: SubtreeRoot) -> list[bytes]:
    """What leads from leaf `index` to the root of a tree of `size` leaves, from the leaf upwards.

    Raises ValueError for a leaf that is not in it.
    """
    if not 0 <= index < size:
        raise ValueError("no such leaf")
    path = []
    first, end = 0, size
    while end - first > 1:
        middle = first + _left_part(end - first)
        if index < middle:
            path.append(root_of(middle, end))
            end = middle
        else:
            path.append(root_of(first, middle))
            first = middle
    path.reverse()
    return path


def consistency_path(old: int, new: int, root_of: SubtreeRoot) -> list[bytes]:
    """What shows that the tree of `new` leaves begins with that of `old`. Raises ValueError.

    Empty where the sizes are equal, and where `old` is 0: everything extends the empty tree.
    """
    if not 0 <= old <= new:
        raise ValueError("a tree extends only smaller ones")
    if old in (0, new):
        return []
    path = []
    first, end, known = 0, new, True
    while end != old:
        middle = first + _left_part(end - first)
        if old <= middle:
            path.append(root_of(middle, end))
            end = middle
        else:
            path.append(root_of(first, middle))
            first, known = middle, False
    if not known:  # else it is the old root itself, which the verifier has
        path.append(root_of(first, end))
    path.reverse()
    return path


def check_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> None:
    """Returns if the path leads from the leaf hash at `index` to `root`. Raises BadProof."""
    if not 0 <= index < size:
        raise BadProof(f"there is no leaf {index:,} in a tree of {size:,}")
    _check_hashes((leaf, root, *path))
    node, last = index, size - 1
    found = leaf
    for each in path:
        if last == 0:
            raise BadProof("the path is too long")
        if node & 1 or node == last:
            found = sha256(NODE + each + found).digest()
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            found = sha256(NODE + found + each).digest()
        node, last = node >> 1, last >> 1
    if last != 0:
        raise BadProof("the path is too short")
    if found != root:
        raise BadProof("the path does not lead to the signed root")


def check_consistency(
    old: int, old_root: bytes, new: int, new_root: bytes, path: Sequence[bytes]
) -> None:
    """Returns if the tree of `new` leaves begins with that of `old`. Raises BadProof."""
    if not 0 <= old <= new:
        raise BadProof(f"a tree of {new:,} does not extend one of {old:,}")
    _check_hashes((old_root, new_root, *path))
    if old in (0, new):
        if path:
            raise BadProof("the path is too long")
        if old_root != (EMPTY_ROOT if old == 0 else new_root):
            raise BadProof("two trees of the same size have different roots")
        return
    if not path:
        raise BadProof("the path is too short")
    # A complete old tree is a subtree of the new one: its root is not sent.
    hashes = [old_root, *path] if old & (old - 1) == 0 else list(path)
    node, last = old - 1, new - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    found_old = found_new = hashes[0]
    for each in hashes[1:]:
        if last == 0:
            raise BadProof("the path is too long")
        if node & 1 or node == last:
            found_old = sha256(NODE + each + found_old).digest()
            found_new = sha256(NODE + each + found_new).digest()
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            found_new = sha256(NODE + found_new + each).digest()
        node, last = node >> 1, last >> 1
    if last != 0:
        raise BadProof("the path is too short")
    if found_old != old_root:
        raise BadProof("the path does not lead to the old root")
    if found_new != new_root:
        raise BadProof("the path does not lead to the new root")


def _left_part(size: int) -> int:
    """The largest power of two below `size`, which is 2 or more."""
    return 1 << (size - 1).bit_length() - 1


def _check_hashes(hashes: Sequence[bytes]) -> None:
    if len(hashes) > LONGEST_PATH + 2 or any(len(each) != HASH_BYTES for each in hashes):
        raise BadProof(f"a path has at most {LONGEST_PATH} hashes of {HASH_BYTES} bytes")
