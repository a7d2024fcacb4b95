"""The threads in which the backend asks its HSM, so that a slow token never stops the event loop.

Jobs of different callers overlap and end in any order; what finished together goes back to the
loop together. A token that hangs, or a queue that it no longer empties, is an answer too: each job
has its answer within `ANSWERED_S`, a late one of the token is dropped.
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
ANSWERED_S = 2.0
"""How long a job may wait and run before its caller is told that the HSM does not answer."""
_SWEEP_S = 0.25
_STOP_S = 5.0
_QUEUE_MOST = 10_000


class _Job:
    """What is asked, by whom. `answered` is written in the event loop alone."""

    __slots__ = ("answered", "ask", "done", "since_s")

    def __init__(self, ask: Callable[[], Any], done: Callable[[Any], None]) -> None:
        self.ask = ask
        self.done = done
        self.since_s = time.monotonic()
        self.answered = False


class HsmLane:
    """Runs jobs against the token, and asks it twice a second whether it is there.

    `start` and `submit` are called in the event loop. The heartbeat has a thread of its own: jobs
    that hang do not silence it.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, heartbeat: Callable[[], None], threads: int = 1
    ) -> None:
        self._loop = loop
        self._heartbeat = heartbeat
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._pending: dict[_Job, None] = {}  # oldest first
        self._finished: list[tuple[_Job, Any]] = []
        self._finished_lock = threading.Lock()
        self._busy_since_s: list[float | None] = [None] * threads
        self._threads = [
            threading.Thread(target=self._run, args=(place,), name=f"hsm-{place}", daemon=True)
            for place in range(threads)
        ]
        self._beating = threading.Thread(target=self._beat, name="hsm-heartbeat", daemon=True)
        self._stopping = threading.Event()
        self._stuck = False
        self._answers: bool | None = None
        self._answered_s = 0.0
        self._trouble = "it was not asked yet"
        self.latency = Histogram(LATENCY_S)

    @property
    def healthy(self) -> bool:
        """Whether the token answered the last heartbeat, that was not long ago, and some thread
        is there to ask it: a module of PKCS#11 may also hang."""
        fresh = time.monotonic() - self._answered_s < FRESH_S
        return bool(self._answers) and not self._stuck and fresh

    @property
    def threads(self) -> int:
        """How many calls overlap."""
        return len(self._threads)

    @property
    def waiting(self) -> int:
        """Jobs that have no answer yet."""
        return len(self._pending)

    @property
    def trouble(self) -> str:
        """Why it is not healthy, empty while it is."""
        if self.healthy:
            return ""
        if self._stuck:
            return "all calls hang"
        return "it does not answer" if self._answers else self._trouble

    def start(self) -> None:
        """Starts the threads."""
        for thread in (*self._threads, self._beating):
            thread.start()
        self._loop.call_later(_SWEEP_S, self._sweep)

    def stop(self) -> None:
        """Ends the threads after the jobs they have; one that hangs ends with the process."""
        self._stopping.set()
        for _ in self._threads:
            self._jobs.put(None)
        until_s = time.monotonic() + _STOP_S
        for thread in (*self._threads, self._beating):
            thread.join(timeout=max(0.0, until_s - time.monotonic()))

    def submit(self, job: Callable[[], Any], done: Callable[[Any], None]) -> bool:
        """Runs `job` here, `done(result or exception)` in the loop; False: the lane is full.

        A job that is not done within `ANSWERED_S` is answered Unavailable, whatever becomes of it:
        it must decide nothing by itself.
        """
        if len(self._pending) >= _QUEUE_MOST:
            return False
        asked = _Job(job, done)
        self._pending[asked] = None
        self._jobs.put(asked)
        return True

    # In the threads

    def _run(self, place: int) -> None:
        while (job := self._jobs.get()) is not None:
            if job.answered:
                continue
            self._busy_since_s[place] = time.monotonic()
            result = self._result(job.ask)
            self._busy_since_s[place] = None
            self._hand_over(job, result)

    def _hand_over(self, job: _Job, result: Any) -> None:
        with self._finished_lock:
            first = not self._finished
            self._finished.append((job, result))
        if first:
            try:
                self._loop.call_soon_threadsafe(self._deliver)
            except RuntimeError:
                log.warning("stopped with answers of the HSM on the way")

    def _result(self, job: Callable[[], Any]) -> Any:
        started_s = time.monotonic()
        try:
            return job()
        except Exception as error:
            return error
        finally:
            self.latency.add(time.monotonic() - started_s)

    def _beat(self) -> None:
        while True:
            try:
                self._heartbeat()
            except Unavailable as error:
                self._heard(str(error) or "it does not answer")
            except Exception:
                log.exception("HSM heartbeat")
                self._heard("the heartbeat failed")
            else:
                self._heard(None)
            if self._stopping.wait(HEARTBEAT_S):
                return

    def _heard(self, trouble: str | None) -> None:
        answers = trouble is None
        if answers is not self._answers and (self._answers is not None or not answers):
            log.warning(
                "the HSM %s", "answers" if answers else f"is gone: {trouble}; payments get 91"
            )
        self._trouble = trouble or ""
        self._answers, self._answered_s = answers, time.monotonic()

    # In the event loop

    def _deliver(self) -> None:
        with self._finished_lock:
            finished, self._finished = self._finished, []
        for job, result in finished:
            self._answer(job, result)

    def _sweep(self) -> None:
        """Answers what waits for too long, and sees whether any thread is left."""
        now_s = time.monotonic()
        late = []
        for job in self._pending:
            if now_s - job.since_s < ANSWERED_S:
                break
            late.append(job)
        for job in late:
            self._answer(job, Unavailable("the HSM does not answer"))
        busy = list(self._busy_since_s)
        stuck = all(since_s is not None and now_s - since_s >= FRESH_S for since_s in busy)
        if stuck != self._stuck:
            self._stuck = stuck
            log.warning("calls to the HSM %s", "hang: payments get 91" if stuck else "end again")
        if not self._stopping.is_set():
            self._loop.call_later(_SWEEP_S, self._sweep)

    def _answer(self, job: _Job, result: Any) -> None:
        if job.answered:
            return
        job.answered = True
        del self._pending[job]
        try:
            job.done(result)
        except Exception:
            log.exception("answering after the HSM")
