"""The demo, whole, in a fresh state folder: everything as expected, and nothing left behind."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from adapters.settings import PREFIX
from tests.integration.house.processes import free_base, of_home

_LAST_LINE = re.compile(
    r"demo: (\d+) authorizations, (\d+) approved, (\d+) refused, ledger verified"
)
_CARD_NUMBER = re.compile(r"(?<![0-9a-f-])\d{13,19}(?![0-9a-f-])")
_PATIENCE_S = 220
_INTERRUPTED = 130


@pytest.mark.timeout(300)
def test_the_demo_shows_what_it_promises_and_leaves_nothing_behind(tmp_path: Path) -> None:
    home = tmp_path / "state"
    with _demo(home) as demo:
        shown, complaints = demo.communicate(timeout=_PATIENCE_S)
    assert demo.returncode == 0, shown[-4000:] + complaints[-2000:]
    found = _LAST_LINE.fullmatch(shown.splitlines()[-1])
    assert found is not None, shown[-500:]
    asked, approved, refused = map(int, found.groups())
    assert asked == approved + refused
    assert approved > 0
    assert refused > 0
    assert "✗" not in shown
    assert "\x1b" not in shown
    assert _CARD_NUMBER.search(shown) is None
    assert of_home(home) == []
    open_to_others = [log.name for log in (home / "logs").iterdir() if log.stat().st_mode & 0o077]
    assert not open_to_others


@pytest.mark.timeout(300)
@pytest.mark.parametrize("when", ["folders", "1. A company", "8. The shop"])
def test_ctrl_c_leaves_nothing_behind(tmp_path: Path, when: str) -> None:
    home = tmp_path / "state"
    with _demo(home) as demo:
        assert demo.stdout is not None
        for line in demo.stdout:
            if when in line:
                break
        assert len(of_home(home)) > 1
        demo.send_signal(signal.SIGINT)
        demo.communicate(timeout=_PATIENCE_S)
    assert demo.returncode == _INTERRUPTED
    assert of_home(home) == []


def _demo(home: Path) -> "subprocess.Popen[str]":
    ours = {PREFIX + "HOME": str(home), PREFIX + "PORT_BASE": str(free_base())}
    inherited = {name: text for name, text in os.environ.items() if not name.startswith(PREFIX)}
    return subprocess.Popen(
        [sys.executable, "-u", "-m", "adapters.cli.demo"],
        env={**inherited, **ours, "PYTHONUNBUFFERED": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
