"""The lane knows within two seconds that its token is gone, whether it refuses or hangs."""

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from adapters.backend.hsm_lane import ANSWERED_S, FRESH_S, HEARTBEAT_S, HsmLane
from application.ports import Unavailable


@contextmanager
def lane(heartbeat: Callable[[], None], threads: int = 1) -> Iterator[HsmLane]:
    made = HsmLane(asyncio.get_running_loop(), heartbeat, threads)
    made.start()
    try:
        yield made
    finally:
        made.stop()


async def within(seconds: float, true: Callable[[], bool]) -> None:
    async with asyncio.timeout(seconds):
        while not true():  # noqa: ASYNC110 nothing to wait on
            await asyncio.sleep(0.01)


def run(scenario: Coroutine[Any, Any, None]) -> None:
    asyncio.run(scenario)


def test_a_token_that_refuses_is_gone_and_comes_back() -> None:
    gone = threading.Event()

    def heartbeat() -> None:
        if gone.is_set():
            raise Unavailable("the token")

    async def scenario() -> None:
        with lane(heartbeat) as made:
            await within(1, lambda: made.healthy)
            gone.set()
            await within(HEARTBEAT_S + 0.5, lambda: not made.healthy)
            gone.clear()
            await within(HEARTBEAT_S + 0.5, lambda: made.healthy)

    run(scenario())


def test_only_a_change_is_news(caplog: pytest.LogCaptureFixture) -> None:
    gone = threading.Event()

    def heartbeat() -> None:
        if gone.is_set():
            raise Unavailable("the token")

    async def scenario() -> None:
        with lane(heartbeat) as made:
            await within(1, lambda: made.healthy)
            assert not caplog.messages
            gone.set()
            await within(HEARTBEAT_S + 0.5, lambda: not made.healthy)
            gone.clear()
            await within(HEARTBEAT_S + 0.5, lambda: made.healthy)

    run(scenario())
    assert caplog.messages == ["the HSM is gone: the token; payments get 91", "the HSM answers"]


def test_a_token_that_is_not_there_from_the_start_is_news(caplog: pytest.LogCaptureFixture) -> None:
    def heartbeat() -> None:
        raise Unavailable("the token")

    async def scenario() -> None:
        with lane(heartbeat):
            await within(1, lambda: bool(caplog.messages))

    run(scenario())
    assert "is gone" in caplog.text


def test_a_token_that_hangs_is_gone_and_comes_back() -> None:
    free = threading.Event()
    free.set()

    async def scenario() -> None:
        with lane(lambda: _hang_until(free)) as made:
            await within(1, lambda: made.healthy)
            free.clear()
            began_s = time.monotonic()
            await within(FRESH_S + HEARTBEAT_S + 0.5, lambda: not made.healthy)
            assert time.monotonic() - began_s > HEARTBEAT_S
            free.set()
            await within(1, lambda: made.healthy)

    run(scenario())


def _hang_until(free: threading.Event) -> None:
    free.wait(30)


def test_errors_are_answers_and_results_come_back_in_the_loop() -> None:
    answers: list[Any] = []

    def fail() -> None:
        raise Unavailable("the token")

    async def scenario() -> None:
        in_loop = threading.get_ident()
        with lane(lambda: None, threads=3) as made:
            for job in (lambda: 1, fail, lambda: 3):
                assert made.submit(
                    job, lambda result: answers.append((result, threading.get_ident() == in_loop))
                )
            await within(2, lambda: len(answers) == 3)

    run(scenario())
    assert all(in_loop for _, in_loop in answers)
    kinds = sorted(type(result).__name__ for result, _ in answers)
    assert kinds == ["Unavailable", "int", "int"]


def test_jobs_overlap() -> None:
    together = threading.Barrier(4)
    answers: list[Any] = []

    async def scenario() -> None:
        with lane(lambda: None, threads=4) as made:
            for _ in range(4):
                made.submit(lambda: together.wait(5) >= 0, answers.append)
            await within(2, lambda: len(answers) == 4)

    run(scenario())
    assert answers == [True] * 4


def test_jobs_that_hang_do_not_silence_the_heartbeat_and_are_answered_in_time() -> None:
    free = threading.Event()
    answers: list[Any] = []

    async def scenario() -> None:
        with lane(lambda: None, threads=2) as made:
            await within(1, lambda: made.healthy)
            made.submit(lambda: free.wait(30), answers.append)
            await within(ANSWERED_S + 0.5, lambda: len(answers) == 1)
            assert isinstance(answers[0], Unavailable)
            assert made.healthy  # the other thread works
            made.submit(lambda: "served", answers.append)
            await within(1, lambda: len(answers) == 2)
            # Nobody is left to ask the token, and who waits behind is told in time, too.
            made.submit(lambda: free.wait(30), answers.append)
            made.submit(lambda: "never runs", answers.append)
            await within(ANSWERED_S + 0.5, lambda: len(answers) == 4)
            await within(FRESH_S + 0.5, lambda: not made.healthy)
            free.set()
            await within(1, lambda: made.healthy)
            made.submit(lambda: "again", answers.append)
            await within(1, lambda: len(answers) == 5)

    run(scenario())
    assert answers[1] == "served"
    assert [type(each) for each in answers[2:4]] == [Unavailable, Unavailable]
    assert answers[4] == "again"  # and no late answer of those that hung
