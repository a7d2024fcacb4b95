"""The newest events, which had no leaf yet when they were read: while the backend serves, it must
give them one within seconds. A row that it never wrote gets none."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg

from adapters.audit.findings import Finding, Verification, span
from adapters.audit.leaves import leaf_of, leaves_of_file
from application.merkle import HASH_BYTES
from application.ports import Row

COVERED_WITHIN_S = 10.0
_POLL_S = 0.2
_WRITER = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND classid = %s AND granted LIMIT 1"
_WRITERS_LOCK = 0x5452
"""As `adapters.postgres.recorder.LOCK_CLASS`; a test compares them."""
_ROWS = (
    "SELECT position, originator_id, originator_version, topic, state FROM events"
    " WHERE shard = 0 AND position > %s AND position <= %s ORDER BY position"
)


def has_writer(dsn: str) -> bool:
    """Whether a backend holds the shard now. Raises psycopg.Error."""
    with psycopg.connect(dsn, connect_timeout=5) as connection:
        return connection.execute(_WRITER.encode(), (_WRITERS_LOCK,)).fetchone() is not None


def uncovered(
    dsn: str, leaves: Path, verification: Verification, sleep: Callable[[float], None] = time.sleep
) -> Finding | None:
    """None once each event after the protected ones has its leaf; what to say after ten seconds.

    Raises psycopg.Error, OSError.
    """
    first, last = verification.protected, verification.rows
    deadline_s = time.monotonic() + COVERED_WITHIN_S
    while leaves.stat().st_size < last * HASH_BYTES:
        if time.monotonic() > deadline_s:
            return Finding(
                kind="inserted",
                text=f"{_events(first, last)} in the log and in no evidence, though it is being "
                "served: not written by the backend, or it has stopped to vouch for what it "
                "writes. See 'ticketrestaurant status' and logs/backend.log.",
                positions=(first + 1, last),
            )
        sleep(_POLL_S)
    stored = b"".join(leaf_of(row) for row in _rows(dsn, first, last))
    with leaves_of_file(leaves) as read:
        if stored == read(first, last - first):
            return None
    return Finding(
        kind="changed",
        text=f"{_events(first, last)} not what the backend wrote.",
        positions=(first + 1, last),
    )


def _rows(dsn: str, after: int, upto: int) -> list[Row]:
    with psycopg.connect(dsn, connect_timeout=5) as connection:
        found: list[Any] = connection.execute(_ROWS.encode(), (after, upto)).fetchall()
    return [Row(*row) for row in found]


def _events(after: int, upto: int) -> str:
    named = span(after + 1, upto)
    return f"{named[0].upper()}{named[1:]} {'is' if upto == after + 1 else 'are'}"
