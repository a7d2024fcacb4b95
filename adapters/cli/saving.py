"""How a backup is gathered: the stopped state folder as it is, or a serving one in an order that
fits.

While serving, in this order: the website first, which must not know reports of events that the
restored ledger does not hold; the evidence next, signed for no more than the ledger then holds;
the ledger; certificates and passwords; last the token, in which the keys of all of that are.
"""

import json
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psycopg

from adapters.cli import archive
from adapters.cli.parts import embedded_clusters
from adapters.cli.settled import look, settled_copy
from adapters.cli.supervisor import write_private
from adapters.postgres.base_backup import base_backup, size_of
from adapters.postgres.wal_folder import ID_FILE
from adapters.settings import Settings

_TRANSCRIPT: Final = ("transcript.jsonl", "transcript.txt", "transcript.pdf", "signatures.json")
_PARTS: Final = (
    *("postgres", "hsm", "secrets", "tls", "pki", "operators", "checkpoints", "settings.json"),
)
# Of a server that is not running; it makes them anew. The archive is that of this life alone.
LEAVE_OUT: Final = frozenset({"postmaster.pid", "postmaster.opts", "data.new", ID_FILE})
LAST_FILE: Final = "last-backup.json"
_FIRST_OF_EVIDENCE: Final = ("history", "checkpoint")
_LAST_OF_EVIDENCE: Final = "leaves"
_Progress = Callable[[int], None]


class KeysDestroyed(Exception):
    """Token files that were there at the start are gone at the end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """Where the parts of a backup lie, and what its manifest says of them."""

    folder: Path
    facts: dict[str, Any]


def parts(home: Path) -> list[str]:
    """What of a state folder, or of a copy of one, a backup holds, if it is there."""
    # Of the key ceremonies what everybody may read: never the custodians' shares.
    ceremonies = ["ceremony", *(f"ceremony/{each.name}" for each in home.glob("ceremony/root-*"))]
    return [*_PARTS, *(f"{each}/{name}" for each in sorted(ceremonies) for name in _TRANSCRIPT)]


def _small_parts(home: Path) -> list[str]:
    """The token last: a key that is rotated meanwhile is in it before its certificate is a file."""
    large = ("postgres", "checkpoints", "hsm")
    return [*(part for part in parts(home) if part not in large), "hsm"]


def bytes_to_copy(settings: Settings) -> int:
    """About how much `gather` copies, for the progress."""
    return sum(size_of(cluster) for cluster in embedded_clusters(settings).values())


def gather(
    settings: Settings, staging: Path, progress: _Progress, max_rate_kb: int | None
) -> Gathered:
    """Copies a serving installation into the new folder `staging`.

    Raises ClusterError, KeysDestroyed, NeverSettled, OSError.
    """
    staging.mkdir(mode=0o700)
    keys_before = set(look(settings.home / "hsm"))
    clusters = embedded_clusters(settings)
    first_files = {}

    def copy(name: str) -> None:
        target = staging / "postgres" / name / "data"
        target.parent.mkdir(mode=0o700, parents=True)
        first_files[name] = base_backup(
            clusters[name], target, progress=progress, max_rate_kb=max_rate_kb
        )

    copy("website")
    copy_evidence(settings.checkpoints, staging / "checkpoints")
    events = _events(clusters["ledger"].dsn("ledger_auditor"))
    copy("ledger")
    ends_us = time.time_ns() // 1_000
    for part in _small_parts(settings.home):
        if (settings.home / part).exists():
            (staging / part).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            settled_copy(settings.home / part, staging / part)
    gone = {path for path in keys_before if not Path(path).exists()}
    if gone:
        raise KeysDestroyed("keys were destroyed in the token while it was copied; try again")
    return Gathered(
        folder=staging,
        facts={
            **facts(settings, "serving"),
            "ends_us": ends_us,
            "events_at_least": events,
            "wal_from": first_files,
        },
    )


def facts(settings: Settings, how: str) -> dict[str, Any]:
    """What every manifest says. `how`: stopped or serving."""
    archives = {
        name: str(cluster.archive.path)
        for name, cluster in embedded_clusters(settings).items()
        if cluster.archive and cluster.archive.path
    }
    return {
        "created_us": time.time_ns() // 1_000,
        "issuer": settings.issuer_name,
        "taken_while": how,
        "home": str(settings.home),
        "wal_archives": archives,
    }


def copy_evidence(source: Path, target: Path) -> None:
    """The folder of checkpoints while it is written to: what is signed is in the leaves.

    History before the checkpoint and that before the leaves: all three only grow.
    """
    target.mkdir(mode=0o700, parents=True)
    names = [path.name for path in source.iterdir() if not path.name.endswith(".new")]
    rest = sorted(set(names) - {*_FIRST_OF_EVIDENCE, _LAST_OF_EVIDENCE})
    for name in (*_FIRST_OF_EVIDENCE, *rest, _LAST_OF_EVIDENCE):
        if name not in names:
            continue
        if (source / name).is_dir():
            copy_evidence(source / name, target / name)
        else:
            _copy_growing(source / name, target / name)


def _copy_growing(source: Path, target: Path) -> None:
    """The file as long as it is now. A file that is replaced is read whole: it was opened once."""
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as out, source.open("rb") as file:
        shutil.copyfileobj(file, out)


def remember(settings: Settings, target: Path, manifest: dict[str, Any]) -> None:
    """For `config check` and the metrics: when the last backup was made, and where it is."""
    said = {
        name: manifest.get(name) for name in ("created_us", "taken_while", "events_at_least")
    } | {"file": str(target)}
    write_private(settings.home / LAST_FILE, json.dumps(said, indent=1))


def last_backup(home: Path) -> dict[str, Any] | None:
    """What `remember` wrote last, None where nothing readable is there."""
    try:
        found = json.loads((home / LAST_FILE).read_bytes())
        return {**found, "created_us": int(found["created_us"]), "file": str(found["file"])}
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write(target: Path, gathered: Gathered, progress: _Progress) -> dict[str, Any]:
    """The file, 0600, whole or not at all; its manifest. Raises OSError, ValueError."""
    return archive.write(
        target,
        gathered.folder,
        parts(gathered.folder),
        gathered.facts,
        leave_out=LEAVE_OUT,
        progress=progress,
    )


def _events(dsn: str) -> int:
    with psycopg.connect(dsn, connect_timeout=5) as connection:
        row = connection.execute("SELECT coalesce(max(position), 0) FROM events").fetchone()
    return int(row[0]) if row else 0
