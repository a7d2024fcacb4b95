"""At the start: does the log extend what was signed? Then the tree goes on where it ended."""

from collections.abc import Callable, Sequence

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from adapters.audit.folder import CheckpointFolder
from adapters.audit.leaves import LeavesFile, leaf_of
from adapters.audit.note import BadNote, Checkpoint
from application.merkle import HASH_BYTES, Tree
from application.ports import Row

ReadRows = Callable[[int, int], Sequence[Row]]
"""Rows after a position, in order, so many at most. Raises Unavailable."""
_PAGE = 2_000
_LOOKED_AT = 1_000
_NO_LEAF = bytes(HASH_BYTES)


class EvidenceBroken(Exception):
    """The log is not an extension of what was signed: the backend must not go on with it."""


def last_checkpoint(folder: CheckpointFolder, origin: str, key: Ed25519PublicKey) -> Checkpoint:
    """What was signed last; of an empty log where nothing ever was.

    Raises EvidenceBroken for a folder that somebody tampered with.
    """
    try:
        known = folder.public_key()
        checkpoint = folder.checkpoint(key)
    except BadNote as error:
        raise EvidenceBroken(f"the checkpoint cannot be believed: {error}") from None
    if known is not None and known != key:
        raise EvidenceBroken("log.pub is not the public key of the log's key in the HSM")
    if checkpoint is None and folder.was_used:
        raise EvidenceBroken("the newest checkpoint is gone, its history is there")
    if checkpoint is not None and checkpoint.origin != origin:
        raise EvidenceBroken("the checkpoint is of another log")
    if known is None:
        folder.write_public_key(key)
    return checkpoint or Checkpoint(origin, 0, Tree().root())


def take_up(
    folder: CheckpointFolder, checkpoint: Checkpoint, leaves: LeavesFile, read_rows: ReadRows
) -> Tree:
    """The tree of all leaves that were kept and that the log fits; the others are cut off.

    Raises EvidenceBroken, Unavailable, OSError.
    """
    kept = len(leaves)
    if kept < checkpoint.size:
        raise EvidenceBroken(
            f"the file of leaves holds {kept:,} of {checkpoint.size:,} signed events"
        )
    tree = folder.tree_of(checkpoint) or _tree_of(leaves, checkpoint)
    _check_last_signed(leaves, checkpoint.size, read_rows)
    more = True
    while more and tree.size < kept:
        more = _take_unsigned(tree, leaves, min(_PAGE, kept - tree.size), read_rows)
    leaves.write(tree.size, b"")
    return tree


def _tree_of(leaves: LeavesFile, checkpoint: Checkpoint) -> Tree:
    tree = Tree()
    while tree.size < checkpoint.size:
        tree.add_all(leaves.read(tree.size, min(65_536, checkpoint.size - tree.size)))
    if tree.root() != checkpoint.root:
        raise EvidenceBroken("the file of leaves is not what was signed")
    return tree


def _check_last_signed(leaves: LeavesFile, size: int, read_rows: ReadRows) -> None:
    """The last signed events are still there as they were; `audit verify` looks at all."""
    after = max(0, size - _LOOKED_AT)
    found = b"".join(map(leaf_of, read_rows(after, size - after)))
    if found != leaves.read(after, size - after):
        raise EvidenceBroken(
            f"the last of the {size:,} signed events are changed or gone from the database"
        )


def _take_unsigned(tree: Tree, leaves: LeavesFile, count: int, read_rows: ReadRows) -> bool:
    """Takes leaves that were written after the checkpoint; False at one that a crash left empty.

    They were hashed from the writer's memory, so a row that differs was changed since.
    """
    raw = leaves.read(tree.size, count)
    kept = [raw[at : at + HASH_BYTES] for at in range(0, len(raw), HASH_BYTES)]
    found = [leaf_of(row) for row in read_rows(tree.size, count)]
    for at, leaf in enumerate(kept):
        if leaf == _NO_LEAF:
            return False
        if found[at : at + 1] != [leaf]:
            raise EvidenceBroken(f"event {tree.size + 1:,} is not what it was when it was stored")
        tree.add(leaf)
    return True
