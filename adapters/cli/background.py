"""Servers in the background: started until all are ready, and stopped until all are gone."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable
from typing import Any

from adapters.cli.parts import environment, program
from adapters.cli.process_log import ProcessLog
from adapters.cli.supervisor import is_in_use, read_status, sole_use
from adapters.settings import Settings

_LOOK_EVERY_S = 0.05
_RESTARTS_TO_GIVE_UP = 4


class NotReady(Exception):
    """The servers did not come up; the message names the part and ends with its last log lines."""


def start_in_background(
    settings: Settings,
    *,
    within_s: float = 60,
    die_with_us: bool = False,
    progress: Callable[[str], None] = lambda _part: None,
) -> int:
    """Starts `serve` detached and returns its process number when every part is up.

    `die_with_us`: it stops by itself when this process ends. `progress` is told the name of each
    part that is up. Raises NotReady (nothing runs then) and supervisor.AlreadyServing.
    """
    with sole_use(settings):
        pass
    log = ProcessLog(settings.logs, "supervisor", max_bytes=settings.log_max_bytes, files=1)
    output = log.open()
    arguments = ["serve", *(["--with-parent", str(os.getpid())] if die_with_us else [])]
    try:
        process = subprocess.Popen(
            program(*arguments),
            env=environment(settings),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    finally:
        os.close(output)
    try:
        _wait_ready(settings, process, log, within_s, progress)
    except BaseException:
        process.terminate()
        process.wait()
        raise
    return process.pid


def stop(settings: Settings, *, within_s: float = 90) -> bool:
    """Stops what `serve` runs and waits until all is gone; False if nothing ran.

    Raises NotReady where it does not end in time.
    """
    status = read_status(settings)
    if status is None:
        return False
    with contextlib.suppress(ProcessLookupError):
        os.kill(int(status["pid"]), signal.SIGTERM)
    deadline_s = time.monotonic() + within_s
    while is_in_use(settings):
        if time.monotonic() > deadline_s:
            raise NotReady(f"process {status['pid']} has not stopped within {within_s:.0f} s")
        time.sleep(_LOOK_EVERY_S)
    return True


def _wait_ready(
    settings: Settings,
    process: subprocess.Popen[bytes],
    log: ProcessLog,
    within_s: float,
    progress: Callable[[str], None],
) -> None:
    deadline_s = time.monotonic() + within_s
    seen: set[str] = set()
    while True:
        if process.poll() is not None:
            raise NotReady(_with_tail(f"serve ended with status {process.returncode}", log))
        status = read_status(settings)
        if status and status["pid"] == process.pid:
            found = status["parts"]
            for name in [each for each in found if found[each]["up"] and each not in seen]:
                seen.add(name)
                progress(name)
            if status["ready"]:
                return
            _raise_if_hopeless(settings, found)
        if time.monotonic() > deadline_s:
            found = status["parts"] if status else {}
            down = [name for name in found if not found[name]["up"]]
            raise NotReady(_part_said(settings, down[0]) if down else "nothing was started")
        time.sleep(_LOOK_EVERY_S)


def _raise_if_hopeless(settings: Settings, found: dict[str, Any]) -> None:
    for name, part in found.items():
        if not part["up"] and part["restarts"] >= _RESTARTS_TO_GIVE_UP:
            raise NotReady(_part_said(settings, name))


def _part_said(settings: Settings, name: str) -> str:
    log = ProcessLog(settings.logs, name, max_bytes=0, files=0)
    return _with_tail(f"{name} does not come up", log)


def _with_tail(text: str, log: ProcessLog) -> str:
    return "\n".join([f"{text}; the end of {log.path}:", *log.tail(12)])
