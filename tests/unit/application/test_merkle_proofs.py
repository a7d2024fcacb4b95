"""Proofs as RFC 6962 and RFC 9162 define them, and nothing else passes as one."""

from collections.abc import Sequence
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.audit.subtrees import BLOCK, LeavesMissing, Subtrees
from application.merkle import HASH_BYTES, NODE, Tree, leaf_hash
from application.merkle_proofs import (
    BadProof,
    check_consistency,
    check_inclusion,
    consistency_path,
    inclusion_path,
)
from tests.unit.application.test_merkle import ENTRIES, ROOTS

LEAVES = [leaf_hash(entry) for entry in ENTRIES]
ROOT = [bytes.fromhex(root) for root in ROOTS]  # of the first n + 1 entries


def root_of(leaves: Sequence[bytes]) -> bytes:
    tree = Tree()
    tree.add_all(b"".join(leaves))
    return tree.root()


class Slow:
    """MTH, PATH and PROOF of RFC 6962, sections 2.1 to 2.1.2, word for word."""

    def __init__(self, leaves: Sequence[bytes]) -> None:
        self.leaves = leaves

    def root(self, first: int, end: int) -> bytes:
        n = end - first
        if n == 1:
            return self.leaves[first]
        k = _k(n)
        left, right = self.root(first, first + k), self.root(first + k, end)
        return sha256(NODE + left + right).digest()

    def path(self, m: int, first: int, end: int) -> list[bytes]:
        n = end - first
        if n == 1:
            return []
        k = _k(n)
        if m < k:
            return [*self.path(m, first, first + k), self.root(first + k, end)]
        return [*self.path(m - k, first + k, end), self.root(first, first + k)]

    def proof(self, m: int, first: int, end: int, whole: bool) -> list[bytes]:
        n = end - first
        if m == n:
            return [] if whole else [self.root(first, end)]
        k = _k(n)
        if m <= k:
            return [*self.proof(m, first, first + k, whole), self.root(first + k, end)]
        return [*self.proof(m - k, first + k, end, False), self.root(first, first + k)]


def _k(n: int) -> int:
    k = 1
    while k * 2 < n:
        k *= 2
    return k


def hexes(path: Sequence[bytes]) -> list[str]:
    return [each.hex() for each in path]


# The paths that implementations of Certificate Transparency are tested with (leaf and size
# counted from 0 and 1), and the example of RFC 6962, section 2.1.3.
INCLUSION = {
    (0, 1): [],
    (0, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (5, 8): [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 3): ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"],
    (1, 5): [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}
CONSISTENCY = {
    (1, 1): [],
    (1, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (6, 8): [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 5): [
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}


@pytest.mark.parametrize(("index", "size"), INCLUSION)
def test_the_known_inclusion_proofs(index: int, size: int) -> None:
    path = inclusion_path(index, size, Slow(LEAVES).root)
    assert hexes(path) == INCLUSION[index, size]
    check_inclusion(LEAVES[index], index, size, path, ROOT[size - 1])


@pytest.mark.parametrize(("old", "new"), CONSISTENCY)
def test_the_known_consistency_proofs(old: int, new: int) -> None:
    path = consistency_path(old, new, Slow(LEAVES).root)
    assert hexes(path) == CONSISTENCY[old, new]
    check_consistency(old, ROOT[old - 1], new, ROOT[new - 1], path)


def test_every_proof_of_small_trees_is_that_of_the_definition() -> None:
    leaves = [leaf_hash(bytes([n])) for n in range(33)]
    slow = Slow(leaves)
    for size in range(1, 34):
        root = slow.root(0, size)
        for index in range(size):
            path = inclusion_path(index, size, slow.root)
            assert path == slow.path(index, 0, size)
            check_inclusion(leaves[index], index, size, path, root)
            proof = consistency_path(index + 1, size, slow.root)
            assert proof == slow.proof(index + 1, 0, size, True)
            check_consistency(index + 1, slow.root(0, index + 1), size, root, proof)


def test_everything_extends_the_empty_tree() -> None:
    assert consistency_path(0, 8, Slow(LEAVES).root) == []
    check_consistency(0, Tree().root(), 8, ROOT[7], [])
    with pytest.raises(BadProof):
        check_consistency(0, ROOT[0], 8, ROOT[7], [])


_LEAF = st.binary(min_size=32, max_size=32)


@given(st.lists(_LEAF, min_size=1, max_size=40, unique=True), st.data())
def test_any_change_to_an_inclusion_proof_is_noticed(
    leaves: list[bytes], data: st.DataObject
) -> None:
    size = len(leaves)
    index = data.draw(st.integers(0, size - 1))
    path = inclusion_path(index, size, Slow(leaves).root)
    root = root_of(leaves)
    check_inclusion(leaves[index], index, size, path, root)
    other = data.draw(_LEAF.filter(lambda each: each not in leaves))
    wrong: list[tuple[bytes, int, list[bytes]]] = [
        (other, index, path),
        (leaves[index], index, [*path, other]),
        (leaves[index], size, path),
        (leaves[index], -1, path),
    ]
    if path:
        at = data.draw(st.integers(0, len(path) - 1))
        wrong += [
            (leaves[index], index, path[:-1]),
            (leaves[index], index, path[1:]),
            (leaves[index], index, [*path[:at], other, *path[at + 1 :]]),
            (leaves[index], index, [*path[:at], path[at][:-1], *path[at + 1 :]]),
        ]
        elsewhere = data.draw(st.integers(0, size - 1).filter(lambda each: each != index))
        wrong.append((leaves[index], elsewhere, path))
    for leaf, place, changed in wrong:
        with pytest.raises(BadProof):
            check_inclusion(leaf, place, size, changed, root)


@given(st.lists(_LEAF, min_size=2, max_size=40, unique=True), st.data())
def test_any_change_to_a_consistency_proof_is_noticed(
    leaves: list[bytes], data: st.DataObject
) -> None:
    new = len(leaves)
    old = data.draw(st.integers(1, new))
    path = consistency_path(old, new, Slow(leaves).root)
    old_root, new_root = root_of(leaves[:old]), root_of(leaves)
    check_consistency(old, old_root, new, new_root, path)
    other = data.draw(_LEAF.filter(lambda each: each not in leaves))
    wrong = [(other, new_root, path), (old_root, other, path), (old_root, new_root, [*path, other])]
    if path:
        at = data.draw(st.integers(0, len(path) - 1))
        wrong += [
            (old_root, new_root, path[:-1]),
            (old_root, new_root, [*path[:at], other, *path[at + 1 :]]),
        ]
    for first, second, changed in wrong:
        with pytest.raises(BadProof):
            check_consistency(old, first, new, second, changed)
    with pytest.raises(BadProof):
        check_consistency(new + 1, old_root, new, new_root, path)


@pytest.mark.parametrize("size", [0, 2**63, 2**70])
def test_absurd_sizes_are_refused(size: int) -> None:
    with pytest.raises(BadProof):
        check_inclusion(LEAVES[0], 0, size, [], ROOT[0])
    with pytest.raises(BadProof):
        check_inclusion(LEAVES[0], size, size, [], ROOT[0])
    with pytest.raises(BadProof):
        check_consistency(1, ROOT[0], size, ROOT[7], [])
    with pytest.raises(BadProof):
        check_inclusion(LEAVES[0], 0, 2**63, [bytes(32)] * 2_000_000, ROOT[0])


def test_no_proof_is_made_of_what_is_not_there() -> None:
    for index, size in ((8, 8), (-1, 8), (0, 0)):
        with pytest.raises(ValueError, match="no such leaf"):
            inclusion_path(index, size, Slow(LEAVES).root)
    with pytest.raises(ValueError, match="smaller"):
        consistency_path(9, 8, Slow(LEAVES).root)


def read_from(raw: bytes) -> Subtrees:
    return Subtrees(
        lambda at, count: raw[at * HASH_BYTES : (at + count) * HASH_BYTES],
    )


@given(st.integers(1, 5 * BLOCK), st.data())
def test_subtrees_are_those_of_the_tree_however_they_are_come_by(
    size: int, data: st.DataObject
) -> None:
    raw = b"".join(sha256(n.to_bytes(4)).digest() for n in range(size))
    leaves = [raw[at : at + 32] for at in range(0, len(raw), 32)]
    subtrees = read_from(raw)
    root = root_of(leaves)
    assert subtrees.root(0, size) == root
    for index in (0, size - 1, data.draw(st.integers(0, size - 1))):
        path = inclusion_path(index, size, subtrees.root)
        check_inclusion(leaves[index], index, size, path, root)
    old = data.draw(st.integers(1, size))
    check_consistency(
        old, root_of(leaves[:old]), size, root, consistency_path(old, size, subtrees.root)
    )


def test_leaves_that_are_missing_are_said_to_be() -> None:
    with pytest.raises(LeavesMissing, match="before event 1,024"):
        read_from(bytes(32 * 1_000)).root(0, 1_024)
