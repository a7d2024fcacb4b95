"""The embedded server: private, durable, gone with whoever started it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from adapters.postgres import binaries
from adapters.postgres.containment import Containment
from adapters.postgres.embedded import SUPERUSER, Cluster, ClusterError

_START = """
import sys, time
from pathlib import Path
from adapters.postgres.embedded import Cluster
with Cluster(Path(sys.argv[1]), "website").start_temporarily():
    print("up", flush=True)
    time.sleep(60)
"""
USERS = ("ledger_owner", "ledger_backend", "ledger_auditor")


def test_creating_it_again_changes_nothing(cluster: Cluster) -> None:
    before = cluster.passfile(SUPERUSER).read_bytes()
    assert cluster.create() is False
    assert cluster.passfile(SUPERUSER).read_bytes() == before


def test_nobody_else_can_read_any_of_it(cluster: Cluster) -> None:
    secrets = cluster.passfile(SUPERUSER).parent
    for folder in (secrets, cluster.folder, cluster.data):
        assert folder.stat().st_mode & 0o077 == 0
    assert len(list(secrets.iterdir())) == 4
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in secrets.iterdir())


@pytest.mark.parametrize("user", [SUPERUSER, *USERS])
def test_each_role_connects_with_its_password(running: Cluster, user: str) -> None:
    with psycopg.connect(running.dsn(user)) as connection:
        assert connection.info.user == user


def test_the_socket_folder_is_private_and_no_port_is_open(running: Cluster) -> None:
    assert running.socket.stat().st_mode & 0o077 == 0
    assert show(running, "listen_addresses") == ""


def test_a_wrong_or_missing_password_is_refused(running: Cluster) -> None:
    for password in ("wrong", ""):
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(
                host=str(running.socket),
                user=SUPERUSER,
                dbname="ledger",
                password=password,
                passfile="/nonexistent",
            )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("fsync", "on"),
        ("synchronous_commit", "on"),
        ("full_page_writes", "on"),
        ("data_checksums", "on"),
        ("password_encryption", "scram-sha-256"),
        ("TimeZone", "UTC"),
        ("server_encoding", "UTF8"),
    ],
)
def test_it_is_set_up_to_lose_nothing(running: Cluster, name: str, value: str) -> None:
    assert show(running, name) == value


def test_the_backend_owns_nothing(running: Cluster) -> None:
    with (
        psycopg.connect(running.dsn("ledger_backend")) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute("CREATE TABLE mine (number integer)")


def test_the_dump_command_holds_no_password_and_works(running: Cluster) -> None:
    command = running.dump_command()
    password = running.passfile("ledger_owner").read_text().strip().rpartition(":")[2]
    assert password not in command
    done = subprocess.run(command, shell=True, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "PostgreSQL database dump complete" in done.stdout


def test_a_deep_folder_works_too(tmp_path: Path) -> None:
    home = tmp_path / ("deep" * 20) / "with space, and comma"
    deep = Cluster(home, "website")
    deep.create()
    with deep.start_temporarily(), psycopg.connect(deep.dsn("website")) as connection:
        assert connection.info.dbname == "website"
        assert deep.socket.is_dir()
    assert not deep.socket.exists()


def test_what_an_interrupted_create_left_is_not_trusted(tmp_path: Path) -> None:
    half = Cluster(tmp_path, "website")
    (half.folder / "data.new" / "base").mkdir(parents=True)
    assert half.exists is False
    assert half.create() is True
    assert half.exists is True


def test_a_server_that_cannot_start_says_why(tmp_path: Path, cluster: Cluster) -> None:
    broken = Cluster(tmp_path, "website")
    broken.data.mkdir(parents=True)
    (broken.data / "PG_VERSION").write_text("9.4\n")
    with (
        pytest.raises(ClusterError, match=r"ended with status 2.*configuration file"),
        broken.start_temporarily(),
    ):
        pass


def test_it_is_gone_soon_after_its_starter_was_killed(tmp_path: Path) -> None:
    found = Cluster(tmp_path, "website")
    found.create()
    starter = subprocess.Popen(
        [sys.executable, "-c", _START, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert starter.stdout is not None
    assert starter.stdout.readline() == "up\n"
    assert found.ready()
    assert found.wait_stopped(0) is False
    starter.send_signal(signal.SIGKILL)
    starter.wait()
    starter.stdout.close()
    assert found.wait_stopped(20)
    assert not found.ready()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can run it as somebody else")
def test_as_root_without_namespaces_it_runs_as_another_account(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    instead = Containment(owner=65534, options=("--account", "65534:65534"), account="nobody")
    monkeypatch.setattr("adapters.postgres.embedded.containment", lambda: instead)
    home = tmp_path / "home"
    closed = [place for place in (home, *home.parents) if _is_closed(place)]
    if closed or any(map(_is_closed, binaries.program("postgres").parents)):
        home.mkdir()
        found = Cluster(home, "website")
        with pytest.raises(PermissionError, match="cannot enter"):
            found.create()
        return
    found = Cluster(home, "website")
    found.create()
    with found.start_temporarily(), psycopg.connect(found.dsn("website")) as connection:
        assert connection.info.dbname == "website"
    assert found.data.stat().st_uid == 65534


def _is_closed(place: Path) -> bool:
    return place.exists() and not place.stat().st_mode & 0o001


def show(cluster: Cluster, name: str) -> str:
    with psycopg.connect(cluster.dsn("ledger_backend")) as connection:
        row = connection.execute("SELECT current_setting(%s)", (name,)).fetchone()
    assert row is not None
    return str(row[0])
