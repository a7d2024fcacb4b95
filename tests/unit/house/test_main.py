"""The program's own face: quick help, exit statuses, clear errors."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from adapters.cli import exit_codes
from adapters.cli.main import COMMANDS

ROOT = Path(__file__).parents[3]


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "adapters.cli.main", *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "120", **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )


HEAVY = ("cryptography", "eventsourcing", "litestar", "pkcs11", "psycopg", "uvicorn", "textual")


def test_help_names_every_command() -> None:
    done = run("--help")
    assert done.returncode == 0
    missing = [name for name in COMMANDS if name not in done.stdout]
    assert not missing


def test_help_waits_for_no_heavy_library() -> None:
    code = (
        "import sys; from adapters.cli.main import build\n"
        "try: build(['--help'])(['--help'], standalone_mode=False)\n"
        f"finally: print([name for name in {HEAVY} if name in sys.modules], file=sys.stderr)"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.stderr.strip() == "[]"


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_has_help_with_an_example(name: str) -> None:
    done = run(name, "--help")
    assert done.returncode == 0, done.stderr
    assert "Usage:" in done.stdout
    assert f"ticketrestaurant {name}" in done.stdout
    if "COMMAND [ARGS]" not in done.stdout:
        assert "Example:" in done.stdout


def test_an_unknown_command_is_wrong_usage(tmp_path: Path) -> None:
    assert run("refil", TICKETRESTAURANT_HOME=str(tmp_path)).returncode == exit_codes.USAGE


def test_a_bad_setting_is_wrong_configuration(tmp_path: Path) -> None:
    done = run("--home", str(tmp_path), "status", TICKETRESTAURANT_GATEWAY_PORT="x")
    assert done.returncode == exit_codes.CONFIGURATION
    assert done.stderr.startswith("ticketrestaurant: TICKETRESTAURANT_GATEWAY_PORT is 'x'")
    assert "Traceback" not in done.stderr


def test_serving_from_an_empty_folder_says_what_to_do(tmp_path: Path) -> None:
    done = run("--home", str(tmp_path / "none"), "serve")
    assert done.returncode == exit_codes.CONFIGURATION
    assert "run: ticketrestaurant --home" in done.stderr
    assert done.stderr.rstrip().endswith(" init")
    assert not (tmp_path / "none").exists()


def test_stopping_what_does_not_run_says_so(tmp_path: Path) -> None:
    done = run("--home", str(tmp_path), "stop")
    assert done.returncode == exit_codes.NOT_RUNNING


def test_restoring_over_something_is_refused(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "settings.json").write_text("{}")
    done = run("--home", str(tmp_path / "home"), "restore", str(tmp_path / "backup.tar"))
    assert done.returncode == exit_codes.REFUSED
    assert "is not empty" in done.stderr


def test_a_missing_backup_is_wrong_configuration(tmp_path: Path) -> None:
    done = run("--home", str(tmp_path / "home"), "restore", str(tmp_path / "backup.tar"))
    assert done.returncode == exit_codes.CONFIGURATION
    assert not (tmp_path / "home").exists()


def test_status_of_nothing_is_down(tmp_path: Path) -> None:
    done = run("--home", str(tmp_path), "status", "--json", TICKETRESTAURANT_PORT_BASE="1")
    assert done.returncode == exit_codes.NOT_RUNNING
    assert '"serving": false' in done.stdout
