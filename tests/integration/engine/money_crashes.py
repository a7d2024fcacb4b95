"""Crashes between and inside the steps: what a command meets on its way, and that it is sent again.

A batch whose answer does not come may have been stored or not. Whoever sent it sends the same again
until it is answered, as terminals and operators' programs do.
"""

import threading
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any, NamedTuple

from adapters.postgres.recorder import LOCK_CLASS
from application.ports import Unavailable
from application.states import States
from application.work import Failed, Needs, Outcome, Work
from tests.integration.engine.world import World, until

Make = Callable[[], Work]
_KILL = (
    "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND classid = %s"
)


class Crash(Enum):
    """What goes wrong, and when."""

    NONE = "nothing"
    RESTART = "the backend was killed before the step: the next run knows what is stored"
    RESTART_WITH_SNAPSHOTS = "the same, after the snapshots were written"
    OLD_SNAPSHOTS = "the same, over a table of snapshots that was put back from earlier"
    KILLED = "the writer's connection was terminated before the step"
    KILLED_INSIDE = "the writer's connection is terminated while the batch is stored"
    BEFORE = "storing fails just before the commit, once"
    AFTER = "storing fails just after the commit, once"
    LOST_BEFORE = "just before the commit the database goes for a while: nobody knows"
    LOST_AFTER = "just after the commit the database goes for a while: nobody knows"
    GIVEN_UP = "the same as LOST_BEFORE, and nobody sends it again"
    DIED_BEFORE = "the backend dies just before the commit"
    DIED_AFTER = "the backend dies just after the commit, before it answered"
    UNHEARD = "the answer goes astray, and the backend dies after it"


class Carried(NamedTuple):
    """`answers` in order; `resent`: somebody had to send something again. A `Failed` among them
    was given up before anything was stored."""

    answers: list[Any]
    works: list[Work]
    resent: bool


def carry_out(world: World, makes: Sequence[Make], crash: Crash) -> Carried:
    """The answers to works that arrive together, whatever happens to them."""
    _before(world, crash)
    works = [make() for make in makes]
    answers = _together(world, works)
    resent = crash is Crash.UNHEARD
    if resent:
        answers = [Failed("91", "unheard")] * len(works)
    for _ in range(5):
        _heal(world)
        left = [index for index, answer in enumerate(answers) if isinstance(answer, Failed)]
        if not left or crash is Crash.GIVEN_UP:
            return Carried(answers, works, resent)
        assert {answers[index].code for index in left} == {"91"}, "no error of ours"
        resent = True
        if crash in (Crash.DIED_BEFORE, Crash.DIED_AFTER, Crash.UNHEARD):
            world.restart()
        for index in left:
            works[index] = makes[index]()
        for index, answer in zip(left, _together(world, [works[i] for i in left]), strict=True):
            answers[index] = answer
    raise AssertionError("no answer, however often it is sent")


class _Gate:
    """Holds the engine until all works of a batch wait behind it, so that they are one commit."""

    deadline_us = 1 << 62

    def __init__(self) -> None:
        self.entered, self.open = threading.Event(), threading.Event()

    def needs(self, states: States, needs: Needs, now_us: int) -> bool:
        self.entered.set()
        assert self.open.wait(20)
        return False

    def decide(self, states: States, now_us: int) -> Outcome:
        return Outcome(None)


def _together(world: World, works: list[Work]) -> list[Any]:
    if len(works) == 1:
        return world.submit(*works)
    gate = _Gate()
    assert world.engine.submit(gate, lambda _: None)
    assert gate.entered.wait(20)
    return world.submit(*works, queued=gate.open.set)


def _before(world: World, crash: Crash) -> None:
    match crash:
        case Crash.RESTART:
            world.restart()
        case Crash.RESTART_WITH_SNAPSHOTS:
            world.snapshots.write()
            world.restart()
        case Crash.OLD_SNAPSHOTS:
            _put_back_snapshots(world)
            world.restart()
        case Crash.KILLED:
            world.database.execute(_KILL, LOCK_CLASS)
        case Crash.KILLED_INSIDE | Crash.BEFORE:
            _fail_once(world, crash, after=False)
        case Crash.LOST_BEFORE | Crash.GIVEN_UP | Crash.DIED_BEFORE:
            _fail_once(world, crash, after=False)
        case Crash.AFTER | Crash.LOST_AFTER | Crash.DIED_AFTER:
            _fail_once(world, crash, after=True)
        case _:
            pass


def _fail_once(world: World, crash: Crash, *, after: bool) -> None:
    """Arms the recorder: the next batch that stores anything meets the crash."""
    recorder = world.log.recorder
    send = recorder.send
    goes = crash not in (Crash.BEFORE, Crash.AFTER, Crash.KILLED_INSIDE)

    def gone() -> int:
        recorder.release()
        raise Unavailable("the database is gone")

    def store(encoded: Any, claims: Any) -> None:
        recorder.send = send  # type: ignore[method-assign]
        if goes:
            recorder.take = gone  # type: ignore[method-assign]
        if crash is Crash.KILLED_INSIDE:
            world.database.execute(_KILL, LOCK_CLASS)
            send(encoded, claims)
            return
        if after:
            send(encoded, claims)
            while not recorder.settle(1.0):
                pass
        raise Unavailable("the connection was lost")

    recorder.send = store  # type: ignore[method-assign]


def _heal(world: World) -> None:
    """The database answers again, and the engine looks at once, not in a fifth of a second."""
    for name in ("send", "take"):
        vars(world.log.recorder).pop(name, None)
    world.engine._next_attempt = 0.0
    world.engine._wake.set()
    until(lambda: world.engine.available)


def _put_back_snapshots(world: World) -> None:
    """What was kept the last time takes the place of what is there; that is kept for the next."""
    world.snapshots.write()
    world.database.execute(
        "CREATE TABLE IF NOT EXISTS kept (LIKE snapshots);"
        " CREATE TEMP TABLE now AS SELECT * FROM snapshots;"
        " DELETE FROM snapshots; INSERT INTO snapshots SELECT * FROM kept;"
        " DELETE FROM kept; INSERT INTO kept SELECT * FROM now"
    )
