"""The thread in which the backend asks its HSM, so that a slow token never stops the event loop.

Jobs run in order; what finished together goes back to the loop together.
"""

import asyncio
import logging
import queue
import threading
import time
from collections.abc import Callable
from typing import Any

from application.histogram import LATENCY_S, Histogram
from application.ports import Unavailable

log = logging.getLogger(__name__)
HEARTBEAT_S = 0.5
FRESH_S = 2.0
"""A token that has said nothing for so long is taken for gone."""
_QUEUE_MOST = 10_000
_Job = tuple[Callable[[], Any], Callable[[Any], None]]


class HsmLane:
    """Runs jobs against the token, and asks it twice a second whether it is there."""

    def __init__(self, loop: asyncio.AbstractEventLoop, heartbeat: Callable[[], None]) -> None:
        self._loop = loop
        self._heartbeat = heartbeat
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="hsm", daemon=True)
        self._next_beat = 0.0
        self._answers = False
        self._answered_s = 0.0
        self.latency = Histogram(LATENCY_S)

    @property
    def waiting(self) -> int:
        """How many jobs wait."""
        return self._jobs.qsize()

    @property
    def healthy(self) -> bool:
        """Whether the token answered the last heartbeat, and that was not long ago: a module of
        PKCS#11 may also hang."""
        return self._answers and time.monotonic() - self._answered_s < FRESH_S

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread after the jobs it has."""
        self._jobs.put(None)
        self._thread.join(timeout=5)

    def submit(self, job: Callable[[], Any], done: Callable[[Any], None]) -> bool:
        """Runs `job` here, `done(result or exception)` in the loop; False: the lane is full."""
        if self._jobs.qsize() >= _QUEUE_MOST:
            return False
        self._jobs.put((job, done))
        return True

    def _run(self) -> None:
        while True:
            self._beat()
            try:
                first = self._jobs.get(timeout=max(0.01, self._next_beat - time.monotonic()))
            except queue.Empty:
                continue
            jobs = [first]
            while len(jobs) < 32 and not self._jobs.empty():
                jobs.append(self._jobs.get())
            finished = [(job[1], self._result(job[0])) for job in jobs if job is not None]
            self._loop.call_soon_threadsafe(_finish, finished)
            if None in jobs:
                return

    def _result(self, job: Callable[[], Any]) -> Any:
        started_s = time.monotonic()
        try:
            return job()
        except Exception as error:
            return error
        finally:
            self.latency.add(time.monotonic() - started_s)

    def _beat(self) -> None:
        now = time.monotonic()
        if now < self._next_beat:
            return
        self._next_beat = now + HEARTBEAT_S
        try:
            self._heartbeat()
        except Unavailable:
            healthy = False
        except Exception:
            log.exception("HSM heartbeat")
            healthy = False
        else:
            healthy = True
        if healthy != self._answers:
            log.warning("the HSM %s", "answers" if healthy else "does not answer: payments get 91")
        self._answers, self._answered_s = healthy, time.monotonic()


def _finish(finished: list[tuple[Callable[[Any], None], Any]]) -> None:
    for done, result in finished:
        try:
            done(result)
        except Exception:
            log.exception("answering after the HSM")
