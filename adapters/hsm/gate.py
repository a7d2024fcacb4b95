"""A gate before a PKCS#11 module: many calls at a time, or one thread alone that starts it anew.

Nobody waits long: a call that hangs inside the module must not make those outside hang, too.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

PATIENCE_S = 1.0
"""How long a thread waits for the others; ordinary calls take milliseconds."""


class GateBusy(Exception):
    """Somebody holds the gate for longer than ordinary calls take: a call hangs in the module."""


class Gate:
    """Shared by all threads of a process. Whoever wants to be alone goes before new calls."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._calls = 0
        self._waiting = 0
        self._alone: int | None = None

    @contextmanager
    def call(self) -> Iterator[None]:
        """Within the block the module is not started anew. Raises GateBusy."""
        with self._changed:
            self._wait(lambda: self._alone is None and not self._waiting)
            self._calls += 1
        try:
            yield
        finally:
            with self._changed:
                self._calls -= 1
                self._changed.notify_all()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Within the block no other thread is in the module; may be nested. Raises GateBusy."""
        if self._alone == threading.get_ident():
            yield
            return
        with self._changed:
            self._waiting += 1
            try:
                self._wait(lambda: self._alone is None and not self._calls)
            finally:
                self._waiting -= 1
                self._changed.notify_all()
            self._alone = threading.get_ident()
        try:
            yield
        finally:
            with self._changed:
                self._alone = None
                self._changed.notify_all()

    def _wait(self, free: Callable[[], bool]) -> None:
        if not self._changed.wait_for(free, PATIENCE_S):
            raise GateBusy("a call hangs in the HSM's module")
