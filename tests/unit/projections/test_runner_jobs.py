"""What is run between two batches: in its turn, or its asker hears that it never will be."""

import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError
from typing import Any, cast

import pytest

from application.ports import Unavailable
from projections.ports import Held, LogReader, ProjectionStore
from projections.runner import Runner


class Place:
    """An empty log, its store and a projection at once."""

    name = "of-a-test/1"
    tables = ()
    topics = frozenset[str]()

    def __init__(self) -> None:
        self.forgotten = 0

    def head(self) -> int:
        return 0

    def hold(self, name: str) -> Held:
        return Held(0, True)

    def forget(self) -> None:
        self.forgotten += 1

    def close(self) -> None:
        """Nothing was opened."""


@pytest.fixture
def place() -> Place:
    return Place()


@pytest.fixture
def runner(place: Place) -> Iterator[Runner]:
    it: Any = place
    made = Runner(cast(LogReader, it), cast(ProjectionStore, it), [it], lambda: 0, poll_s=0.01)
    made.start()
    yield made
    made.stop()


def test_after_the_end_nothing_is_waited_for(runner: Runner) -> None:
    assert runner.between(lambda: 7).result(5) == 7
    runner.stop()
    with pytest.raises(CancelledError):
        runner.between(int).result(5)


def test_what_waits_when_it_ends_is_cancelled(runner: Runner) -> None:
    late: list[Any] = []

    def last() -> None:
        runner._stopping = True
        raise Unavailable("the database")

    runner.between(lambda: late.extend([runner.between(last), runner.between(int)]))
    while len(late) < 2:
        runner.wake()
    with pytest.raises(Unavailable):
        late[0].result(5)
    with pytest.raises(CancelledError):
        late[1].result(5)


def test_what_was_cancelled_is_not_run(runner: Runner) -> None:
    holding, free, ran = threading.Event(), threading.Event(), list[int]()

    def hold() -> None:
        holding.set()
        free.wait(5)

    runner.between(hold)
    assert holding.wait(5)
    given_up = runner.between(lambda: ran.append(1))
    assert given_up.cancel()
    free.set()
    runner.between(int).result(5)
    assert ran == []


def test_a_job_that_lost_the_database_leaves_nothing_half_known(
    runner: Runner, place: Place
) -> None:
    def lost() -> None:
        raise Unavailable("the database")

    with pytest.raises(Unavailable):
        runner.between(lost).result(5)
    runner.between(int).result(5)
    assert place.forgotten == 1
