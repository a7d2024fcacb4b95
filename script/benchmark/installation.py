"""A whole installation for one run of the benchmark, in a folder of its own, with its servers.

The ledger's server runs with the settings that every installation has: fsync and synchronous
commit on. Money, cards and terminals are put in through the event log before the servers start.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psutil

from adapters.cli import installing
from adapters.cli.parts import bound_to_parent, embedded_clusters, environment, program
from adapters.postgres import binaries
from adapters.postgres.embedded import STOP_SIGNAL
from adapters.settings import PREFIX, Settings, load

PORT_BASE = 17_500


class Installation:
    """The installation and its processes."""

    def __init__(self, home: Path) -> None:
        shutil.rmtree(home, ignore_errors=True)
        os.environ["TICKETRESTAURANT_HOME"] = str(home)
        os.environ["TICKETRESTAURANT_PORT_BASE"] = str(PORT_BASE)
        self.settings: Settings = load()
        for step in installing.steps(self.settings):
            step.work()
        self.cluster = embedded_clusters(self.settings)["ledger"]
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def start_database(self) -> None:
        """Starts the ledger's PostgreSQL."""
        self.cluster.prepare_to_run()
        self._start("postgres", self.cluster.command(parent=os.getpid()), binaries.environment())
        _until(self.cluster.ready, "the database")

    def start_servers(self, more: Mapping[str, object] | None = None) -> None:
        """Starts backend and gateway, and waits until the gateway has its backend. `more`: their
        settings beside those of the installation."""
        settings = {PREFIX + name: str(value) for name, value in (more or {}).items()}
        status = self.settings.run / "gateway.json"
        status.unlink(missing_ok=True)  # of a run before
        for name in ("backend", "gateway"):
            command = bound_to_parent(program(name), os.getpid())
            self._start(name, command, environment(self.settings) | settings)
        _until(
            lambda: status.exists() and '"link":"up"' in status.read_text().replace(" ", ""),
            "the link",
        )

    def stop_servers(self) -> None:
        """Stops gateway and backend: the ledger is free."""
        for name in ("gateway", "backend"):
            if name in self._processes:
                self._stop(name)

    def stop(self) -> None:
        """Stops everything that was started."""
        for name in list(reversed(self._processes)):
            self._stop(name)

    def _stop(self, name: str) -> None:
        process = self._processes.pop(name)
        process.send_signal(STOP_SIGNAL if name == "postgres" else signal.SIGTERM)
        process.wait(60)

    @contextmanager
    def processor_time(self) -> Iterator[dict[str, float]]:
        """Seconds of processor time that each server used within the block, children included."""
        before = self._times()
        used: dict[str, float] = {}
        yield used
        for name, seconds in self._times().items():
            used[name] = seconds - before[name]

    def memory_mb(self, name: str) -> float:
        """Resident memory of a server in MB, children included."""
        return sum(float(each.memory_info().rss) for each in self._family(name)) / 1e6

    def _times(self) -> dict[str, float]:
        found = {}
        for name in self._processes:
            times = [each.cpu_times() for each in self._family(name) if each.is_running()]
            found[name] = sum(each.user + each.system for each in times)
        return found

    def _family(self, name: str) -> list[psutil.Process]:
        first = psutil.Process(self._processes[name].pid)
        return [first, *first.children(recursive=True)]

    def _start(self, name: str, command: list[str], variables: dict[str, str]) -> None:
        log = (self.settings.logs / f"{name}.log").open("ab")
        self._processes[name] = subprocess.Popen(
            command, env=variables, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            start_new_session=True,
        )  # fmt: skip


def _until(true: "object", what: str, seconds: float = 180) -> None:
    deadline = time.monotonic() + seconds
    while not true():  # type: ignore[operator]
        if time.monotonic() > deadline:
            sys.exit(f"{what} did not come up within {seconds:.0f} s")
        time.sleep(0.02)
