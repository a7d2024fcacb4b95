"""Signatures of payments, checked beside the event loop where many arrive together.

Checking one takes as long as everything else that the loop does for a payment, and needs no lock of
the interpreter. A few are checked at once, where they are: handing them over would cost more.
"""

import asyncio
import logging
import queue
import threading
from collections.abc import Callable
from typing import Final

log = logging.getLogger(__name__)
THREADS: Final = 2
_FEW: Final = 3
_STOP_S: Final = 5.0
Check = Callable[[], None]
"""Raises what is wrong."""
Done = Callable[[Exception | None], None]
_Part = list[tuple[Check, Done]]


class SignatureChecks:
    """Lives in the event loop; its threads only run checks."""

    def __init__(self, loop: asyncio.AbstractEventLoop, threads: int = THREADS) -> None:
        self._loop = loop
        self._waiting: _Part = []
        self._parts: queue.SimpleQueue[_Part | None] = queue.SimpleQueue()
        self._threads = [
            threading.Thread(target=self._run, name=f"signatures-{n}", daemon=True)
            for n in range(threads)
        ]

    def start(self) -> None:
        """Starts the threads."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Ends them after what they have."""
        for _ in self._threads:
            self._parts.put(None)
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(timeout=_STOP_S)

    def submit(self, check: Check, done: Done) -> None:
        """Has `check` run; `done`, in the loop, is given what it raised, or None."""
        self._waiting.append((check, done))
        if len(self._waiting) == 1:
            self._loop.call_soon(self._go)

    def at_once(self, check: Check, done: Done) -> None:
        """The same without waiting for others."""
        _tell(done, _result(check))

    def _go(self) -> None:
        """Everything that came in one turn of the loop."""
        waiting, self._waiting = self._waiting, []
        if len(waiting) <= _FEW:
            for check, done in waiting:
                _tell(done, _result(check))
            return
        most = -(-len(waiting) // len(self._threads))
        for at in range(0, len(waiting), most):
            self._parts.put(waiting[at : at + most])

    def _run(self) -> None:
        while (part := self._parts.get()) is not None:
            results = [_result(check) for check, _ in part]
            try:
                self._loop.call_soon_threadsafe(_tell_all, part, results)
            except RuntimeError:
                log.warning("stopped with %d checks on the way", len(part))


def _result(check: Check) -> Exception | None:
    try:
        check()
    except Exception as error:
        return error
    return None


def _tell_all(part: _Part, results: list[Exception | None]) -> None:
    for (_, done), result in zip(part, results, strict=True):
        _tell(done, result)


def _tell(done: Done, result: Exception | None) -> None:
    try:
        done(result)
    except Exception:
        log.exception("after a signature")
