"""Many signatures are checked beside the loop, few in it; each caller hears its own result."""

import asyncio
import threading
from collections.abc import Callable, Iterator

import pytest

from adapters.backend.signature_checks import Done, SignatureChecks
from protocol.errors import BAD_SIGNATURE, BodyError

HEARD_S = 5


class Heard:
    """What each caller was told, and in which threads the checks ran."""

    def __init__(self) -> None:
        self.told: dict[int, Exception | None] = {}
        self.ran_in: set[str] = set()
        self._another = asyncio.Event()

    def check(self, number: int) -> Callable[[], None]:
        def run() -> None:
            self.ran_in.add(threading.current_thread().name)
            if number % 3 == 0:
                raise BodyError(BAD_SIGNATURE, str(number))

        return run

    def done(self, number: int) -> Done:
        def hear(error: Exception | None) -> None:
            assert threading.current_thread() is threading.main_thread()
            self.told[number] = error
            self._another.set()
            if number == 5:
                raise RuntimeError("one that fails after its check")

        return hear

    async def all(self, count: int) -> None:
        async with asyncio.timeout(HEARD_S):
            while len(self.told) < count:
                await self._another.wait()
                self._another.clear()


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


def checked(loop: asyncio.AbstractEventLoop, count: int) -> Heard:
    """After so many that came together."""
    heard = Heard()
    checks = SignatureChecks(loop)
    checks.start()

    async def go() -> None:
        for number in range(count):
            checks.submit(heard.check(number), heard.done(number))
        await heard.all(count)

    loop.run_until_complete(go())
    checks.stop()
    return heard


@pytest.mark.parametrize("count", [1, 2, 40])
def test_everybody_hears_what_became_of_the_own_signature(
    loop: asyncio.AbstractEventLoop, count: int
) -> None:
    heard = checked(loop, count)
    for number in range(count):
        error = heard.told[number]
        if number % 3:
            assert error is None
        else:
            assert isinstance(error, BodyError)
            assert error.text == str(number)


def test_one_alone_is_not_handed_over(loop: asyncio.AbstractEventLoop) -> None:
    assert checked(loop, 1).ran_in == {threading.main_thread().name}


def test_many_are_checked_beside_the_loop(loop: asyncio.AbstractEventLoop) -> None:
    assert threading.main_thread().name not in checked(loop, 40).ran_in


def test_what_carries_a_pin_is_checked_in_its_turn(loop: asyncio.AbstractEventLoop) -> None:
    heard = Heard()
    SignatureChecks(loop).at_once(heard.check(1), heard.done(1))
    assert heard.told == {1: None}


def test_the_end_finishes_what_it_has(loop: asyncio.AbstractEventLoop) -> None:
    heard = Heard()
    checks = SignatureChecks(loop)

    async def go() -> None:
        for number in range(40):
            checks.submit(heard.check(number), heard.done(number))
        await asyncio.sleep(0)  # they are handed over, and nobody takes them yet
        checks.start()
        checks.stop()
        await heard.all(40)

    loop.run_until_complete(go())
    SignatureChecks(loop).stop()  # one that never began
