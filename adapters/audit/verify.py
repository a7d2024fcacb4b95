"""Verifies the whole log against the signed checkpoint outside of the database.

Nothing that the database says about itself is believed: every row is read and hashed here. A row
is protected from the moment its leaf was written, and its place from the next signature on.
"""

import mmap
import time
from collections.abc import Callable
from pathlib import Path

from adapters.audit.diagnosis import diagnose
from adapters.audit.findings import Finding, Verification
from adapters.audit.folder import CheckpointFolder
from adapters.audit.note import BadNote, Checkpoint, LogKeys
from adapters.audit.row_sources import DatabaseRows, RowSource
from adapters.audit.scan import Leaves, Scan
from adapters.audit.stored_rows import StoredRow
from application.merkle import HASH_BYTES, Tree
from application.ports import Row
from projections.ports import Unreadable

OpenRow = Callable[[Row], object]
FINDINGS_MOST = 1_000
_NO_LEAF = bytes(HASH_BYTES)


def verify_log(
    dsn: str,
    folder: Path,
    *,
    key: LogKeys | None = None,
    open_row: OpenRow | None = None,
    progress: Callable[[str, int, int], None] = lambda what, done, of: None,
    shard: int = 0,
) -> Verification:
    """Everything that is not as it was written. `dsn`: of a role that may read `events`.

    `key`: the log's public key, by default the one in the folder, which proves nothing to those
    who do not trust that folder. `open_row` (raises Unreadable) tells for the events after the
    last leaf whether this system sealed them. Raises psycopg.Error, OSError.
    """
    source = DatabaseRows(dsn, shard)
    return verify_rows(
        source, CheckpointFolder(folder), key=key, open_row=open_row, progress=progress
    )


def verify_rows(
    source: RowSource,
    folder: CheckpointFolder,
    *,
    key: LogKeys | None = None,
    open_row: OpenRow | None = None,
    progress: Callable[[str, int, int], None] = lambda what, done, of: None,
    leaves_needed: bool = True,
) -> Verification:
    """The same for rows from anywhere.

    `leaves_needed` False: where the folder has no leaves, as one that checkpoints are published
    to, the rows themselves must lead to the signed root; where they do not, none can be named.
    Raises what the source raises, and OSError.
    """
    return _Verifier(source, folder, key, open_row, progress, leaves_needed).run()


class _Verifier:
    def __init__(
        self,
        source: RowSource,
        folder: CheckpointFolder,
        key: LogKeys | None,
        open_row: OpenRow | None,
        progress: Callable[[str, int, int], None],
        leaves_needed: bool,
    ) -> None:
        self._source = source
        self._folder = folder
        self._key = key
        self._open_row = open_row
        self._progress = progress
        self._leaves_needed = leaves_needed
        self._findings: list[Finding] = []

    def run(self) -> Verification:
        started_s = time.monotonic()
        # In this order: what is signed is in the leaves, and what is in the leaves is stored.
        checkpoint = self._checkpoint()
        signed = checkpoint.size if checkpoint is not None else 0
        without = not (self._leaves_needed or self._folder.has_leaves)
        raw = self._leaves_of_rows(signed) if without else self._raw_leaves()
        believed = checkpoint is not None and self._leaves_fit(raw, checkpoint)
        if without and checkpoint is not None and not believed:
            return self._not_what_was_signed(len(raw) // HASH_BYTES, checkpoint, started_s)
        leaves = Leaves(raw, _count(raw, signed))
        scan = Scan(leaves, self._look_at_tail, tree_size=0 if believed else signed)
        self._read(scan)
        if checkpoint is not None and not believed:
            self._judge_leaves(scan, checkpoint)
        if checkpoint is None and scan.rows and not self._findings:
            text = f"There is no checkpoint: nothing protects the {scan.rows:,} events."
            self._findings.append(Finding(kind="checkpoint", text=text))
        return Verification(
            findings=_bounded(self._findings),
            rows=scan.rows,
            checkpoint_events=signed,
            protected=min(leaves.count, scan.rows),
            unprotected=scan.unprotected,
            opened=self._open_row is not None,
            seconds=time.monotonic() - started_s,
        )

    def _leaves_of_rows(self, signed: int) -> bytes:
        """The leaves of the first rows, as they are."""
        found = bytearray()
        with self._source.reading() as (rows, _):
            for _, leaf, _ in rows:
                if len(found) >= signed * HASH_BYTES:
                    continue  # a COPY must be taken to its end
                found += leaf
                if len(found) % 320_000 == 0:
                    self._progress("signed", len(found) // HASH_BYTES, signed)
        return bytes(found)

    def _not_what_was_signed(
        self, there: int, checkpoint: Checkpoint, started_s: float
    ) -> Verification:
        """Without leaves there is nothing to say about single events."""
        few = f"There are only {there:,} of them. " if there < checkpoint.size else ""
        self._find(
            "checkpoint",
            f"The events are not the {checkpoint.size:,} that were signed. {few}A copy of the file "
            "of leaves beside the checkpoint would tell which.",
        )
        return Verification(
            findings=_bounded(self._findings),
            rows=there,
            checkpoint_events=checkpoint.size,
            protected=0,
            unprotected=0,
            opened=False,
            seconds=time.monotonic() - started_s,
        )

    def _checkpoint(self) -> Checkpoint | None:
        try:
            key = self._key or self._folder.public_keys()
            if not key:
                raise BadNote("log.pub, the log's public key, is missing")
            self._key = key
            checkpoint = self._folder.checkpoint(key)
            if checkpoint is None and self._folder.was_used:
                raise BadNote("it is gone, its history is there")
        except BadNote as error:
            self._find("checkpoint", f"The checkpoint cannot be believed: {error}.")
            return None
        return checkpoint

    def _raw_leaves(self) -> bytes | mmap.mmap:
        """All whole leaves that there are now."""
        try:
            with self._folder.leaves_path.open("rb") as file:
                size = self._folder.leaves_path.stat().st_size
                size -= size % HASH_BYTES
                return mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ) if size else b""
        except FileNotFoundError:
            return b""

    def _leaves_fit(self, raw: bytes | mmap.mmap, checkpoint: Checkpoint) -> bool:
        """Whether the leaves are those that were signed, now and before."""
        assert self._key is not None
        earlier: dict[int, bytes] = {}
        try:
            for each in self._folder.history(self._key):
                if earlier.setdefault(each.size, each.root) != each.root:
                    text = f"Two checkpoints were signed for {each.size:,} events."
                    self._find("history", text)
        except BadNote as error:
            self._find("history", f"The history of checkpoints cannot be believed: {error}.")
        tree = Tree()
        for size in sorted({size for size in earlier if size < checkpoint.size}):
            self._grow(tree, raw, size, checkpoint.size)
            if tree.root() != earlier[size]:
                text = f"The checkpoint of {size:,} events does not fit the leaves."
                self._find("history", text)
        self._grow(tree, raw, checkpoint.size, checkpoint.size)
        return tree.size == checkpoint.size and tree.root() == checkpoint.root

    def _grow(self, tree: Tree, raw: bytes | mmap.mmap, size: int, of: int) -> None:
        while tree.size < size and tree.size * HASH_BYTES < len(raw):
            upto = min(size, tree.size + 50_000)
            tree.add_all(raw[tree.size * HASH_BYTES : upto * HASH_BYTES])
            self._progress("signed", tree.size, of)

    def _read(self, scan: Scan) -> None:
        """The pass over the rows, in one snapshot with the search for copies."""
        done = 0

        def advance(count: int) -> None:
            nonlocal done
            done += count
            self._progress("stored", done, max(done, scan.leaves.count))

        with self._source.reading() as (rows, copies):
            scan.run(rows, advance)
            found = copies() if scan.noticed else {}
        self._findings += diagnose(scan, found)

    def _look_at_tail(self, row: StoredRow) -> None:
        """A row that came after the last leaf: it has no leaf, but it must open."""
        if self._open_row is None:
            return
        parts = row.parts
        if None not in parts:
            stored = Row(*parts[1:])  # type: ignore[arg-type]
            try:
                self._open_row(stored)
            except Unreadable:
                pass
            else:
                return
        self._findings.append(
            Finding(
                kind="changed",
                text=f"Event {row.position:,}, not protected yet, was not sealed by this system.",
                positions=(row.position,),
                stream=parts.stream,
                version=parts.version,
                topic=parts.topic,
            )
        )

    def _judge_leaves(self, scan: Scan, checkpoint: Checkpoint) -> None:
        """The leaves are not those that were signed: is the log?"""
        if scan.tree.size == checkpoint.size and scan.tree.root() == checkpoint.root:
            self._findings = [each for each in self._findings if each.kind == "history"]
            self._find(
                "leaves",
                "The file of leaves was changed; the log itself is what was signed.",
            )
        else:
            self._find(
                "leaves",
                "The file of leaves is not what was signed, and neither is the log: what else is "
                "said here about single events compares the two and is a hint only.",
            )

    def _find(self, kind: str, text: str) -> None:
        self._findings.append(Finding(kind=kind, text=text))


def _count(raw: bytes | mmap.mmap, signed: int) -> int:
    """How many leaves count: not those after the signed ones that a crash left empty."""
    end = raw.find(_NO_LEAF, signed * HASH_BYTES)
    while end >= 0 and end % HASH_BYTES:
        end = raw.find(_NO_LEAF, end + 1)
    return (len(raw) if end < 0 else end) // HASH_BYTES


def _bounded(findings: list[Finding]) -> list[Finding]:
    more = len(findings) - FINDINGS_MOST
    if more <= 0:
        return findings
    rest = Finding(kind="changed", text=f"And {more:,} further findings.")
    return [*findings[:FINDINGS_MOST], rest]
