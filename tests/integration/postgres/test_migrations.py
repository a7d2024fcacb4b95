"""Migrations: each once, in order, never changed afterwards, all or nothing."""

from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from adapters.postgres import migrations
from adapters.postgres.embedded import SUPERUSER, Cluster
from adapters.postgres.migrations import MigrationError

Migrate = Callable[[], list[str]]


@pytest.fixture
def dsn(running: Cluster) -> Iterator[str]:
    admin = running.dsn(SUPERUSER, "postgres")
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute("CREATE DATABASE trial OWNER ledger_owner")
    yield running.dsn("ledger_owner", "trial")
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute("DROP DATABASE trial WITH (FORCE)")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(
        tmp_path, "0001_first.sql", "CREATE TABLE first (a integer); INSERT INTO first VALUES (1);"
    )
    return tmp_path


@pytest.fixture
def migrate(dsn: str, folder: Path) -> Migrate:
    return lambda: migrations.migrate(dsn, "trial", folder=folder)


def test_each_file_is_applied_once(migrate: Migrate, folder: Path) -> None:
    assert migrate() == ["0001_first.sql"]
    write(folder, "0002_second.sql", "INSERT INTO first VALUES (2)")
    assert migrate() == ["0002_second.sql"]
    assert migrate() == []


def test_what_is_missing_can_be_asked_for(migrate: Migrate, dsn: str, folder: Path) -> None:
    assert migrations.pending(dsn, "trial", folder=folder) == ["0001_first.sql"]
    migrate()
    assert migrations.pending(dsn, "trial", folder=folder) == []


def test_a_file_that_fails_leaves_nothing(migrate: Migrate, dsn: str, folder: Path) -> None:
    write(folder, "0002_second.sql", "CREATE TABLE half (a integer); SELECT 1 / 0;")
    with pytest.raises(MigrationError, match=r"0002_second\.sql: division by zero"):
        migrate()
    with psycopg.connect(dsn) as connection:
        row = connection.execute("SELECT to_regclass('first'), to_regclass('half')").fetchone()
    assert row == ("first", None)


def test_a_file_that_was_changed_afterwards_is_refused(migrate: Migrate, folder: Path) -> None:
    migrate()
    write(folder, "0001_first.sql", "CREATE TABLE first (b integer)")
    with pytest.raises(MigrationError, match=r"0001_first\.sql was changed"):
        migrate()


def test_an_older_program_refuses_a_newer_database(migrate: Migrate, folder: Path) -> None:
    write(folder, "0002_second.sql", "SELECT 1")
    migrate()
    (folder / "0002_second.sql").unlink()
    with pytest.raises(MigrationError, match=r"the database knows 0002_second\.sql"):
        migrate()


@pytest.mark.parametrize("name", ["0003_gap.sql", "0001_twice.sql", "2_short.sql", "0002-dash.sql"])
def test_numbers_have_four_digits_and_no_gaps(migrate: Migrate, folder: Path, name: str) -> None:
    write(folder, name, "SELECT 1")
    with pytest.raises(MigrationError, match="is expected here"):
        migrate()


def test_no_files_at_all_is_a_mistake(dsn: str, tmp_path: Path) -> None:
    with pytest.raises(MigrationError, match="no migrations"):
        migrations.migrate(dsn, "trial", folder=tmp_path / "nowhere")


def test_the_ledger_s_own_files_apply(running: Cluster) -> None:
    assert migrations.migrate(running.dsn("ledger_owner"), "ledger")
    assert migrations.pending(running.dsn("ledger_backend"), "ledger") == []


def write(folder: Path, name: str, statement: str) -> None:
    (folder / name).write_text(statement)
