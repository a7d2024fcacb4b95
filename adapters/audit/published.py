"""At the start: does the log extend the checkpoint that was published elsewhere?

A backup that is put back is consistent in itself, database and checkpoints alike. That it is an
older state shows only against what was published off the machine.
"""

import logging
from collections.abc import Callable

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from adapters.audit.folder import CheckpointFolder
from adapters.audit.note import BadNote, Checkpoint
from adapters.audit.subtrees import Subtrees
from adapters.audit.taking_up import EvidenceBroken
from application.merkle import Tree

log = logging.getLogger(__name__)


def check_extends_published(
    folder: CheckpointFolder,
    origin: str,
    key: Ed25519PublicKey,
    tree: Tree,
    read_leaves: Callable[[int, int], bytes],
) -> None:
    """Returns if `tree`, the whole log with its leaves, extends the folder's newest checkpoint.

    A folder where nothing was published yet forbids nothing; the log says so. Raises
    EvidenceBroken, also where the folder cannot be read. Hashes half a second a million events,
    unless the published checkpoint is of the whole log.
    """
    published = _published(folder, origin, key)
    if published is None:
        if tree.size:
            log.warning("no checkpoint was published in %s: nothing to compare with", folder.path)
        return
    size = published.size
    if size > tree.size:
        raise EvidenceBroken(
            f"the log has {tree.size:,} events, but a checkpoint of {size:,} was published in "
            f"{folder.path}: this is an older state, as of an old backup"
        )
    root = tree.root() if size == tree.size else Subtrees(read_leaves).root(0, size)
    if root != published.root:
        raise EvidenceBroken(
            f"the first {size:,} events of the log are not those whose checkpoint was published in "
            f"{folder.path}: this is another past"
        )


def _published(folder: CheckpointFolder, origin: str, key: Ed25519PublicKey) -> Checkpoint | None:
    try:
        checkpoint = folder.checkpoint(key)
        if checkpoint is None and folder.was_used:
            raise BadNote("it is gone, its history is there")
    except BadNote as error:
        raise EvidenceBroken(
            f"the checkpoint that was published in {folder.path} cannot be believed: {error}"
        ) from None
    except OSError as error:
        raise EvidenceBroken(
            f"the published checkpoints in {folder.path} cannot be read: {error.strerror}"
        ) from None
    if checkpoint is not None and checkpoint.origin != origin:
        raise EvidenceBroken(f"{folder.path} holds the checkpoints of another log")
    return checkpoint
