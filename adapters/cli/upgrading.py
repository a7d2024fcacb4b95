"""What an upgrade does to the databases, tried on a restored copy or done to the installation."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import psycopg

from adapters.audit.verify import verify_log
from adapters.postgres import migrations
from adapters.postgres.databases import NAMES, database
from adapters.settings import Settings
from projections.books import Books
from projections.card_streams import CardStreams
from projections.directory import Directory
from projections.settlements import Settlements

PROJECTIONS: Final = (Settlements.name, Directory.name, CardStreams.name, Books.name)
_Say = Callable[[str], None]


class UpgradeFailed(Exception):
    """The log after the migrations is not the log before them, or is not what was signed."""


@dataclass(slots=True, kw_only=True)
class Upgraded:
    """What was done and how long it took. `rebuilt`: projections that are built at the start."""

    applied: dict[str, list[str]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    events: int = 0
    rebuilt: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "applied": self.applied,
            "seconds": {name: round(taken, 3) for name, taken in self.seconds.items()},
            "events": self.events,
            "projections_built_anew": self.rebuilt,
        }


def upgrade_databases(found: Settings, checkpoints: Path, say: _Say) -> Upgraded:
    """Applies what is missing to both databases, which must not serve, and verifies the log.

    Raises UpgradeFailed, MigrationError, ClusterError, psycopg.Error.
    """
    done = Upgraded()
    with _running(found):
        ledger = database(found, "ledger")
        before = _last_position(ledger.dsn("owner"))
        for name in NAMES:
            dsn = database(found, name).dsn("owner")
            started_s = time.monotonic()
            done.applied[name] = migrations.migrate(dsn, name)
            done.seconds[f"migrating the {name}"] = time.monotonic() - started_s
            say(f"{name}: {', '.join(done.applied[name]) or 'nothing to apply'}")
        started_s = time.monotonic()
        verification = verify_log(ledger.dsn("auditor"), checkpoints)
        done.seconds["verifying the log"] = time.monotonic() - started_s
        done.events = verification.rows
        if before is not None and before != verification.rows:
            raise UpgradeFailed(f"the log held {before:,} events and holds {verification.rows:,}")
        if not verification.intact:
            raise UpgradeFailed(f"the log is not what was signed: {verification.findings[0].text}")
        done.rebuilt = _built_anew(ledger.dsn("owner"), done.events)
        say(f"the log verifies: {done.events:,} events")
    return done


def pending(found: Settings) -> dict[str, list[str]]:
    """What would be applied. Raises MigrationError, psycopg.Error."""
    return {name: migrations.pending(database(found, name).dsn("owner"), name) for name in NAMES}


@contextmanager
def _running(found: Settings) -> Iterator[None]:
    """The embedded servers run within the block; others do anyway."""
    with ExitStack() as stack:
        for name in NAMES:
            cluster = database(found, name).cluster
            if cluster is not None:
                stack.enter_context(cluster.start_temporarily())
        yield


def _last_position(dsn: str) -> int | None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        known = connection.execute("SELECT to_regclass('events')").fetchone()
        if known is None or known[0] is None:
            return None
        row = connection.execute("SELECT count(*) FROM events").fetchone()
    return int(row[0]) if row else 0


def _built_anew(dsn: str, events: int) -> list[str]:
    """Projections of this program that the database does not have, if there is anything to read."""
    if not events:
        return []
    with psycopg.connect(dsn, autocommit=True) as connection:
        rows = connection.execute("SELECT name FROM projections WHERE position > 0").fetchall()
    known = {row[0] for row in rows}
    return [name for name in PROJECTIONS if name not in known]
