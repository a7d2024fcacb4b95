"""Makes an installation from a backup: unpacked and proven beside its place, then put there.

Nothing takes its place before the databases were recovered, the persons who were erased were
erased again, and the log was held against what was signed.
"""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from adapters import settings
from adapters.audit.erasures import Erasure, Erasures
from adapters.cli import archive, leftovers
from adapters.cli.restored_log import (
    Standing,
    judge,
    record_loss,
    set_aside,
    set_published_aside,
)
from adapters.cli.saving import copy_evidence
from adapters.cli.supervisor import write_private
from adapters.postgres.embedded import Cluster
from adapters.postgres.erasing import erase_persons
from adapters.postgres.recovery import (
    EARLIER,
    Target,
    TargetMissed,
    copy_data,
    last_replayed,
    recovered,
    transaction_of,
)
from adapters.settings import Settings

# Settings that lead out of the state folder: a copy beside the living one must not follow them.
_OUTSIDE: Final = ("checkpoint_folder", "wal_archive_folder", "publish_folder")
_ADDRESSES: Final = ("publish_urls",)
_Say = Callable[[str], None]


class LossRefused(Exception):
    """The restored log does not hold everything that was signed, and nobody accepted that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What kind of restore: to which point, in spite of which loss, for good or to look at.

    `latest`: as far as the archive goes. `published` a folder of checkpoints, or None for those
    that the settings name. `wal` where the archives lie now, else where the manifest says.
    """

    at: datetime | None = None
    position: int | None = None
    latest: bool = False
    wal: Path | None = None
    published: Path | None = None
    accept_loss: str | None = None
    rehearsal: bool = False

    @property
    def replays(self) -> bool:
        """Whether archived write-ahead logs are needed."""
        return self.latest or self.at is not None or self.position is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What came out: the manifest, how the log stands, whose keys were deleted again."""

    manifest: dict[str, Any]
    standing: Standing
    last_commit: datetime | None
    erased_again: int
    kept_evidence: Path | None
    published_aside: Path | None = None
    """Where the published checkpoints went that cover what was given up."""
    published_left: Path | None = None
    """A folder with such checkpoints that could not be set aside."""


def restore_installation(
    source: Path, home: Path, wanted: Wanted, progress: Callable[[int], None], say: _Say
) -> Restored:
    """Raises ArchiveBroken, ClusterError, ErasuresBroken, LogUnfit, LossRefused, TargetMissed,
    SettingsError, OSError; then nothing is left of the attempt."""
    home.parent.mkdir(parents=True, exist_ok=True)
    name = f"{home.name}.restoring-{os.getpid()}"
    staging = home / name if _is_fixed(home) else home.with_name(name)
    leftovers.remove(staging.parent, f"{home.name}.restoring-")
    try:
        manifest = archive.extract(source, staging, progress=progress)
        _check_reach(wanted, manifest)
        found = _settled(staging, home, wanted, manifest)
        restored = _prove(found, home, wanted, manifest, say)
        put_in_place(staging, home)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    if restored.standing.lost and found.publish_folder is not None:
        return _begun_anew(restored, found.publish_folder)
    return restored


def _check_reach(wanted: Wanted, manifest: dict[str, Any]) -> None:
    """A backup is never brought to a point before its own end. Raises TargetMissed."""
    ends_us = int(manifest.get("ends_us") or manifest["created_us"])
    if wanted.at is not None and wanted.at.timestamp() * 1_000_000 < ends_us:
        ends = datetime.fromtimestamp(ends_us / 1_000_000).astimezone()
        raise TargetMissed(f"{EARLIER}, or this one as it is; it was complete at {ends:%c %z}")
    least = int(manifest.get("events_at_least") or 0)
    if wanted.position is not None and wanted.position <= least:
        raise TargetMissed(f"{EARLIER}, or this one as it is; it holds event {least:,} already")


def _begun_anew(restored: Restored, folder: Path) -> Restored:
    """What was published beyond the restored log is set aside: else the backend does not start."""
    try:
        return replace(restored, published_aside=set_published_aside(folder))
    except OSError:
        return replace(restored, published_left=folder)


def put_in_place(staging: Path, home: Path) -> None:
    """The restored folder becomes `home`; if it lies within, what is in it goes up.

    Then the databases go last: without them nothing can be served. Raises OSError.
    """
    if staging.parent != home:
        if home.exists():
            home.rmdir()
        staging.rename(home)
        return
    for path in sorted(staging.iterdir(), key=lambda path: path.name == "postgres"):
        path.rename(home / path.name)
    staging.rmdir()


def _is_fixed(home: Path) -> bool:
    """Whether the folder itself cannot be replaced: a mounted volume, or not ours to rename."""
    return home.exists() and (home.is_mount() or not os.access(home.parent, os.W_OK))


def _settled(staging: Path, home: Path, wanted: Wanted, manifest: dict[str, Any]) -> Settings:
    """The settings of the restored installation, as its file will have them."""
    file = staging / "settings.json"
    values: dict[str, Any] = json.loads(file.read_bytes()) if file.exists() else {}
    old_home = Path(str(manifest.get("home") or home))
    for name in _OUTSIDE:
        if name not in values:
            continue
        place = Path(str(values[name]))
        if old_home in place.parents:
            values[name] = str(home / place.relative_to(old_home))
        elif wanted.rehearsal:
            del values[name]
    for name in _ADDRESSES if wanted.rehearsal else ():
        values.pop(name, None)
    if file.exists():
        write_private(file, json.dumps(values, indent=2, sort_keys=True) + "\n")
    environment: dict[str, str] | None = {} if wanted.rehearsal else None
    return settings.load(environment, home=staging)


def _prove(
    found: Settings, home: Path, wanted: Wanted, manifest: dict[str, Any], say: _Say
) -> Restored:
    staging = found.home
    own = staging / "checkpoints"
    outside = found.checkpoint_folder
    live = outside if outside is not None and home not in outside.parents else None
    at_hand = (each for each in (live, found.publish_folder) if each is not None)
    published = wanted.published or next(
        (each for each in at_hand if (each / "checkpoint").exists()), None
    )
    erasures = _all_erasures(own, published)
    ledger = Cluster(staging, "ledger")
    with _ledger_at(ledger, wanted, manifest, say):
        last_commit = last_replayed(ledger) if wanted.replays else None
        erased = erase_persons(ledger.dsn("ledger_owner"), {each.subject for each in erasures})
        say("comparing the log with what was signed")
        standing = judge(ledger.dsn("ledger_auditor"), own, published)
    if standing.lost and not wanted.accept_loss and not wanted.rehearsal:
        raise LossRefused(standing.words)
    _recover_website(staging, wanted, manifest, last_commit, say)
    kept = None
    if live is not None:
        kept = _place_evidence(live, own, standing)
    folder = live or own
    if standing.lost and wanted.accept_loss and published is not None:
        record_loss(folder, standing, (kept or published), wanted.accept_loss)
    _complete_erasures(folder, erasures)
    return Restored(
        manifest=manifest,
        standing=standing,
        last_commit=last_commit,
        erased_again=erased,
        kept_evidence=kept,
    )


@contextmanager
def _ledger_at(
    ledger: Cluster, wanted: Wanted, manifest: dict[str, Any], say: _Say
) -> Iterator[None]:
    """The ledger runs, recovered as far as is wanted, within the block."""
    archived = _archive(wanted, manifest, "ledger") if wanted.replays else None
    target = Target(at=wanted.at)
    if wanted.position is not None:
        assert archived is not None
        target = _target_at(ledger, archived, wanted.position, say)
    say("recovering the ledger database")
    with recovered(ledger, archived, target):
        yield


def _target_at(ledger: Cluster, archived: Path, position: int, say: _Say) -> Target:
    """The transaction of an event, found by replaying everything once on a copy."""
    say(f"looking for event {position:,} in the archive")
    kept = ledger.folder / "data.before"
    copy_data(ledger, kept)
    with recovered(ledger, archived):
        transaction = transaction_of(ledger, position)
    shutil.rmtree(ledger.data)
    kept.rename(ledger.data)
    if transaction is None:
        raise TargetMissed(f"the archive ends before event {position:,}")
    return Target(transaction=transaction)


def _recover_website(
    staging: Path,
    wanted: Wanted,
    manifest: dict[str, Any],
    last_commit: datetime | None,
    say: _Say,
) -> None:
    """To the same moment, so that it knows no report of an event that is not there."""
    website = Cluster(staging, "website")
    say("recovering the website's database")
    if not wanted.replays:
        with recovered(website):
            return
    archived = _archive(wanted, manifest, "website")
    at = wanted.at or (None if wanted.latest else last_commit)
    kept = website.folder / "data.before"
    copy_data(website, kept)
    try:
        with recovered(website, archived, Target(at=at)):
            pass
    except TargetMissed:
        # Nothing was committed there so late: all that is archived is what there was.
        shutil.rmtree(website.data)
        kept.rename(website.data)
        with recovered(website, archived):
            pass
    shutil.rmtree(kept, ignore_errors=True)


def _archive(wanted: Wanted, manifest: dict[str, Any], name: str) -> Path:
    told = manifest.get("wal_archives", {}).get(name)
    if not told:
        raise TargetMissed(
            "no write-ahead log was archived when this backup was made (setting "
            "wal_archive_folder): it can be restored as of its own end only"
        )
    place = Path(told)
    return wanted.wal / place.name if wanted.wal else place


def _place_evidence(live: Path, own: Path, standing: Standing) -> Path | None:
    """The evidence goes where the settings say; the folder that was set aside, if any was."""
    if not (live / "checkpoint").exists():
        live.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = live / "restoring.new"
        copy_evidence(own, fresh)
        for path in list(fresh.iterdir()):
            path.replace(live / path.name)
        fresh.rmdir()
        return None
    return set_aside(live, own) if standing.lost else None


def _all_erasures(*folders: Path | None) -> list[Erasure]:
    found: dict[tuple[Any, int], Erasure] = {}
    for folder in folders:
        if folder is not None:
            found |= {(each.subject, each.at_us): each for each in Erasures(folder).read()}
    return sorted(found.values(), key=lambda each: each.at_us)


def _complete_erasures(folder: Path, erasures: list[Erasure]) -> None:
    """The list of the restored installation names all of them."""
    known = set(Erasures(folder).read())
    missing = [each for each in erasures if each not in known]
    if missing:
        with suppress(FileNotFoundError):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        Erasures(folder).add(missing)
