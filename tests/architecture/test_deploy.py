"""The files for service managers and containers are accepted by the tools that read them."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
PROGRAM = "/opt/ticketrestaurant/.venv/bin/ticketrestaurant"
EXPOSURE_MOST = 25
"""Of 100, as `systemd-analyze security` counts: 0 is a locked room."""

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="no systemd-analyze here"
)


@needs_systemd
@pytest.mark.parametrize("unit", [*UNITS, DEPLOY / "systemd" / "ticketrestaurant-backup.timer"],
                         ids=lambda path: path.name)  # fmt: skip
def test_systemd_accepts_the_units(unit: Path, tmp_path: Path) -> None:
    for each in (DEPLOY / "systemd").iterdir():  # they name each other
        text = each.read_text().replace(PROGRAM, "/bin/true")
        (tmp_path / each.name).write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", str(tmp_path / unit.name)], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")


@needs_systemd
@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_the_units_leave_little_open(unit: Path) -> None:
    command = ["systemd-analyze", "security", "--offline=true", f"--threshold={EXPOSURE_MOST}"]
    done = subprocess.run([*command, str(unit)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-300:]


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_no_unit_runs_as_root_or_holds_a_secret(unit: Path) -> None:
    text = unit.read_text()
    assert "\nUser=ticketrestaurant\n" in text
    assert not re.search(r"^Environment=.*(PIN=|DSN=|PASSWORD)", text, re.MULTILINE)


def test_the_image_runs_as_an_ordinary_user_and_copies_no_state() -> None:
    text = (DEPLOY / "Containerfile").read_text()
    instructions = [line.split(" ", 1)[0] for line in text.splitlines() if line[:1].isupper()]
    last_user = max(n for n, each in enumerate(instructions) if each == "USER")
    assert last_user < instructions.index("ENTRYPOINT")
    assert re.search(r"^USER 10001:10001$", text, re.MULTILINE)
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.MULTILINE)
    allowed = (DEPLOY / "Containerfile.containerignore").read_text().splitlines()
    assert allowed[0] == "*", "everything is left out but what is named"
    for names in copied:
        for name in names.split():
            assert (ROOT / name).exists(), name
            assert f"!{name}" in allowed


def test_every_package_is_in_the_image() -> None:
    project = (ROOT / "pyproject.toml").read_text()
    (found,) = re.findall(r"^packages = \[(.+)\]$", project, re.MULTILINE)
    text = (DEPLOY / "Containerfile").read_text()
    for name in re.findall(r'"(\w+)"', found):
        assert f"\nCOPY {name} {name}\n" in text


@pytest.mark.skipif(shutil.which("hadolint") is None, reason="no hadolint here")
def test_hadolint_accepts_the_containerfile() -> None:
    done = subprocess.run(["hadolint", str(DEPLOY / "Containerfile")], capture_output=True)
    assert done.returncode == 0, done.stdout.decode()
