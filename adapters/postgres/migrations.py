"""Brings a database to the newest schema: `migrations/<name>/NNNN_*.sql`, in order, each once.

What was applied is never changed: a correction is a new file. Both are checked by checksum.
"""

import hashlib
import re
from pathlib import Path
from typing import Final, NamedTuple

import psycopg
from psycopg.rows import class_row

import migrations

_FILE_NAME: Final = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")
# Any number, the same for all who migrate: two at once would both see a file as not applied.
_LOCK: Final = 0x7472_6D69_6772
_TABLE: Final = """
CREATE TABLE IF NOT EXISTS schema_migrations (
    number     integer     PRIMARY KEY,
    name       text        NOT NULL,
    sha256     text        NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);
GRANT SELECT ON schema_migrations TO PUBLIC;
"""


class MigrationError(Exception):
    """A file is missing, misnamed, changed after it was applied, or failed; nothing of it is in."""


class Migration(NamedTuple):
    """One file: its number (from 1, without gaps), its name, and the SHA-256 of its bytes."""

    number: int
    name: str
    sha256: str
    path: Path | None = None


def migrate(dsn: str, name: str, *, folder: Path | None = None) -> list[str]:
    """Applies what is missing in the database `name`; the names of the files applied.

    `dsn` is the owner's. Each file is one transaction. Raises MigrationError, psycopg.Error.
    """
    wanted = _files(folder or _folder(name))
    applied = []
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", (_LOCK,))
        connection.execute(_TABLE)
        for migration in _missing(wanted, _applied(connection)):
            _apply(connection, migration)
            applied.append(migration.name)
    return applied


def pending(dsn: str, name: str, *, folder: Path | None = None) -> list[str]:
    """The files that `migrate` would apply; for any role. Raises MigrationError, psycopg.Error."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        known = connection.execute("SELECT to_regclass('schema_migrations')").fetchone()
        applied = _applied(connection) if known and known[0] else []
    return [each.name for each in _missing(_files(folder or _folder(name)), applied)]


def _folder(name: str) -> Path:
    assert migrations.__file__ is not None
    return Path(migrations.__file__).parent / name


def _files(folder: Path) -> list[Migration]:
    found = []
    for number, path in enumerate(sorted(folder.glob("*.sql")), start=1):
        matched = _FILE_NAME.fullmatch(path.name)
        if matched is None or int(matched[1]) != number:
            raise MigrationError(
                f"{path.name}: number {number:04} is expected here (NNNN_name.sql)"
            )
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        found.append(Migration(number, path.name, digest, path))
    if not found:
        raise MigrationError(f"{folder}: no migrations are there")
    return found


def _applied(connection: psycopg.Connection[tuple[object, ...]]) -> list[Migration]:
    with connection.cursor(row_factory=class_row(Migration)) as cursor:
        return cursor.execute(
            "SELECT number, name, sha256 FROM schema_migrations ORDER BY number"
        ).fetchall()


def _missing(wanted: list[Migration], applied: list[Migration]) -> list[Migration]:
    by_number = {each.number: each for each in wanted}
    for old in applied:
        ours = by_number.get(old.number)
        if ours is None:
            raise MigrationError(f"the database knows {old.name}: this program is older than it")
        if ours.sha256 != old.sha256:
            raise MigrationError(f"{ours.name} was changed after it was applied; add a new file")
    done = {each.number for each in applied}
    return [each for each in wanted if each.number not in done]


def _apply(connection: psycopg.Connection[tuple[object, ...]], migration: Migration) -> None:
    assert migration.path is not None
    try:
        with connection.transaction():
            connection.execute(migration.path.read_bytes())
            connection.execute(
                "INSERT INTO schema_migrations (number, name, sha256) VALUES (%s, %s, %s)",
                (migration.number, migration.name, migration.sha256),
            )
    except psycopg.Error as error:
        raise MigrationError(f"{migration.name}: {error}") from error
