"""The supervisor: what dies comes back, what stops is gone, and never twice at once."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from adapters import settings
from adapters.cli.process_log import ProcessLog
from adapters.cli.supervisor import AlreadyServing, is_in_use, read_status, sole_use
from tests.integration.house.processes import free_port, of_home, until

ROOT = Path(__file__).parents[3]


class Serving:
    """A running fake_serve.py."""

    def __init__(self, home: Path, *arguments: str) -> None:
        self.settings = settings.load({}, home=home)
        self.home = home
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("fake_serve.py")), str(home), *arguments],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stderr=subprocess.DEVNULL,
        )

    def part(self, name: str) -> dict[str, Any]:
        status = read_status(self.settings)
        found: dict[str, Any] = status["parts"].get(name, {}) if status else {}
        return found

    def is_ready(self) -> bool:
        status = read_status(self.settings)
        return bool(status and status["ready"])


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[Serving]:
    found = Serving(tmp_path, str(free_port()))
    until(found.is_ready, "ready")
    yield found
    found.process.kill()
    found.process.wait()
    until(lambda: not of_home(tmp_path), "everything gone")


@pytest.mark.parametrize("name", ["steady", "second"])
def test_a_part_that_is_killed_comes_back(serving: Serving, name: str) -> None:
    before = serving.part(name)["pid"]
    os.kill(before, signal.SIGKILL)
    until(lambda: serving.part(name).get("pid") not in (before, None), "a new process", 5)
    until(serving.is_ready, "ready again")
    assert serving.part(name)["restarts"] == 1
    assert serving.part(name)["last_exit"] == -signal.SIGKILL


def test_the_others_go_on(serving: Serving) -> None:
    other = serving.part("second")["pid"]
    before = serving.part("steady")["pid"]
    os.kill(before, signal.SIGKILL)
    until(lambda: serving.part("steady").get("pid") not in (before, None), "a new process")
    assert serving.part("second")["pid"] == other


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_after_a_signal_nothing_is_left(serving: Serving, number: signal.Signals) -> None:
    serving.process.send_signal(number)
    assert serving.process.wait(10) == 0
    assert of_home(serving.home) == []
    assert not is_in_use(serving.settings)
    assert read_status(serving.settings) is None


def test_after_being_killed_nothing_is_left(serving: Serving) -> None:
    serving.process.kill()
    serving.process.wait()
    until(lambda: not of_home(serving.home), "everything gone", 5)
    assert read_status(serving.settings) is None, "the file is still there, but is the past"


def test_a_child_that_ignores_the_signal_is_killed(serving: Serving) -> None:
    stopped = serving.part("second")["pid"]
    os.kill(stopped, signal.SIGSTOP)
    serving.process.send_signal(signal.SIGTERM)
    assert serving.process.wait(15) == 0
    assert of_home(serving.home) == []


def test_a_state_folder_is_served_once(serving: Serving) -> None:
    second = Serving(serving.home, str(free_port()))
    assert second.process.wait(10) == 1
    with pytest.raises(AlreadyServing), sole_use(serving.settings):
        pass
    assert serving.is_ready()


def test_logs_are_kept_small(serving: Serving) -> None:
    log = ProcessLog(serving.settings.logs, "second", max_bytes=0, files=0)
    until(log.path.with_name("second.log.1").exists, "a rotation")
    sizes = [path.stat().st_size for path in serving.settings.logs.glob("second.log*")]
    assert max(sizes) < 20_000_000
    assert log.path.stat().st_mode & 0o077 == 0


def test_the_log_of_the_supervisor_itself_is_rotated_too(serving: Serving) -> None:
    log = serving.settings.logs / "supervisor.log"
    log.write_text("x" * 200_000)
    until(log.with_name("supervisor.log.1").exists, "a rotation")
    assert log.stat().st_size == 0
    assert log.with_name("supervisor.log.1").stat().st_mode & 0o077 == 0


def test_a_part_that_never_comes_up_is_tried_again_and_the_others_serve(tmp_path: Path) -> None:
    serving = Serving(tmp_path, str(free_port()), "broken")
    try:
        until(lambda: serving.part("broken").get("restarts", 0) >= 2, "two more tries")
        assert serving.part("broken")["last_exit"] == 1
        until(lambda: serving.part("second").get("up"), "the others up")
        assert not serving.is_ready()
        log = ProcessLog(serving.settings.logs, "broken", max_bytes=0, files=0)
        assert "I cannot" in log.tail(10)
    finally:
        serving.process.terminate()
        assert serving.process.wait(10) == 0
        assert of_home(tmp_path) == []


def test_what_only_a_person_can_mend_is_not_tried_in_a_loop(tmp_path: Path) -> None:
    serving = Serving(tmp_path, str(free_port()), "altered")
    try:
        until(lambda: serving.part("altered").get("last_exit") == 4, "the exit status")
        time.sleep(1.5)
        assert serving.part("altered")["restarts"] == 0
    finally:
        serving.process.terminate()
        assert serving.process.wait(10) == 0
