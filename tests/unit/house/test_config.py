"""`config`: where every setting comes from, all that is wrong at once, and the reference."""

import json
import os
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from adapters import settings
from adapters.cli import exit_codes
from adapters.cli.config_check import concerns
from adapters.cli.settings_reference import reference
from adapters.settings import Settings

ROOT = Path(__file__).parents[3]


def run(home: Path, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    clean = {name: text for name, text in os.environ.items() if "TICKETRESTAURANT" not in name}
    return subprocess.run(
        [sys.executable, "-m", "adapters.cli.main", "--home", str(home), "config", *arguments],
        env={**clean, "PYTHONPATH": str(ROOT), "COLUMNS": "200", **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )


def checked(home: Path, **environment: str) -> tuple[int, dict[str, Any]]:
    done = run(home, "check", "--json", **environment)
    assert "Traceback" not in done.stderr
    return done.returncode, json.loads(done.stdout)


def test_the_reference_in_the_documents_is_that_of_the_code() -> None:
    document = (ROOT / "docs" / "settings.md").read_text("utf-8")
    assert document == reference(), "run: ticketrestaurant config reference > docs/settings.md"


def test_the_reference_explains_every_setting() -> None:
    text = reference()
    for each in fields(Settings):
        if each.name != "home":
            row = next(line for line in text.splitlines() if line.startswith(f"| `{each.name}` "))
            assert not row.endswith("|  |"), f"{each.name} has no docstring"


def test_every_setting_is_shown_with_its_source(tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_text('{"port_base": 9300, "log_files": 5}')
    status, found = checked(tmp_path, TICKETRESTAURANT_LOG_FILES="7")
    assert status == 0
    rows = {row["setting"]: row for row in found["settings"]}
    assert set(rows) == {each.name for each in fields(Settings)} - {"home"}
    assert rows["log_files"] == {
        "setting": "log_files", "value": 7, "source": "TICKETRESTAURANT_LOG_FILES",
    }  # fmt: skip
    assert rows["gateway_port"]["source"] == str(tmp_path / "settings.json")
    assert rows["gateway_port"]["value"] == 9300
    assert rows["hsm_token"]["source"] == "default"


def test_all_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_text('{"log_files": "many", "colour": 1, "hsm_pin": "1"}')
    status, found = checked(tmp_path, TICKETRESTAURANT_GATEWAY_PORT="70000")
    assert status == exit_codes.CONFIGURATION
    errors = [each["text"] for each in found["concerns"] if each["level"] == "error"]
    for words in ("log_files", "colour: there is no such", "hsm_pin cannot", "GATEWAY_PORT"):
        assert any(words in text for text in errors), words
    assert all(each["do"] for each in found["concerns"])


@pytest.mark.parametrize("content", ["", "[]", "{", '{"a": ', "null"])
def test_a_file_that_is_no_json_object_is_told(tmp_path: Path, content: str) -> None:
    (tmp_path / "settings.json").write_text(content)
    status, found = checked(tmp_path)
    assert status == exit_codes.CONFIGURATION
    assert str(tmp_path / "settings.json") in found["concerns"][0]["text"]


def test_two_servers_on_one_port_are_told(tmp_path: Path) -> None:
    status, found = checked(tmp_path, TICKETRESTAURANT_WEBSITE_PORT="7300")
    assert status == exit_codes.CONFIGURATION
    assert "cannot share a port" in found["concerns"][0]["text"]


def test_no_password_is_shown(tmp_path: Path) -> None:
    secret = "postgresql://u:sesame@h/d"
    for arguments in (("check",), ("check", "--json"), ("show",), ("show", "--json")):
        done = run(
            tmp_path, *arguments,
            TICKETRESTAURANT_LEDGER_DSN=secret, TICKETRESTAURANT_HSM_PIN="open-sesame",
        )  # fmt: skip
        assert done.stdout
        assert "sesame" not in done.stdout + done.stderr


def test_show_prints_what_is_in_force(tmp_path: Path) -> None:
    found = json.loads(run(tmp_path, "show", "--json", TICKETRESTAURANT_PORT_BASE="9300").stdout)
    assert found["home"] == str(tmp_path)
    assert (found["gateway_port"], found["backend_monitor_port"]) == (9300, 9311)


@pytest.mark.parametrize(
    ("given", "setting", "level"),
    [
        ({}, "hsm_pin_file", "warning"),
        ({}, "pkcs11_module", "warning"),
        ({}, "checkpoint_folder", "warning"),
        ({}, "wal_archive_folder", "warning"),
        ({}, "", "warning"),
        ({"hsm_pin_file": "/nonexistent/pin"}, "hsm_pin_file", "error"),
        ({"pkcs11_module": "/nonexistent/module.so"}, "pkcs11_module", "error"),
        ({"checkpoint_folder": "/nonexistent/folder"}, "checkpoint_folder", "error"),
        ({"wal_archive_folder": "{home}/wal"}, "wal_archive_folder", "warning"),
        ({"website_host": "0.0.0.0"}, "website_host", "warning"),
        ({"backend_host": "192.0.2.1"}, "backend_host", "warning"),
        ({"monitor_host": "0.0.0.0"}, "monitor_host", "warning"),
        ({"website_url": "http://meals.example"}, "website_url", "warning"),
        ({"website_url": "https://meals.example"}, "website_trusted_proxies", "warning"),
        ({"ledger_dsn": "dbname=x"}, "ledger_auditor_dsn", "warning"),
        ({"ledger_owner_dsn": "dbname=x"}, "ledger_dsn", "error"),
    ],
)
def test_what_is_fit_for_a_demo_only_is_named(
    tmp_path: Path, given: dict[str, str], setting: str, level: str
) -> None:
    values = {name: text.replace("{home}", str(tmp_path)) for name, text in given.items()}
    (tmp_path / "settings.json").write_text(json.dumps(values))
    found = list(concerns(settings.load({}, tmp_path)))
    assert (setting, level) in {(each.setting, each.level) for each in found}


def test_a_careful_installation_has_nothing_to_complain_about(tmp_path: Path) -> None:
    home, other = tmp_path / "home", tmp_path / "other"
    home.mkdir()
    (other / "checkpoints").mkdir(parents=True)
    for name in ("pin", "module.so"):
        (other / name).touch(mode=0o600)
    (home / "last-backup.json").write_text(json.dumps({"created_us": 9e15, "file": "x"}))
    found = settings.load(
        {
            "TICKETRESTAURANT_HSM_PIN_FILE": str(other / "pin"),
            "TICKETRESTAURANT_PKCS11_MODULE": str(other / "module.so"),
            "TICKETRESTAURANT_CHECKPOINT_FOLDER": str(other / "checkpoints"),
            "TICKETRESTAURANT_WAL_ARCHIVE_FOLDER": str(other / "wal"),
            "TICKETRESTAURANT_WEBSITE_URL": "https://meals.example",
            "TICKETRESTAURANT_WEBSITE_TRUSTED_PROXIES": "127.0.0.1",
        },
        home,
    )
    assert list(concerns(found)) == []
