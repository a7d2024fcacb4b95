"""One supervised process: started, watched, started again when it dies, stopped in time."""

import contextlib
import os
import subprocess
import time
from typing import Any, Final

from adapters.cli import exit_codes
from adapters.cli.parts import Part
from adapters.cli.process_log import ProcessLog

FIRST_PAUSE_S: Final = 0.2
LONGEST_PAUSE_S: Final = 5.0
CALM_S: Final = 10.0
"""Who ran as long as this is started again after the first, short pause."""
SOMEBODY_MUST_LOOK_S: Final = 60.0
"""Who ended because what was signed does not fit is not started again sooner: nothing but a person
changes that."""
_PROBE_EVERY_S: Final = 0.05


class Child:
    """The process of one part. All times come from `now_s`, a monotonic clock."""

    def __init__(self, part: Part, log: ProcessLog) -> None:
        self.part = part
        self.log = log
        self.up = False
        self.starts = 0
        self.last_exit: int | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._started_s = 0.0
        self._start_from_s = 0.0
        self._probe_from_s = 0.0
        self._pause_s = FIRST_PAUSE_S

    @property
    def pid(self) -> int | None:
        """The number of its process while it runs."""
        return self._process.pid if self._process else None

    def step(self, now_s: float, may_start: bool) -> bool:
        """Looks after the process; whether anything changed that an observer may see."""
        before = (self.pid, self.up)
        if self._process and self._process.poll() is not None:
            self._died(now_s)
        if self._process is None and may_start and now_s >= self._start_from_s:
            self._start(now_s)
        if self._process and not self.up and now_s >= self._probe_from_s:
            self._probe_from_s = now_s + _PROBE_EVERY_S
            self.up = self.part.is_up(self._process.pid) and self._process.poll() is None
        return before != (self.pid, self.up)

    def due_in_s(self, now_s: float) -> float:
        """How long nothing needs to be done for it, unless its process ends."""
        if self.up:
            return CALM_S
        wanted = self._probe_from_s if self._process else self._start_from_s
        return max(0.01, wanted - now_s)

    def ask_to_stop(self) -> None:
        """Sends the signal on which it ends in order."""
        if self._process and self._process.poll() is None:
            self._process.send_signal(self.part.stop_signal)

    def wait_stopped(self, within_s: float) -> None:
        """Waits, then kills it; it is gone afterwards."""
        if self._process is not None:
            try:
                self._process.wait(within_s)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self.last_exit, self._process, self.up = self._process.returncode, None, False
        self.part.tidy_up()

    def status(self) -> dict[str, Any]:
        """What `status.json` says about it."""
        return {
            "address": self.part.address,
            "pid": self.pid,
            "up": self.up,
            "restarts": max(0, self.starts - 1),
            "last_exit": self.last_exit,
            "log": str(self.log.path),
        }

    def _start(self, now_s: float) -> None:
        self.starts += 1
        self._started_s = now_s
        output = subprocess.DEVNULL
        try:
            self.part.prepare()
            with contextlib.suppress(OSError):  # a full disk is no reason not to serve
                output = self.log.open()
            self._process = subprocess.Popen(
                self.part.command,
                env=self.part.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # Ctrl-C is for us; we stop the parts in order
            )
        except OSError:
            self._died(now_s)
        finally:
            if output != subprocess.DEVNULL:
                os.close(output)

    def _died(self, now_s: float) -> None:
        if now_s - self._started_s > CALM_S:
            self._pause_s = FIRST_PAUSE_S
        self.last_exit = self._process.returncode if self._process else None
        self._process, self.up = None, False
        hopeless = self.last_exit == exit_codes.INTEGRITY_BROKEN
        self._start_from_s = now_s + (SOMEBODY_MUST_LOOK_S if hopeless else self._pause_s)
        self._pause_s = min(LONGEST_PAUSE_S, self._pause_s * 2)


def now_s() -> float:
    """The clock of all children: seconds, monotonic."""
    return time.monotonic()
