"""A fresh installation with all its servers, made and run by the real program, for one test run."""

import contextlib
import os
import random
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Mapping
from json import dumps, loads
from pathlib import Path
from typing import Any

import psutil

from adapters import settings
from adapters.cli.background import start_in_background, stop
from adapters.cli.operator_link import Operator, identity_folder
from adapters.cli.parts import environment, program
from adapters.cli.supervisor import read_status
from adapters.settings import PREFIX, Settings
from devices.identity import Device, load_device
from devices.link import Link

PATIENCE_S = 30.0
_DISTANCES = (0, 1, 2, 10, 11, 12, 80)


class Installation:
    """`init` and `serve` of one state folder. The servers end with us, however that happens."""

    def __init__(
        self, home: Path, given: Mapping[str, Any] | None = None, *, ceremony: bool = False
    ) -> None:
        """`given`: settings that are there before `init`; `ceremony`: a sandbox's comes first."""
        self.home = home
        if given:
            home.mkdir(mode=0o700, parents=True, exist_ok=True)
            (home / "settings.json").write_text(dumps(dict(given)))
        if ceremony:
            done = self.run("ceremony", "--sandbox")
            assert done.returncode == 0, done.stderr
        done = self.run("init", "--base-port", str(free_port_base()))
        assert done.returncode == 0, done.stderr

    @property
    def settings(self) -> Settings:
        """As the servers read them."""
        return settings.load({}, self.home)

    def start(self) -> None:
        """Returns when all servers are up."""
        start_in_background(self.settings, die_with_us=True)

    def stop(self) -> None:
        """Returns when none is left."""
        stop(self.settings)

    def run(self, *arguments: str, stdin: str = "") -> "subprocess.CompletedProcess[str]":
        """The command line, as an operator or a cashier uses it."""
        return subprocess.run(
            program(*arguments),
            env=self._environment(),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
        )

    def json(self, *arguments: str) -> Any:
        """What a command that succeeds prints as JSON."""
        done = self.run(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return loads(done.stdout)

    @contextlib.asynccontextmanager
    async def operator(self, name: str = "operator-1") -> AsyncIterator[Operator]:
        """An operator's session, for what would be too many processes by the command line."""
        async with Link(self.identity(name)) as link:
            yield Operator(link)

    def identity(self, operator: str) -> Device:
        """Who an operator or auditor is."""
        return load_device(identity_folder(self.home, operator))

    def verify_log(self) -> None:
        """The auditor's check of every event against the signed checkpoint."""
        done = self.run("audit", "verify")
        assert done.returncode == 0, done.stdout + done.stderr

    # Processes

    def part(self, name: str) -> dict[str, Any]:
        """What the supervisor says of a part."""
        status = read_status(self.settings)
        assert status is not None, "nothing is served"
        found: dict[str, Any] = status["parts"][name]
        return found

    def pids(self) -> dict[str, int]:
        """The process of every part; equal before and after: nothing was started again."""
        status = read_status(self.settings)
        assert status is not None, "nothing is served"
        return {name: part["pid"] for name, part in status["parts"].items()}

    def process(self, name: str) -> psutil.Process:
        """The running process of a part."""
        until(lambda: self.part(name)["pid"] is not None, f"{name} has a process")
        return psutil.Process(self.part(name)["pid"])

    def kill(self, name: str) -> None:
        """SIGKILL, without a word to anybody; returns when the kernel has done it."""
        victim = self.process(name)
        victim.kill()
        until(lambda: _is_dead(victim), f"{name} is dead")

    def wait_up(self, name: str, other_than: int | None = None) -> None:
        """Until the part is up, as another process than the given one."""

        def up() -> bool:
            part = self.part(name)
            return bool(part["up"]) and part["pid"] != other_than

        until(up, f"{name} is up again")

    def freeze(self, name: str, seconds: float) -> None:
        """A part with all its processes stands still for that long, whatever becomes of us."""
        root = self.process(name)
        pids = " ".join(str(each.pid) for each in (root, *root.children(recursive=True)))
        script = f"kill -STOP {pids}; sleep {seconds}; kill -CONT {pids}"
        subprocess.Popen(["sh", "-c", script], start_new_session=True).wait()

    def _environment(self) -> dict[str, str]:
        ours = settings.load({}, self.home)
        clean = {name: text for name, text in os.environ.items() if not name.startswith(PREFIX)}
        return {**environment(ours), **clean, PREFIX + "HOME": str(self.home)}


def _is_dead(victim: psutil.Process) -> bool:
    try:
        return bool(victim.status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:  # reaped already, perhaps between two looks
        return True


def free_port_base() -> int:
    """A base with nothing on any of its ports, below those that the kernel gives to callers."""
    while True:
        base = random.randrange(20_000, 32_000)
        if all(_is_free(base + distance) for distance in _DISTANCES):
            return base


def _is_free(port: int) -> bool:
    with socket.socket() as sock:
        try:
            sock.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def until(true: Callable[[], Any], what: str, seconds: float = PATIENCE_S) -> None:
    """Waits until `true()`."""
    deadline_s = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline_s, f"in vain: {what}"
        time.sleep(0.02)
