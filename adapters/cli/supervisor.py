"""Keeps all servers of one installation running, and stops them so that nothing is left.

One loop, no threads: the kernel ties each child to the thread that started it. Should this
process be killed, the kernel ends the servers, and PostgreSQL shuts down fast.
"""

import contextlib
import fcntl
import json
import os
import select
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from pathlib import Path
from types import FrameType
from typing import Any, Final, TextIO

from adapters.cli import exit_codes
from adapters.cli.child import Child, now_s
from adapters.cli.parts import Part
from adapters.cli.process_log import ProcessLog
from adapters.settings import Settings

STATUS_FILE: Final = "status.json"
LOCK_FILE: Final = "supervisor.lock"
_ROTATE_EVERY_S: Final = 5.0
_PATIENCE_S: Final = 5.0
_LOCK_WAIT_S: Final = 0.5
_STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class AlreadyServing(Exception):
    """Another `serve` (or `init`, `backup`, `restore`) works on the same state folder."""


@contextlib.contextmanager
def sole_use(settings: Settings) -> Iterator[None]:
    """Nobody else serves from, or changes, this state folder within the block.

    Raises AlreadyServing. The lock goes with the process, however that ends.
    """
    settings.run.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = settings.run / LOCK_FILE
    lock.touch(mode=0o600)
    with lock.open("a") as file:
        deadline_s = now_s() + _LOCK_WAIT_S
        while not _locked(file, fcntl.LOCK_EX):
            if now_s() > deadline_s:  # not somebody's short look whether the lock is free
                raise AlreadyServing(f"{settings.home} is in use: servers run, or another command")
            time.sleep(0.02)
        yield


class Supervisor:
    """The children of one installation; `run` returns after a signal, with all of them ended."""

    def __init__(
        self, settings: Settings, parts: list[Part], *, announce: Callable[[str], None]
    ) -> None:
        self._settings = settings
        self._watcher = announce
        self._children = {part.name: self._child(part) for part in parts}
        # In the background our own words go to a file, too; how a part fails for a night is long.
        self._own_log = self._log("supervisor")
        self._stopping = False
        self._was_ready = False
        self._rotate_from_s = 0.0
        self._patient_until_s = now_s() + _PATIENCE_S

    @property
    def ready(self) -> bool:
        """Whether every part is up."""
        return all(child.up for child in self._children.values())

    def run(self) -> None:
        """Serves until SIGTERM, SIGINT or SIGHUP. Call it in the main thread."""
        with _signals_to(self._stop) as wakeup:
            try:
                self._write_status()
                while not self._stopping:
                    changed = [self._step(child) for child in self._children.values()]
                    if any(changed):
                        self._write_status()
                    self._rotate_logs()
                    self._sleep(wakeup)
            finally:
                self._stop_all()
                (self._settings.run / STATUS_FILE).unlink(missing_ok=True)

    def _announce(self, text: str) -> None:
        with contextlib.suppress(OSError):  # a full disk is no reason not to serve
            self._watcher(text)

    def _child(self, part: Part) -> Child:
        return Child(part, self._log(part.name))

    def _log(self, name: str) -> ProcessLog:
        settings = self._settings
        return ProcessLog(
            settings.logs, name, max_bytes=settings.log_max_bytes, files=settings.log_files
        )

    def _step(self, child: Child) -> bool:
        was_up, was = child.up, child.pid
        patient = child.starts == 0 and now_s() < self._patient_until_s
        may_start = not patient or all(self._children[name].up for name in child.part.after)
        changed = child.step(now_s(), may_start)
        if was is not None and was != child.pid:
            again = "starting again"
            if child.last_exit == exit_codes.INTEGRITY_BROKEN:
                again = f"somebody must look: {child.log.path} says why; trying again in a minute"
            self._announce(f"{child.part.name} ended ({_ending(child.last_exit)}), {again}")
        if child.up and not was_up:
            self._announce(f"{child.part.name} is up at {child.part.address}")
        return changed

    def _sleep(self, wakeup: int) -> None:
        now = now_s()
        due_s = min(child.due_in_s(now) for child in self._children.values())
        readable, _, _ = select.select([wakeup], [], [], min(due_s, _ROTATE_EVERY_S))
        if readable:
            os.read(wakeup, 4096)

    def _rotate_logs(self) -> None:
        if now_s() < self._rotate_from_s:
            return
        self._rotate_from_s = now_s() + _ROTATE_EVERY_S
        for log in (self._own_log, *(child.log for child in self._children.values())):
            with contextlib.suppress(OSError):
                log.rotate_if_large()

    def _stop(self, number: int) -> None:
        if not self._stopping:
            self._announce(f"stopping ({signal.Signals(number).name})")
        self._stopping = True

    def _stop_all(self) -> None:
        """In the reverse order of their start: who depends on others goes first.

        The servers stop side by side, and so do the databases after them.
        """
        databases = [child for child in self._children.values() if _is_database(child)]
        servers = [child for child in self._children.values() if not _is_database(child)]
        for group in (servers, databases):
            for child in reversed(group):
                child.ask_to_stop()
            deadline_s = now_s() + max((c.part.stop_within_s for c in group), default=0)
            for child in reversed(group):
                child.wait_stopped(max(0.1, deadline_s - now_s()))

    def _write_status(self) -> None:
        if self.ready and not self._was_ready:
            self._was_ready = True
            self._announce("ready")
        status = {
            "pid": os.getpid(),
            "written_us": time.time_ns() // 1_000,
            "ready": self.ready,
            "addresses": _addresses(self._settings),
            "parts": {name: child.status() for name, child in self._children.items()},
        }
        with contextlib.suppress(OSError):  # a full disk is no reason not to serve
            write_private(self._settings.run / STATUS_FILE, json.dumps(status, indent=1))


def is_in_use(settings: Settings) -> bool:
    """Whether somebody has sole use of this state folder now."""
    try:
        with (settings.run / LOCK_FILE).open() as file:
            return not _locked(file, fcntl.LOCK_SH)
    except FileNotFoundError:
        return False


def read_status(settings: Settings) -> dict[str, Any] | None:
    """What the supervisor of this installation wrote last, None if none is running."""
    if not is_in_use(settings):
        return None  # what the file says is the past
    try:
        found: dict[str, Any] = json.loads((settings.run / STATUS_FILE).read_bytes())
    except (OSError, ValueError):
        return None
    return found


def as_served(settings: Settings) -> Settings:
    """The settings with the addresses that a running supervisor of this installation was given.

    Who asks may have another base port in the environment, or none.
    """
    status = read_status(settings) or {}
    known = _addresses(settings)
    given = {name: value for name, value in status.get("addresses", {}).items() if name in known}
    return replace(settings, **given)


def _addresses(settings: Settings) -> dict[str, Any]:
    """Where servers listen, and what people type, by the names of the settings."""
    names = [each.name for each in fields(settings) if each.name.endswith(("_host", "_port"))]
    return {name: getattr(settings, name) for name in [*names, "website_url"]}


def write_private(path: Path, text: str) -> None:
    """Replaces a file of mode 0600 as a whole. Raises OSError."""
    new = path.with_name(path.name + ".new")
    new.touch(mode=0o600)
    new.write_text(text)
    new.replace(path)


@contextlib.contextmanager
def _signals_to(stop: Callable[[int], None]) -> Iterator[int]:
    """Signals call `stop`; they, and the end of a child, make the given descriptor readable."""

    def on_stop(number: int, _frame: FrameType | None) -> None:
        stop(number)

    readable, writable = os.pipe()
    os.set_blocking(readable, False)
    os.set_blocking(writable, False)
    before = {number: signal.signal(number, on_stop) for number in _STOP_SIGNALS}
    before[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    old_wakeup = signal.set_wakeup_fd(writable, warn_on_full_buffer=False)
    try:
        yield readable
    finally:
        signal.set_wakeup_fd(old_wakeup)
        for number, old in before.items():
            signal.signal(number, old)
        os.close(readable)
        os.close(writable)


def _locked(file: TextIO, kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_database(child: Child) -> bool:
    return child.part.stop_signal == signal.SIGINT


def _ending(status: int | None) -> str:
    if status is None:
        return "could not be started"
    if status < 0:
        return signal.Signals(-status).name
    return f"status {status}"
