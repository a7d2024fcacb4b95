"""Does a restored log hold everything that was ever signed? And what if it does not.

Two folders of evidence are asked: the one in the backup, which the log must fit in any case, and
the one that was published since, where there is one. What that covers beyond the log is lost:
payments that were answered, and that the restored installation knows nothing of.
"""

import json
import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from adapters.audit.erasures import NAME as ERASURES
from adapters.audit.folder import CheckpointFolder
from adapters.audit.note import BadNote, Checkpoint, LogKeys
from adapters.audit.row_sources import DatabaseRows
from adapters.audit.verify import verify_log
from adapters.cli.saving import copy_evidence
from application.merkle import Tree

LOSSES: Final = "losses"
PUBLISHED: Final = ("history", "checkpoint")


class LogUnfit(Exception):
    """The log, or the evidence beside it, is not what was signed; the message says how."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """The restored log holds `events`; the last published checkpoint covers `published`.

    `compared`: that is another one than the checkpoint in the backup itself.
    """

    events: int
    published: int
    compared: bool

    @property
    def lost(self) -> int:
        """How many events were signed and are not there."""
        return max(0, self.published - self.events)

    @property
    def words(self) -> str:
        """For people."""
        if not self.compared:
            return (
                f"the backup ends at event {self.events:,}, its own checkpoint covers "
                f"{self.published:,}; no later one was at hand to compare with (--published)"
            )
        if not self.lost:
            return (
                f"the backup ends at event {self.events:,}; the last published checkpoint covers "
                f"{self.published:,}: nothing that was signed is lost"
            )
        return (
            f"the backup ends at event {self.events:,}; the last published checkpoint covers "
            f"{self.published:,}: {self.lost:,} events were answered and are not in it"
        )


def judge(dsn: str, own: Path, published: Path | None) -> Standing:
    """How the log stands to both folders. `dsn`: the auditor's. Raises LogUnfit, OSError."""
    verification = verify_log(dsn, own)
    if not verification.intact:
        raise LogUnfit(f"its log is not what was signed: {verification.findings[0].text}")
    events = verification.rows
    if published is None:
        signed = verification.checkpoint_events
        return Standing(events=events, published=signed, compared=False)
    key = CheckpointFolder(own).public_key()
    try:
        checkpoint = CheckpointFolder(published).checkpoint(key) if key else None
    except BadNote as error:
        raise LogUnfit(f"the checkpoint in {published} cannot be believed: {error}") from None
    if checkpoint is None or key is None:
        raise LogUnfit(f"there is no checkpoint in {published}")
    if CheckpointFolder(published).has_leaves:
        later = verify_log(dsn, published, key=key)
        # A log that is too short is cut off; anything else means that it is another log.
        wrong = [each.text for each in later.findings if each.kind != "cut-off"]
    else:
        wrong = _against_notes(dsn, CheckpointFolder(published), checkpoint, key)
    if wrong:
        raise LogUnfit(f"it is another log than the published one: {wrong[0]}")
    return Standing(events=events, published=checkpoint.size, compared=True)


def _against_notes(
    dsn: str, folder: CheckpointFolder, newest: Checkpoint, key: LogKeys
) -> list[str]:
    """What is wrong, by the notes alone, as a folder holds them that checkpoints are published to.

    Each of them that the log is long enough for must be of its first events.
    """
    try:
        notes = {each.size: each for each in folder.history(key)}
    except BadNote as error:
        return [f"the history in {folder.path} cannot be believed: {error}"]
    notes[newest.size] = newest
    wrong: list[str] = []
    tree = Tree()
    with DatabaseRows(dsn, 0).reading() as (rows, _):
        for _, leaf, _ in rows:  # a COPY must be taken to its end
            tree.add(leaf)
            note = notes.get(tree.size)
            if note is not None and note.root != tree.root():
                wrong.append(f"its first {tree.size:,} events are not those that were signed")
    return wrong


def set_published_aside(folder: Path) -> Path | None:
    """Moves the notes of a folder that checkpoints are published to into a folder there; which one.

    None where there are none. Who signs, and who was erased, stays. Raises OSError.
    """
    notes = [path for name in PUBLISHED if (path := folder / name).exists()]
    if not notes:
        return None
    kept = folder / f"superseded-{time.time_ns() // 1_000}"
    kept.mkdir(mode=0o755)
    for path in notes:
        path.rename(kept / path.name)
    return kept


def set_aside(live: Path, own: Path) -> Path:
    """Puts the backup's evidence in the place of the later one, which is kept in a folder there.

    Nothing is deleted: what was signed stays to be shown. Raises OSError.
    """
    kept = live / f"superseded-{time.time_ns() // 1_000}"
    kept.mkdir(mode=0o700)
    for path in list(live.iterdir()):
        if path != kept and path.name not in (ERASURES, LOSSES):
            path.rename(kept / path.name)
    fresh = live / f"{kept.name}.new"
    copy_evidence(own, fresh)
    for path in list(fresh.iterdir()):
        if path.name not in (ERASURES, LOSSES) or not (live / path.name).exists():
            path.rename(live / path.name)
    shutil.rmtree(fresh)
    return kept


def record_loss(folder: Path, standing: Standing, published: Path, why: str) -> None:
    """A line in the evidence: what was given up, why, and the checkpoint that says so."""
    try:
        note = (published / "checkpoint").read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        note = ""
    line = {
        "at_us": time.time_ns() // 1_000,
        "events_kept": standing.events,
        "events_published": standing.published,
        "why": why,
        "published_checkpoint": note,
    }
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
    with os.fdopen(os.open(folder / LOSSES, flags, 0o600), "a", encoding="utf-8") as file:
        file.write(json.dumps(line, ensure_ascii=False) + "\n")
        file.flush()
        os.fsync(file.fileno())
