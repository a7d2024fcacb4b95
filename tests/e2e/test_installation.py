"""A whole installation as an operator sees it: made, served, hurt, stopped, saved, restored."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

from adapters.cli import exit_codes
from adapters.postgres.containment import containment
from adapters.postgres.embedded import SUPERUSER, Cluster
from tests.integration.house.processes import free_base, of_home, until

ROOT = Path(__file__).parents[2]
PARTS = {"ledger", "website_database", "backend", "gateway", "website"}


class Installation:
    """`installation("status")` runs a command of the program on it."""

    def __init__(self, home: Path) -> None:
        self.home = home

    def __call__(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "adapters.cli.main", "--home", str(self.home), *arguments],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=100,
        )

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self("status", "--json").stdout)
        return found

    def is_up(self) -> bool:
        found = self.status()
        return all(found[name]["up"] for name in PARTS)


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    made = Installation(tmp_path_factory.mktemp("installation") / "home")
    done = made("init", "--base-port", str(free_base()))
    assert done.returncode == 0, done.stderr
    return made


@pytest.fixture(scope="module")
def serving(installation: Installation) -> Iterator[Installation]:
    done = installation("serve", "--background")
    assert done.returncode == 0, done.stderr
    yield installation
    installation("stop")
    until(lambda: not of_home(installation.home), "everything gone", 30)


def test_running_init_again_changes_nothing(installation: Installation) -> None:
    before = contents(installation.home)
    done = installation("init")
    assert done.returncode == 0, done.stderr
    assert contents(installation.home) == before


def test_nobody_else_may_enter_or_read(installation: Installation) -> None:
    # Where PostgreSQL runs as another account, that one may pass, not look.
    wrong = 0o077 if containment().account is None else 0o066
    open_to_others = [
        path
        for path in (installation.home, *installation.home.rglob("*"))
        if path.lstat().st_mode & wrong and not path.is_socket()
    ]
    assert open_to_others == []


def test_every_part_is_shown_with_its_address(serving: Installation) -> None:
    found = serving.status()
    assert set(found["parts"]) == PARTS
    assert found["serving"] is True
    for name in PARTS:
        assert found[name]["up"], name
        assert found[name]["address"]
        assert found[name]["pid"]


def test_the_ledger_is_dumped_by_the_command_that_status_shows(serving: Installation) -> None:
    command = serving.status()["ledger"]["dump_command"]
    done = subprocess.run(command, shell=True, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "CREATE TABLE public.events" in done.stdout


@pytest.mark.parametrize("command", [("serve",), ("init",)])
def test_what_needs_the_folder_alone_is_refused_meanwhile(
    serving: Installation, command: tuple[str, ...]
) -> None:
    done = serving(*command)
    assert done.returncode == exit_codes.REFUSED
    assert "is in use" in done.stderr


@pytest.mark.parametrize("name", sorted(PARTS))
def test_a_part_that_is_killed_comes_back(serving: Installation, name: str) -> None:
    before = serving.status()[name]["pid"]
    os.kill(before, signal.SIGKILL)
    until(lambda: serving.status()[name]["pid"] not in (before, None), "a new process")
    until(serving.is_up, "everything up", 30)


def test_nothing_is_left_when_the_supervisor_is_killed(serving: Installation) -> None:
    os.kill(serving.status()["supervisor_pid"], signal.SIGKILL)
    until(lambda: not of_home(serving.home), "everything gone", 30)
    assert serving("status").returncode == exit_codes.NOT_RUNNING
    done = serving("serve", "--background")
    assert done.returncode == 0, done.stderr


def test_a_server_that_cannot_start_is_named_with_its_last_words(serving: Installation) -> None:
    assert serving("stop").returncode == 0
    key = serving.home / "tls" / "gateway.key"
    saved = key.read_bytes()
    key.write_text("no key")
    try:
        done = serving("serve", "--background")
    finally:
        key.write_bytes(saved)
    assert done.returncode == exit_codes.NOT_RUNNING
    assert "gateway does not come up; the end of" in done.stderr
    until(lambda: not of_home(serving.home), "everything gone")
    assert serving("serve", "--background").returncode == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_backup_that_is_ended_leaves_no_file_and_no_process(
    serving: Installation, tmp_path: Path, number: signal.Signals
) -> None:
    command = ["--home", str(serving.home), "backup", str(tmp_path / "b.tar"), "--max-rate", "1"]
    if number == signal.SIGINT:  # a shell's background job ignores it, and its children do
        signal.signal(number, signal.default_int_handler)
    process = subprocess.Popen(
        [sys.executable, "-m", "adapters.cli.main", *command],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.DEVNULL,
    )
    until(lambda: list(tmp_path.rglob("PG_VERSION")), "the copy has begun", 60)
    assert copying(serving.home)
    process.send_signal(number)
    process.wait(20)
    until(lambda: not copying(serving.home), "nothing of it runs")
    assert not (tmp_path / "b.tar").exists()
    if number != signal.SIGKILL:
        assert list(tmp_path.iterdir()) == []
    assert serving.is_up()


def test_a_backup_restores_the_whole_installation(serving: Installation, tmp_path: Path) -> None:
    assert serving("stop").returncode == 0
    ledger = Cluster(serving.home, "ledger")
    with ledger.start_temporarily(), psycopg.connect(ledger.dsn(SUPERUSER)) as connection:
        connection.execute("CREATE TABLE witness AS SELECT 42 AS answer")
    file = tmp_path / "backup.tar"
    assert serving("backup", str(file)).returncode == 0
    assert file.stat().st_mode & 0o777 == 0o600
    assert serving("backup", str(file)).returncode == exit_codes.REFUSED

    restored = Installation(tmp_path / "restored")
    done = restored("restore", str(file), "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["file_count"] > 100
    assert restored("init").returncode == 0, "what was restored is complete"
    done = restored("serve", "--background")
    try:
        assert done.returncode == 0, done.stderr
        dsn = Cluster(restored.home, "ledger").dsn(SUPERUSER)
        with psycopg.connect(dsn) as connection:
            assert connection.execute("SELECT answer FROM witness").fetchone() == (42,)
    finally:
        assert restored("stop").returncode == 0
    until(lambda: not of_home(restored.home), "everything gone", 10)


def test_a_damaged_backup_is_not_restored(serving: Installation, tmp_path: Path) -> None:
    serving("stop")
    file = tmp_path / "backup.tar"
    assert serving("backup", str(file)).returncode == 0
    with file.open("r+b") as opened:
        opened.seek(file.stat().st_size // 2)
        old = opened.read(1)
        opened.seek(-1, os.SEEK_CUR)
        opened.write(bytes([old[0] ^ 1]))
    restored = Installation(tmp_path / "restored")
    assert restored("restore", str(file)).returncode == exit_codes.INTEGRITY_BROKEN
    assert list(tmp_path.iterdir()) == [file]


def copying(home: Path) -> list[str]:
    """The processes of PostgreSQL's own copying."""
    found = []
    for each in of_home(home):
        with contextlib.suppress(psutil.NoSuchProcess):  # it ended while we looked
            found.append(each.name())
    return [name for name in found if name == "pg_basebackup"]


def contents(home: Path) -> dict[str, bytes]:
    """All files but those of the databases, logs, and SoftHSM's counter of log-ins."""
    return {
        str(path.relative_to(home)): path.read_bytes()
        for path in home.rglob("*")
        if path.is_file()
        and path.relative_to(home).parts[0] not in ("postgres", "logs")
        and path.name != "token.object"
    }


def test_a_folder_that_is_not_there_is_said_to_be_none(
    installation: Installation, tmp_path: Path
) -> None:
    done = installation("--home", str(tmp_path / "missing"), "status")
    assert done.returncode == 5
    assert "no installation here" in done.stderr
    assert f"ticketrestaurant --home {tmp_path / 'missing'} init" in done.stderr
