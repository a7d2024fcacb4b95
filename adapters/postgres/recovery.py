"""Brings a copy of an embedded server's data to a point in time, out of its write-ahead log.

The copy must not have been started since it was made. `recovered` starts it, PostgreSQL replays,
stops at the target, and begins a new timeline: what came after the target is not in this copy,
and the archive keeps it.
"""

import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import psycopg

from adapters.postgres.embedded import SUPERUSER, Cluster, ClusterError
from adapters.postgres.wal_folder import restore_command

_PATIENCE_S: Final = 6 * 3600.0
_NOT_REACHED: Final = "before configured recovery target was reached"
EARLIER: Final = "that is before the backup was complete: take an older one"
_TOO_EARLY: Final = "before consistent recovery point"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where to stop: before the first commit after a time, after a transaction, or at the end."""

    at: datetime | None = None
    transaction: str | None = None


class TargetMissed(Exception):
    """The write-ahead log does not lead to the target; the message says on which side it lies."""


@contextlib.contextmanager
def recovered(
    cluster: Cluster, archive: Path | None = None, target: Target | None = None
) -> Iterator[None]:
    """The server runs, recovered, within the block.

    Without `archive` it only takes up what the copy itself carries. Raises TargetMissed,
    ClusterError.
    """
    settings: dict[str, str] = {}
    if archive is not None:
        if not archive.is_dir():
            raise TargetMissed(f"the archive {archive} is not there")
        (cluster.data / "recovery.signal").touch(mode=0o600)
        settings = _settings(archive, target or Target())
    try:
        with cluster.start_temporarily(data=cluster.data, wait_s=_PATIENCE_S, settings=settings):
            yield
    except ClusterError as error:
        if _NOT_REACHED in str(error) and target is not None and target.transaction:
            # It was found in the archive's end, so it is not after it.
            raise TargetMissed(EARLIER) from None
        if _NOT_REACHED in str(error):
            raise TargetMissed(
                "the archive ends before that: nothing that was committed later is in it"
            ) from None
        if _TOO_EARLY in str(error):
            raise TargetMissed(EARLIER) from None
        raise


def transaction_of(cluster: Cluster, position: int) -> str | None:
    """The transaction that stored the event at `position`, None where that is not there."""
    with psycopg.connect(cluster.dsn(SUPERUSER)) as connection:
        row = connection.execute(
            "SELECT xmin::text FROM events WHERE position = %s", (position,)
        ).fetchone()
    return row[0] if row else None


def last_replayed(cluster: Cluster) -> datetime | None:
    """When the last transaction that was replayed had been committed."""
    with psycopg.connect(cluster.dsn(SUPERUSER, "postgres")) as connection:
        row = connection.execute("SELECT pg_last_xact_replay_timestamp()").fetchone()
    return row[0] if row else None


def copy_data(cluster: Cluster, target: Path) -> None:
    """A copy of the data to try a recovery on. Raises OSError."""
    shutil.copytree(cluster.data, target, symlinks=True)


def _settings(archive: Path, target: Target) -> dict[str, str]:
    found = {
        "restore_command": restore_command(archive),
        "recovery_target_action": "promote",
        "hot_standby": "off",  # nobody is let in before the target is reached
    }
    if target.at is not None:
        found["recovery_target_time"] = target.at.astimezone(UTC).isoformat(sep=" ")
    elif target.transaction is not None:
        found["recovery_target_xid"] = target.transaction
    return found
