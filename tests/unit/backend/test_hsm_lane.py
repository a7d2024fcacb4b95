"""The lane knows within two seconds that its token is gone, whether it refuses or hangs."""

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

from adapters.backend.hsm_lane import FRESH_S, HEARTBEAT_S, HsmLane
from application.ports import Unavailable


@contextmanager
def lane(heartbeat: Callable[[], None]) -> Iterator[HsmLane]:
    made = HsmLane(asyncio.get_running_loop(), heartbeat)
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


def test_jobs_are_answered_in_order_and_errors_are_answers() -> None:
    answers: list[Any] = []

    def fail() -> None:
        raise Unavailable("the token")

    async def scenario() -> None:
        with lane(lambda: None) as made:
            assert made.submit(lambda: 1, answers.append)
            assert made.submit(fail, answers.append)
            assert made.submit(lambda: 3, answers.append)
            await within(2, lambda: len(answers) == 3)

    run(scenario())
    assert (answers[0], type(answers[1]), answers[2]) == (1, Unavailable, 3)
