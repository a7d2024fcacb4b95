"""The one clock of everything that decides: the machine's, which in a sandbox can be put forward.

Sessions, certificates, TLS and checkpoints stay with the machine's: who somebody is, and what was
signed when, is not played.
"""

import logging
import threading
import time
from collections.abc import Callable
from typing import Protocol

from adapters import settings as settings_
from adapters.settings import Settings, SettingsError

log = logging.getLogger(__name__)
LOOK_EVERY_S = 0.25


def system_now_us() -> int:
    """Microseconds since 1970 UTC by the machine's clock."""
    return time.time_ns() // 1_000


class BackendClock(Protocol):
    """`application.ports.Clock`, and a part of the backend."""

    def now_us(self) -> int: ...

    def on_moved(self, tell: Callable[[], object]) -> None:
        """`tell` is called, in any thread, when the clock was put forward."""

    def start(self) -> None: ...

    def stop(self) -> None: ...


class SystemClock:
    """The machine's clock, in UTC."""

    def now_us(self) -> int:
        """Microseconds since 1970 UTC."""
        return system_now_us()

    def on_moved(self, tell: Callable[[], object]) -> None:
        """It is never moved."""

    def start(self) -> None:
        """Nothing to look at."""

    def stop(self) -> None:
        """Nothing to end."""


class SandboxClock:
    """The machine's clock and so many seconds, as `sandbox_clock_ahead_s` says, also while running.

    It is never put back: what was decided would lie in the future.
    """

    def __init__(self, settings: Settings) -> None:
        self._home = settings.home
        self._ahead_us = settings.sandbox_clock_ahead_s * 1_000_000
        self._seen = self._changed_ns()
        self._tell: Callable[[], object] = lambda: None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="sandbox-clock", daemon=True)
        log.warning("SANDBOX: the clock is %d s ahead", settings.sandbox_clock_ahead_s)

    def now_us(self) -> int:
        """Microseconds since 1970 UTC, as far ahead as was said last."""
        return time.time_ns() // 1_000 + self._ahead_us

    def on_moved(self, tell: Callable[[], object]) -> None:
        """See `BackendClock`."""
        self._tell = tell

    def start(self) -> None:
        """Watches the settings file."""
        self._thread.start()

    def stop(self) -> None:
        """Ends that."""
        self._stopping.set()
        self._thread.join(timeout=5)

    def _watch(self) -> None:
        while not self._stopping.wait(LOOK_EVERY_S):
            changed = self._changed_ns()
            if changed != self._seen:
                self._seen = changed
                self._look()

    def _look(self) -> None:
        try:
            ahead_us = settings_.load(home=self._home).sandbox_clock_ahead_s * 1_000_000
        except SettingsError as error:
            log.warning("SANDBOX: the clock stays: %s", error)
            return
        if ahead_us < self._ahead_us:
            log.warning("SANDBOX: the clock is never put back")
        elif ahead_us > self._ahead_us:
            log.warning("SANDBOX: the clock is %d s ahead", ahead_us // 1_000_000)
            self._ahead_us = ahead_us
            self._tell()

    def _changed_ns(self) -> int:
        try:
            return settings_.file_of(self._home).stat().st_mtime_ns
        except OSError:
            return 0


def clock_of(settings: Settings) -> BackendClock:
    """The backend's clock."""
    return SandboxClock(settings) if settings.is_sandbox else SystemClock()
