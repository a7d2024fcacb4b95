"""Makes proofs from what is on the disk: the newest signed checkpoint, the leaves, stored rows.

Every proof is checked before it is given away, so a row or a leaf that was changed is noticed here
and never proven.
"""

import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Final, Protocol
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from msgspec.structs import replace

from adapters.audit.folder import CheckpointFolder
from adapters.audit.leaves import leaf_of, leaves_of_file
from adapters.audit.note import BadNote, Checkpoint, verify
from adapters.audit.proof_file import (
    CONSISTENCY,
    MOST_EVENTS,
    PROOF,
    ConsistencyFile,
    ProofFile,
    ProvenEvent,
    SignedReceipt,
    check_extension,
    check_proof,
    key_fingerprint,
    proven,
)
from adapters.audit.subtrees import LeavesMissing, Subtrees
from application.merkle_proofs import BadProof, consistency_path, inclusion_path
from application.ports import Row

SIGNED_WITHIN_S: Final = 6.0
"""How long a proof waits for the checkpoint that covers a new event: three times the usual."""
_LOOK_S: Final = 0.1


class StoredRows(Protocol):
    """Reads the log. Raises `application.ports.Unavailable`."""

    def rows(self, after: int, limit: int) -> Sequence[Row]: ...

    def streams(self, ids: Collection[UUID]) -> Sequence[Row]: ...


class NoSuchEvent(Exception):
    """The log has no such event."""


class TooMany(Exception):
    """More events than fit in a proof."""


class NotSigned(Exception):
    """No checkpoint covers it yet."""


class NotAsWritten(Exception):
    """The row or its leaf is not what was signed. The text says what to do."""


OpenRows = Callable[[], AbstractContextManager[StoredRows]]
MakeReceipt = Callable[[Sequence[Row], Sequence[bytes], Checkpoint], SignedReceipt]
"""From the rows of a payment, their leaf hashes and the checkpoint."""


class Prover:
    """Safe under threads; calls may wait up to `SIGNED_WITHIN_S` and raise what is above, also
    OSError and `application.ports.Unavailable`."""

    def __init__(
        self, folder: Path, key: Ed25519PublicKey, rows: OpenRows, receipt: MakeReceipt
    ) -> None:
        self._folder = CheckpointFolder(folder)
        self._key = key
        self._rows = rows
        self._receipt = receipt
        self._one = threading.Lock()
        self._subtrees = Subtrees(self._read_leaves)

    def of_position(self, position: int) -> ProofFile:
        """The event at a position is in the log."""
        with self._rows() as log:
            return self._prove(log.rows(position - 1, 1) if position > 0 else (), position)

    def of_stream(self, stream: UUID, *, receipt: bool = False) -> ProofFile:
        """All events of a stream (a transaction, an account, a card …) are in the log.

        `receipt`: signed by the backend; raises NoSuchEvent where it is no answered payment.
        """
        with self._rows() as log:
            rows = log.streams([stream])
        return self._prove(rows, None, receipt=receipt)

    def extension_of(self, old_size: int) -> ConsistencyFile:
        """The log as last signed begins with its first `old_size` events."""
        note, checkpoint = self._signed(old_size)
        with self._as_signed():
            file = ConsistencyFile(
                format=CONSISTENCY,
                origin=checkpoint.origin,
                key_sha256=key_fingerprint(self._key),
                old_size=old_size,
                checkpoint=note,
                tree_size=checkpoint.size,
                path=consistency_path(old_size, checkpoint.size, self._subtrees.root),
            )
            old = Checkpoint(checkpoint.origin, old_size, self._subtrees.root(0, old_size))
            check_extension(file, old, self._key)
        return file

    def _prove(
        self, rows: Sequence[Row], position: int | None, *, receipt: bool = False
    ) -> ProofFile:
        if not rows or position not in (None, rows[0].position):
            raise NoSuchEvent
        if len(rows) > MOST_EVENTS:
            raise TooMany
        note, checkpoint = self._signed(max(row.position for row in rows))
        with self._as_signed():
            file = ProofFile(
                format=PROOF,
                origin=checkpoint.origin,
                key_sha256=key_fingerprint(self._key),
                checkpoint=note,
                tree_size=checkpoint.size,
                events=[self._event(row, checkpoint.size) for row in rows],
            )
            check_proof(file, self._key)
        if not receipt:
            return file
        leaves = [event.leaf_hash for event in file.events]
        return replace(file, receipt=self._receipt(rows, leaves, checkpoint))

    def _event(self, row: Row, size: int) -> ProvenEvent:
        index = row.position - 1
        if self._read_leaves(index, 1) != leaf_of(row):
            raise NotAsWritten(
                f"Event {row.position:,} is not what was written. Run `audit verify`."
            )
        return proven(row, inclusion_path(index, size, self._subtrees.root))

    def _signed(self, size: int) -> tuple[str, Checkpoint]:
        """The newest note, once it covers so many events."""
        deadline_s = time.monotonic() + SIGNED_WITHIN_S
        while True:
            note = self._folder.newest_note()
            if note is not None:
                try:
                    checkpoint = verify(note, self._key)
                except BadNote as error:
                    raise NotAsWritten(
                        f"The newest checkpoint cannot be believed: {error}. Run `audit verify`."
                    ) from None
                if checkpoint.size >= size:
                    return note, checkpoint
            if time.monotonic() > deadline_s:
                raise NotSigned
            time.sleep(_LOOK_S)

    @contextmanager
    def _as_signed(self) -> Iterator[None]:
        """One at a time; a proof that does not fit its checkpoint is not given away."""
        with self._one:
            try:
                yield
            except (BadProof, LeavesMissing) as error:
                self._subtrees.forget()
                raise NotAsWritten(
                    f"The file of leaves is not what was signed ({error}). Run `audit verify`."
                ) from None

    def _read_leaves(self, at: int, count: int) -> bytes:
        with leaves_of_file(self._folder.leaves_path) as read:
            return read(at, count)
