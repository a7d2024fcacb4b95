"""An operator's recorded word that a log without any checkpoint is to be signed as it is.

Without it whoever can write to the database and remove the folder of the evidence would have a
forged log signed. The word names the events by their count and root, so it accepts that log only.
"""

import json
import os
import time
from pathlib import Path

from adapters.audit.row_sources import DatabaseRows
from application.merkle import Tree

NAME = "accepted"
"""In the folder of the evidence: one line of JSON a decision."""
_KEPT = frozenset({NAME, "log.pub", "losses", "erasures"})


def accept(folder: Path, dsn: str, why: str) -> int:
    """Writes that the log as it is now is accepted; how many events that are.

    What is left of the old evidence is set aside in the folder. Raises psycopg.Error, OSError.
    """
    tree = Tree()
    with DatabaseRows(dsn, 0).reading() as (rows, _):
        for _, leaf, _ in rows:
            tree.add(leaf)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    now_us = time.time_ns() // 1_000
    _set_aside(folder, folder / f"superseded-{now_us}")
    line = {"at_us": now_us, "events": tree.size, "root": tree.root().hex(), "why": why}
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
    with os.fdopen(os.open(folder / NAME, flags, 0o600), "a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
        file.flush()
        os.fsync(file.fileno())
    return tree.size


def last_accepted(folder: Path) -> tuple[int, bytes] | None:
    """Count and root of the events that were accepted last, None where none ever were."""
    try:
        *_, line = (folder / NAME).read_text("utf-8").splitlines()
        found = json.loads(line)
        return int(found["events"]), bytes.fromhex(found["root"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _set_aside(folder: Path, kept: Path) -> None:
    old = [
        path
        for path in folder.iterdir()
        if path.name not in _KEPT and not path.name.startswith("superseded-")
    ]
    if old:
        kept.mkdir(mode=0o700)
        for path in old:
            path.rename(kept / path.name)
