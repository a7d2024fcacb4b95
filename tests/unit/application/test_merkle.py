"""The tree is that of RFC 6962, however it is grown."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from application.merkle import EMPTY_ROOT, NODE, Tree, leaf_hash

# The entries and roots that implementations of Certificate Transparency are tested with.
ENTRIES = [
    bytes.fromhex(text)
    for text in (
        *("", "00", "10", "2021", "3031", "40414243", "5051525354555657"),
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def test_the_known_roots() -> None:
    tree = Tree()
    assert tree.root() == EMPTY_ROOT == sha256(b"").digest()
    for entry, root in zip(ENTRIES, ROOTS, strict=True):
        tree.add(leaf_hash(entry))
        assert tree.root().hex() == root


def _by_definition(leaves: list[bytes]) -> bytes:
    """RFC 6962, section 2.1, word for word."""
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return sha256(NODE + _by_definition(leaves[:k]) + _by_definition(leaves[k:])).digest()


@given(st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=70), st.data())
def test_the_root_is_that_of_the_definition_also_taken_up_again(
    leaves: list[bytes], data: st.DataObject
) -> None:
    tree = Tree()
    tree.add_all(b"".join(leaves[: (cut := data.draw(st.integers(0, len(leaves))))]))
    again = Tree(tree.size, tree.frontier)
    for leaf in leaves[cut:]:
        again.add(leaf)
    assert again.root() == _by_definition(leaves)
    assert tree.size == cut, "the other one did not grow with it"


def test_a_frontier_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="each bit"):
        Tree(3, [bytes(32)])
