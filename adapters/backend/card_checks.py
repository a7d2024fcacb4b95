"""Stripes and PINs of payments, checked by a process of their own that has the HSM's login, too.

A call to an HSM takes milliseconds, so many have to be on their way at a time, each in a thread.
In the event loop's process every one of those threads would take the interpreter from it, over and
over. Where the process is not there, the backend's own threads (`hsm_lane`) ask as before.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from adapters.backend.card_questions import (
    KEYS,
    OPENED,
    PIN_REFUSED,
    Answer,
    Asked,
    Checked,
    Frames,
    Question,
    framed,
)
from adapters.backend.hsm_lane import ANSWERED_S, HsmLane
from adapters.backend.own_process import OwnProcess
from adapters.hsm.generations import Generations
from application.ports import Unavailable
from protocol.errors import BodyError

log = logging.getLogger(__name__)
NAME: Final = "calls to the HSM"
_MOST: Final = 10_000
"""Questions without an answer; more are refused."""
_SWEEP_S: Final = 0.25
OPENED_S: Final = 30.0
"""How long opening the HSM may take."""
FAILING_MOST: Final = 10
"""So many answers in a row that it finds no HSM, where the backend itself does: it is replaced."""


class _Waiting(NamedTuple):
    since_s: float
    asked: Asked
    done: Callable[[Any], None]


class ProcessChecks:
    """`card_questions.CardChecks` by `adapters.hsm_process`. Lives in the event loop."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        lane: HsmLane,
        generations: Generations,
        check: Callable[[Asked], Checked],
        greeting: Callable[[], bytes],
        environment: Mapping[str, str],
    ) -> None:
        """`check` answers in the lane's threads, for lack of a process; `greeting` is what a
        process is told first: which HSM, and how to log in; `environment`: its variables."""
        self._loop = loop
        self._lane = lane
        self._generations = generations
        self._check = check
        self._greeting = greeting
        self._number = 0
        self._waiting: dict[int, _Waiting] = {}  # oldest first
        self._frames = Frames()
        self._read = msgspec.msgpack.Decoder(Answer).decode
        self._heard_s = 0.0
        self._opened = False
        self._started_s = 0.0
        self._failing = 0
        self._stopping = False
        # Only where our own login works: a wrong PIN, tried by ever new processes, locks an HSM.
        self._process = OwnProcess(
            loop,
            NAME,
            "adapters.hsm_process",
            self,
            environment=environment,
            may_start=lambda: lane.healthy,
            final=frozenset({PIN_REFUSED}),
        )

    @property
    def healthy(self) -> bool:
        """Whether the HSM answers."""
        return self._lane.healthy

    @property
    def at_work(self) -> bool:
        """Whether the process is there and has the HSM open."""
        return self._opened

    @property
    def waiting(self) -> int:
        """Questions that have no answer yet."""
        return len(self._waiting)

    def start(self) -> None:
        """Starts the process; it answers from a moment later on. In the event loop."""
        self._process.start()
        self._loop.call_later(_SWEEP_S, self._sweep)

    def stop(self) -> None:
        """Ends the process. For another thread, while the event loop runs."""
        self._stopping = True
        self._process.stop()

    def submit(self, asked: Asked, done: Callable[[Any], None]) -> bool:
        """Has it checked; `done` is called in the loop, within `ANSWERED_S`, or twice that where
        the lane has to be asked after the process. False: too much waits.

        Whatever becomes of a check decides nothing by itself.
        """
        if not self._opened:
            return self._in_lane(asked, done)
        if len(self._waiting) >= _MOST:
            return False
        self._number += 1
        newest = tuple(self._generations.newest(name) for name in KEYS)
        self._waiting[self._number] = _Waiting(time.monotonic(), asked, done)
        self._process.write(framed(Question(self._number, newest, asked)))
        return True

    def _in_lane(self, asked: Asked, done: Callable[[Any], None]) -> bool:
        return self._lane.submit(lambda: self._check(asked), done)

    # What the process tells

    def started(self) -> bytes:
        """Its settings."""
        self._started_s = time.monotonic()
        return self._greeting()

    def heard(self, data: bytes) -> None:
        """Answers; the first one, without a question, says that it has the HSM open."""
        self._heard_s = time.monotonic()
        for each in self._frames.take(data):
            answer = self._read(each)
            if answer.number == OPENED:
                self._opened = True
                self._process.works()
                continue
            self._lane.latency.add(answer.took_s)
            result = _result(answer)
            if isinstance(result, Unavailable):
                self._failed(answer.number)
            else:
                self._failing = 0
                self._answer(answer.number, result)

    def lost(self) -> None:
        """The process is gone: what it did not answer is asked here. No answer decides anything,
        so asking twice is harmless."""
        self._opened = False
        self._failing = 0
        self._frames.clear()
        for number in list(self._waiting):
            self._ask_here(number)

    def _failed(self, number: int) -> None:
        """It finds no HSM: perhaps there is none, perhaps only its own login or session is lost."""
        self._ask_here(number)
        self._failing += 1
        if self._failing >= FAILING_MOST and self._lane.healthy and self._opened:
            self._replace("find no HSM where the backend does")

    def _ask_here(self, number: int) -> None:
        waiting = self._waiting.get(number)
        if waiting is None:
            return  # it came too late
        if self._lane.healthy and self._in_lane(waiting.asked, waiting.done):
            del self._waiting[number]
        else:
            self._answer(number, Unavailable("the HSM does not answer"))

    def _replace(self, why: str) -> None:
        log.error("%s %s: their process is replaced", NAME, why)
        self._opened = False
        self._process.kill()

    def _answer(self, number: int, result: Any) -> None:
        waiting = self._waiting.pop(number, None)
        if waiting is None:
            return  # it came too late
        try:
            waiting.done(result)
        except Exception:
            log.exception("answering after the HSM")

    def _sweep(self) -> None:
        """Answers what waits for too long; replaces a process that answers nothing any more."""
        now_s = time.monotonic()
        late = []
        for number, waiting in self._waiting.items():
            if now_s - waiting.since_s < ANSWERED_S:
                break
            late.append(number)
        for number in late:
            self._answer(number, Unavailable("the HSM does not answer"))
        if self._opened:
            if late and now_s - self._heard_s >= ANSWERED_S:
                self._replace("hang")
        elif self._process.at_work and now_s - self._started_s >= OPENED_S:
            self._started_s = now_s  # once, until it is gone
            self._replace("cannot begin")
        if not self._stopping:
            self._loop.call_later(_SWEEP_S, self._sweep)


def _result(answer: Answer) -> Checked | Exception:
    if answer.checked is not None:
        return answer.checked
    if answer.refused is not None:
        return BodyError(*answer.refused)
    return Unavailable("the HSM does not answer")
