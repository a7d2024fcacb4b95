"""Processes of a test: which there are, and waiting for something to become true."""

import socket
import time
from collections.abc import Callable
from pathlib import Path

import psutil


def of_home(home: Path) -> list[psutil.Process]:
    """Every process whose command line or environment names this state folder."""
    found = []
    for process in psutil.process_iter():
        try:
            told = " ".join(process.cmdline())
            ours = str(home) in told or process.environ().get("TICKETRESTAURANT_HOME") == str(home)
            if ours and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:  # it ended while we looked
            continue
    return found


def until(condition: Callable[[], object], what: str, within_s: float = 20) -> None:
    """Waits until the condition holds; fails with `what` where it does not."""
    deadline_s = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline_s, f"not within {within_s} s: {what}"
        time.sleep(0.02)


def free_port() -> int:
    """A TCP port that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def free_base() -> int:
    """A base so that gateway, backend and website find their ports free."""
    for _ in range(100):
        base = free_port()
        if base < 65_000 and all(_is_free(base + distance) for distance in (1, 10, 11, 12, 80)):
            return base
    raise AssertionError("no free ports")


def _is_free(port: int) -> bool:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True
