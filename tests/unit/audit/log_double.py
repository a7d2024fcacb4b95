"""A small log with its evidence in a folder, made without a database."""

import hashlib
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from adapters.audit.folder import CheckpointFolder
from adapters.audit.leaves import leaf_of
from adapters.audit.note import Checkpoint, sign
from adapters.audit.proof_file import SignedReceipt
from adapters.audit.proving import MakeReceipt, Prover
from application.merkle import Tree
from application.ports import Row

ORIGIN = "ticketrestaurant.test/log/0"
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


def no_receipt(
    rows: Sequence[Row], leaves: Sequence[bytes], checkpoint: Checkpoint
) -> SignedReceipt:
    raise AssertionError("not asked for")


class SmallLog:
    """`count` events in streams of three; `signed` writes what the checkpointer would."""

    def __init__(self, folder: Path, count: int = 100) -> None:
        self.folder = CheckpointFolder(folder)
        self.folder.make()
        self.folder.write_public_key(KEY.public_key())
        self.stored: list[Row] = []
        self.tree = Tree()
        self.add(count)
        self.signed()

    def add(self, count: int) -> None:
        for position in range(len(self.stored) + 1, len(self.stored) + count + 1):
            stream = UUID(int=(position - 1) // 3 + 1)
            state = hashlib.sha256(b"%d" % position).digest() * 3
            self.add_row(stream, (position - 1) % 3 + 1, "account.credited/1", state)

    def add_row(self, stream: UUID, version: int, topic: str, state: bytes) -> None:
        row = Row(len(self.stored) + 1, stream, version, topic, state)
        self.stored.append(row)
        leaves = self.folder.open_leaves()
        leaves.write(self.tree.size, leaf_of(row))
        leaves.close()
        self.tree.add(leaf_of(row))

    def signed(self) -> str:
        note = self.note(Checkpoint(ORIGIN, self.tree.size, self.tree.root()))
        self.folder.write_checkpoint(note, self.tree, keep=True)
        return note

    def note(self, checkpoint: Checkpoint, key: Ed25519PrivateKey = KEY) -> str:
        return sign(checkpoint, key.public_key(), key.sign)

    def prover(self, receipt: MakeReceipt = no_receipt) -> Prover:
        return Prover(self.folder.path, KEY.public_key(), self._reading, receipt)

    @contextmanager
    def _reading(self) -> "Iterator[SmallLog]":
        yield self

    def rows(self, after: int, limit: int) -> list[Row]:
        return [row for row in self.stored if row.position > after][:limit]

    def streams(self, ids: Collection[UUID]) -> list[Row]:
        return [row for row in self.stored if row.originator_id in ids]
