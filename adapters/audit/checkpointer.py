"""Follows the log as it is written, and signs every few seconds what it has become.

The rows come from the memory of the writer that stored them, so a row changed in the database a
moment later is caught. What was missed (at the start, after an overload) is read from the database
and opened, which nobody without the keys can forge, before it is believed.
"""

import contextlib
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from adapters.audit.accepted import last_accepted
from adapters.audit.folder import CheckpointFolder
from adapters.audit.leaves import LeavesFile, leaf_of
from adapters.audit.note import Checkpoint, Signer, sign
from adapters.audit.published import check_extends_published
from adapters.audit.taking_up import EvidenceBroken, ReadRows, last_checkpoint, take_up
from application.merkle import Tree
from application.ports import Row, Unavailable
from projections.ports import Unreadable

log = logging.getLogger(__name__)
EVERY_S = 2.0
_HISTORY_S = 60.0
_HASH_S = 0.25
_PAGE = 2_000
_TOGETHER = 256
"""Rows that are hashed and written in one go, before the engine's thread gets its turn."""
_TOLD_S = 1.0
NO_CHECKPOINT = (
    "the log holds events and there is no checkpoint of ours: put the folder of the checkpoints "
    "back. If it is lost for good and you accept the log as it is, unverified, stop the servers "
    "and run 'ticketrestaurant audit accept-new-log'"
)


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """How far the evidence goes: `events` are in the tree, `signed_events` in the checkpoint.

    `broken`: why nothing is signed any more, empty while all is well.
    """

    events: int
    signed_events: int
    signed_us: int
    broken: str


class Checkpointer:
    """`start`, then `stored` for every commit.

    `origin` names the log for ever, without blanks. `signer` makes the log's Ed25519 signature
    (64 bytes), `key` verifies it. `open_row` raises Unreadable for a row that we did not seal. It
    and `read_rows` are called in one thread at a time. At most about `queue_most` rows wait to be
    hashed; what is beyond that is read back. The log must extend the checkpoints in the folders
    `published`, too; `on_signed` gets each new note and must return at once. `newer`
    are the log's later keys, which sign beside the first one.
    """

    def __init__(
        self,
        folder: Path,
        origin: str,
        key: Ed25519PublicKey,
        signer: Callable[[bytes], bytes],
        read_rows: ReadRows,
        open_row: Callable[[Row], object],
        now_us: Callable[[], int],
        *,
        every_s: float = EVERY_S,
        queue_most: int = 20_000,
        on_broken: Callable[[str], None] = lambda why: None,
        extent: Callable[[], tuple[int, int]] | None = None,
        published: Sequence[Path] = (),
        on_signed: Callable[[str], None] = lambda note: None,
        newer: Callable[[], Sequence[Signer]] = tuple,
    ) -> None:
        self._folder = CheckpointFolder(folder)
        self._origin = origin
        self._key = key
        self._signer = signer
        self._read_rows = read_rows
        self._open_row = open_row
        self._now_us = now_us
        self._every_s = every_s
        self._queue_most = queue_most
        self._on_broken = on_broken
        self._extent = extent
        self._published = [CheckpointFolder(each) for each in published]
        self._on_signed = on_signed
        self._newer = newer
        self._queue: deque[Sequence[Row]] = deque()
        self._queued = 0
        self._hashed = 0
        self._behind = False
        self._leaves: LeavesFile | None = None
        self._tree = Tree()
        self._prepared = False
        self._signed = 0
        self._signed_us = 0
        self._next_history = 0.0
        self._stopping = threading.Event()
        self._trouble = ""
        self._broken = ""
        self._thread = threading.Thread(target=self._run, name="checkpoints", daemon=True)

    @property
    def evidence(self) -> Evidence:
        """How far it is."""
        return Evidence(
            events=self._tree.size,
            signed_events=self._signed,
            signed_us=self._signed_us,
            broken=self._broken,
        )

    def start(self) -> None:
        """Takes the evidence up where it ended and starts following. `prepare` may come before.

        Raises EvidenceBroken and OSError. A database that does not answer yet is waited for in the
        thread; `on_broken` is then told what would have been raised.
        """
        if not self._prepared:
            with contextlib.suppress(Unavailable):
                self.prepare()
        self._thread.start()

    def stop(self) -> None:
        """Hashes what is queued, signs, ends."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout=30)

    def stored(self, rows: Sequence[Row]) -> None:
        """Rows that were committed, in order. For the writer's thread: it only queues."""
        if self._broken or self._queued - self._hashed > self._queue_most:
            self._behind = True
            return
        self._queued += len(rows)
        self._queue.append(rows)

    def prepare(self) -> None:
        """Checks that the log extends what was signed and published; hashes what has come since.

        Raises EvidenceBroken, Unavailable, OSError.
        """
        self._folder.make()
        checkpoint = last_checkpoint(self._folder, self._origin, self._key)
        if self._leaves is None:
            self._leaves = self._folder.open_leaves()
        unsigned = self._folder.newest_note() is None
        accepted = self._accepted() if unsigned else None
        self._tree = take_up(self._folder, checkpoint, self._leaves, self._read_rows)
        self._signed = checkpoint.size
        self._catch_up()
        self._check_extent()
        if accepted is not None:
            self._check_accepted(*accepted)
        if unsigned:
            # At once: a crash must not leave events without any checkpoint.
            self._sign()
        for each in self._published:
            check_extends_published(each, self._origin, self._key, self._tree, self._leaves.read)
        self._prepared = True

    def _accepted(self) -> tuple[int, bytes] | None:
        """A log without any checkpoint is signed if it is empty, if our own writer began it while
        the database was being waited for, or if an operator accepted it as it is: None, None, what
        was accepted. Any other may be forged. Raises EvidenceBroken, Unavailable."""
        if not self._read_rows(0, 1) or self._began_here():
            return None
        accepted = last_accepted(self._folder.path)
        if accepted is None:
            raise EvidenceBroken(NO_CHECKPOINT)
        return accepted

    def _began_here(self) -> bool:
        """Whether the first event came from the writer; it may be stored a moment before we are
        told."""
        if not self._queue and self._thread.is_alive():
            self._stopping.wait(_TOLD_S)
        return bool(self._queue) and self._queue[0][0].position == 1

    def _check_extent(self) -> None:
        """Rows that are missing far back, which the look at the newest ones does not notice."""
        if self._extent is None:
            return
        count, last = self._extent()
        if count != last:
            raise EvidenceBroken(f"the log holds {count:,} events and ends at number {last:,}")

    def _check_accepted(self, events: int, root: bytes) -> None:
        assert self._leaves is not None, "opened"
        tree = Tree()
        while tree.size < min(events, self._tree.size):
            tree.add_all(self._leaves.read(tree.size, min(_PAGE, events - tree.size)))
        if tree.size != events or tree.root() != root:
            raise EvidenceBroken("the log is not the one that was accepted")

    def _run(self) -> None:
        next_sign = 0.0
        while not self._broken:
            stopping = self._stopping.wait(_HASH_S)
            try:
                if not self._prepared:
                    self.prepare()
                self._hash_queued()
                if stopping or time.monotonic() >= next_sign:
                    next_sign = time.monotonic() + self._every_s
                    self._sign()
                self._trouble = ""
            except EvidenceBroken as error:
                self._broken = str(error)
                log.critical("%s: nothing is signed any more; run `audit verify`", error)
                self._on_broken(self._broken)
            except Exception as error:
                # What is on the disk is not lost; what was only in memory is read back.
                self._behind = True
                self._say(error)
            if stopping:
                break
        self._queue.clear()
        if self._leaves is not None:
            self._leaves.close()

    def _say(self, error: Exception) -> None:
        """Once for each kind of trouble, not every two seconds for a night."""
        trouble = type(error).__name__
        if trouble != self._trouble:
            expected = isinstance(error, OSError | Unavailable)
            log.error("no checkpoint: %s", trouble, exc_info=None if expected else error)
        self._trouble = trouble

    def _hash_queued(self) -> None:
        queue = self._queue
        while queue:
            rows = self._next_queued()
            self._hashed += len(rows)
            size = self._tree.size
            if rows[0].position > size + 1:
                self._behind = True
            elif rows[-1].position > size:
                self._add(rows[size + 1 - rows[0].position :])
                time.sleep(0)  # the engine's thread first
        if self._behind:
            self._behind = False
            self._catch_up()

    def _next_queued(self) -> Sequence[Row]:
        """The next rows: those of many small commits together, as far as they follow each other."""
        queue = self._queue
        rows = queue.popleft()
        if not queue or len(rows) >= _TOGETHER:
            return rows
        rows = list(rows)
        while queue and len(rows) < _TOGETHER and queue[0][0].position == rows[-1].position + 1:
            rows += queue.popleft()
        return rows

    def _catch_up(self) -> None:
        """Reads from the database what did not come from the writer's memory."""
        while rows := self._read_rows(self._tree.size, _PAGE):
            for row in rows:
                try:
                    self._open_row(row)
                except Unreadable as error:
                    raise EvidenceBroken(
                        f"event {row.position:,} was not sealed by this system"
                    ) from error
            self._add(rows)

    def _add(self, rows: Sequence[Row]) -> None:
        assert self._leaves is not None, "prepared"
        size = self._tree.size
        if rows[0].position != size + 1 or rows[-1].position != size + len(rows):
            raise EvidenceBroken(f"the events after {size:,} have gaps")
        leaves = b"".join(map(leaf_of, rows))
        self._leaves.write(size, leaves)
        self._tree.add_all(leaves)

    def _sign(self) -> None:
        assert self._leaves is not None, "prepared"
        size = self._tree.size
        if size == self._signed and self._signed_us:
            return
        self._leaves.sync()
        checkpoint = Checkpoint(self._origin, size, self._tree.root())
        note = sign(checkpoint, self._key, self._signer, self._newer())
        keep = time.monotonic() >= self._next_history
        self._folder.write_checkpoint(note, self._tree, keep=keep)
        if keep:
            self._next_history = time.monotonic() + _HISTORY_S
        self._signed = size
        self._signed_us = self._now_us()
        self._on_signed(note)
