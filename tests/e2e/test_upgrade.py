"""An upgrade: tried on a copy first, done while stopped, and the log is what it was before."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg
import pytest

import migrations
from adapters.cli import exit_codes
from adapters.postgres.embedded import SUPERUSER, Cluster
from tests.e2e.installation import Installation
from tests.e2e.tills import Tills
from tests.e2e.town import found_town

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.timeout(300)
NEWER = """
ALTER TABLE directory ADD COLUMN noted_at timestamptz NOT NULL DEFAULT now();
CREATE TABLE of_a_newer_version AS SELECT count(*) AS events FROM events;
"""


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """Made, used and stopped by this version, which is the older one here."""
    made = Installation(tmp_path_factory.mktemp("upgrade") / "home")
    made.start()
    try:
        asyncio.run(_pay(made))
    finally:
        made.stop()
    return made


async def _pay(installation: Installation) -> None:
    town = await found_town(installation)
    async with Tills.opened(town) as tills:
        for _ in range(5):
            await tills.tills[0].pay()


class NewerProgram:
    """This program with one more migration, as the next version will have it."""

    def __init__(self, folder: Path, sql: str) -> None:
        assert migrations.__file__ is not None
        ours = Path(migrations.__file__).parent
        shutil.copytree(ours, folder / "migrations", ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("adapters", "application", "devices", "domain", "projections", "protocol"):
            (folder / name).symlink_to(ROOT / name)
        number = len(list((ours / "ledger").glob("*.sql"))) + 1
        self.file = folder / "migrations" / "ledger" / f"{number:04}_newer.sql"
        self.file.write_text(sql)
        self._folder = folder

    def run(self, home: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
        clean = {name: text for name, text in os.environ.items() if "TICKETRESTAURANT" not in name}
        return subprocess.run(
            [sys.executable, "-m", "adapters.cli.main", "--home", str(home), *arguments],
            env={**clean, "PYTHONPATH": str(self._folder)},
            cwd=self._folder,
            capture_output=True,
            text=True,
            timeout=200,
        )


def contents(home: Path) -> dict[str, tuple[int, int]]:
    """Every file of the installation with its size and time; not the file that locks it."""
    return {
        str(path.relative_to(home)): (path.stat().st_size, path.stat().st_mtime_ns)
        for path in home.rglob("*")
        if path.is_file() and path.relative_to(home).parts[0] != "run"
    }


def tables(home: Path) -> set[str]:
    ledger = Cluster(home, "ledger")
    with ledger.start_temporarily(), psycopg.connect(ledger.dsn(SUPERUSER)) as connection:
        statement = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
        return {row[0] for row in connection.execute(statement)}


def test_a_rehearsal_applies_what_is_pending_to_a_copy_alone(
    installation: Installation, tmp_path: Path
) -> None:
    newer = NewerProgram(tmp_path, NEWER)
    before = contents(installation.home)
    done = newer.run(installation.home, "upgrade", "--rehearse", "--json")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)["rehearsed"]
    assert found["applied"] == {"ledger": [newer.file.name], "website": []}
    assert found["events"] > 10
    assert found["projections_built_anew"] == []
    assert set(found["seconds"]) == {
        "restoring the copy", "migrating the ledger", "migrating the website", "verifying the log",
    }  # fmt: skip
    assert contents(installation.home) == before, "nothing of the living one was touched"


def test_a_migration_that_fails_is_found_by_the_rehearsal(
    installation: Installation, tmp_path: Path
) -> None:
    newer = NewerProgram(tmp_path, NEWER + "SELECT 1 / 0;")
    before = tables(installation.home)
    done = newer.run(installation.home, "upgrade")
    assert done.returncode == exit_codes.CONFIGURATION
    assert "the rehearsal failed, nothing of the installation was touched" in done.stderr
    assert "division by zero" in done.stderr
    assert tables(installation.home) == before
    assert not list(installation.home.glob("rehearsal-*"))


def test_a_migration_that_loses_an_event_is_found_by_the_rehearsal(
    installation: Installation, tmp_path: Path
) -> None:
    newer = NewerProgram(tmp_path, "DELETE FROM events WHERE position = 3;")
    done = newer.run(installation.home, "upgrade", "--rehearse")
    assert done.returncode == exit_codes.INTEGRITY_BROKEN
    assert "the rehearsal failed" in done.stderr


def test_an_upgrade_saves_rehearses_and_keeps_the_log(
    installation: Installation, tmp_path: Path
) -> None:
    newer = NewerProgram(tmp_path, NEWER)
    file = tmp_path / "before.tar"
    done = newer.run(installation.home, "upgrade", "--backup", str(file), "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["backup"] == str(file)
    assert file.exists()
    assert found["upgraded"]["applied"]["ledger"] == [newer.file.name]
    assert found["upgraded"]["events"] == found["rehearsed"]["events"]
    assert "of_a_newer_version" in tables(installation.home)
    assert newer.run(installation.home, "audit", "verify").returncode == 0
    again = json.loads(newer.run(installation.home, "upgrade", "--unrehearsed", "--json").stdout)
    assert again["upgraded"]["applied"] == {"ledger": [], "website": []}

    older = installation.run("upgrade", "--unrehearsed")
    assert older.returncode == exit_codes.CONFIGURATION
    assert "this program is older than it" in older.stderr


def test_what_serves_is_not_upgraded(installation: Installation, tmp_path: Path) -> None:
    newer = NewerProgram(tmp_path, NEWER)
    done = newer.run(installation.home, "serve", "--background")
    assert done.returncode == 0, done.stderr
    try:
        done = newer.run(installation.home, "upgrade")
        assert done.returncode == exit_codes.REFUSED
        assert done.stderr.rstrip().endswith(" stop")
        done = newer.run(installation.home, "upgrade", "--rehearse")
        assert done.returncode == 0, done.stderr
    finally:
        assert newer.run(installation.home, "stop").returncode == 0
