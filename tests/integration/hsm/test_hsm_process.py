"""Stripes and PINs are checked by a process of their own, which may die, hang or find no token."""

import asyncio
import dataclasses
import os
import signal
import subprocess
from collections.abc import Awaitable, Callable
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

import psutil
import pytest

from adapters import hsm_process
from adapters.backend.card_checks import FAILING_MOST, ProcessChecks
from adapters.backend.card_questions import (
    PIN_REFUSED,
    Asked,
    Checked,
    PinAsked,
)
from adapters.backend.cryptography_checks import HsmChecks
from adapters.backend.hsm_lane import HsmLane
from adapters.hsm.card_verification import SERVICE_CODE, CardVerification
from adapters.hsm.keys import Hsm
from adapters.hsm.pin_verification import PinVerification
from adapters.hsm.token import Token
from adapters.settings import Settings
from application.ports import Unavailable
from protocol.encoding import unb64
from protocol.errors import BAD_PIN_BLOCK, BAD_TRACK, BodyError
from protocol.pin import seal_pin
from tests.integration.hsm.conftest import PIN

PAN = "5089001234567890"
T4 = sha256(b"a session").digest()
SOON_S = 15


class House:
    """The lane with its own login, and the process beside it. Made in the event loop."""

    def __init__(self, token: Token, settings: Settings) -> None:
        loop = asyncio.get_running_loop()
        self.hsm, self.here = Hsm(token), 0
        self.lane = HsmLane(loop, self.hsm.heartbeat)
        self.checks = ProcessChecks(
            loop,
            self.lane,
            token.generations,
            self._check,
            lambda: hsm_process.greeting(settings),
            hsm_process.environment(),
        )
        self.lane.start()
        self.checks.start()

    def _check(self, asked: Asked) -> Checked:
        self.here += 1
        return HsmChecks(self.hsm).check(asked)

    async def at_work(self) -> None:
        await until(lambda: self.checks.at_work)

    async def ask(self, *asked: Asked) -> list[Any]:
        """The answers, each within its time."""
        return await self.asking(*asked)

    def asking(self, *asked: Asked) -> Awaitable[list[Any]]:
        loop = asyncio.get_running_loop()
        futures = [loop.create_future() for _ in asked]
        for each, future in zip(asked, futures, strict=True):
            assert self.checks.submit(each, future.set_result)
        return asyncio.wait_for(asyncio.gather(*futures), SOON_S)

    @property
    def process(self) -> subprocess.Popen[bytes]:
        found = self.checks._process._process
        assert found is not None
        return found


async def until(holds: Callable[[], bool]) -> None:
    for _ in range(100 * SOON_S):
        if holds():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("not in time")


@pytest.fixture
def settings(installed: Path) -> Settings:
    return Settings(home=installed, hsm_pin=PIN)


@pytest.fixture
def run(token: Token, settings: Settings) -> Callable[..., None]:
    def run(scene: Callable[[House], Awaitable[None]], settings: Settings = settings) -> None:
        async def go() -> None:
            house = House(token, settings)
            try:
                await scene(house)
            finally:
                await asyncio.to_thread(house.checks.stop)
                await asyncio.to_thread(house.lane.stop)

        asyncio.run(go())

    return run


def track2(token: Token) -> str:
    return CardVerification(token).make_tracks(PAN, "A/B", "3012", SERVICE_CODE, 0)[1]


def pin_asked(token: Token, pin: str = "1234", counter: int = 1) -> PinAsked:
    public = PinVerification(token).pin_public_key()
    sealed = seal_pin(pin, PAN, public, T4, counter, 5)
    return PinAsked(unb64(sealed["ephemeral"]), unb64(sealed["block"]), T4, counter, 5, 1)


def test_it_answers_as_the_backend_itself_would(run: Any, token: Token) -> None:
    stripe, pin = track2(token), pin_asked(token)
    asked = [
        Asked(stripe, None),
        Asked("", pin),
        Asked(stripe, pin),
        Asked(stripe[:-2] + "0?", None),
        Asked(stripe, pin_asked(token, "1235")),
    ]

    async def scene(house: House) -> None:
        await house.at_work()
        own = HsmChecks(Hsm(token))
        assert await house.ask(*asked) == [own.check(each) for each in asked]
        assert house.here == 0, "not by the backend's threads"
        refused = await house.ask(
            Asked("no track", None),
            Asked(";" + "9" * 30_000, None),
            Asked("", pin._replace(counter=2)),
            Asked("", pin._replace(block=b"")),
            Asked("", pin._replace(ephemeral=b"\4" + bytes(64))),
        )
        assert all(isinstance(each, BodyError) for each in refused)
        assert [each.code for each in refused] == [BAD_TRACK] * 2 + [BAD_PIN_BLOCK] * 3
        assert await house.ask(asked[0]) == [own.check(asked[0])], "and goes on"

    run(scene)


def test_many_at_once_are_answered_each_its_own(run: Any, token: Token, settings: Settings) -> None:
    asked = [Asked("", pin_asked(token, f"{number:04}", number)) for number in range(60)]

    async def scene(house: House) -> None:
        await house.at_work()
        own = HsmChecks(Hsm(token))
        assert await house.ask(*asked) == [own.check(each) for each in asked]

    run(scene, dataclasses.replace(settings, hsm_threads=8))


def test_before_it_is_there_and_after_it_was_killed_the_backend_asks_itself(
    run: Any, token: Token
) -> None:
    asked = Asked(track2(token), None)

    async def scene(house: House) -> None:
        right = HsmChecks(Hsm(token)).check(asked)
        assert await house.ask(asked) == [right]
        assert house.here == 1
        await house.at_work()
        first = house.process
        first.send_signal(signal.SIGSTOP)
        waiting = house.asking(*[asked] * 20)
        await asyncio.sleep(0.05)
        first.kill()
        assert await waiting == [right] * 20
        assert house.here == 21
        await house.at_work()
        assert house.process.pid != first.pid
        assert await house.ask(asked) == [right]
        assert house.here == 21

    run(scene)


def test_one_that_hangs_is_replaced_and_nobody_waits_for_it(run: Any, token: Token) -> None:
    asked = Asked(track2(token), None)

    async def scene(house: House) -> None:
        await house.at_work()
        first = house.process
        first.send_signal(signal.SIGSTOP)
        (late,) = await house.ask(asked)
        assert isinstance(late, Unavailable)
        await until(lambda: house.process.pid != first.pid and house.checks.at_work)
        assert isinstance((await house.ask(asked))[0], Checked)

    run(scene)


def test_a_token_that_is_away_is_found_when_it_is_back(
    run: Any, token: Token, installed: Path
) -> None:
    asked, tokens = Asked(track2(token), None), installed / "hsm" / "tokens"

    async def scene(house: House) -> None:
        await house.at_work()
        tokens.rename(tokens.with_name("away"))
        try:
            (answer,) = await house.ask(asked)
            assert isinstance(answer, Unavailable)
        finally:
            tokens.with_name("away").rename(tokens)

        for _ in range(20 * SOON_S):
            await asyncio.sleep(0.05)
            (answer,) = await house.ask(asked)
            if isinstance(answer, Checked):
                break
        assert isinstance(answer, Checked)
        here = house.here
        await house.at_work()
        assert isinstance((await house.ask(asked))[0], Checked)
        assert house.here == here, "by the process again"

    run(scene)


def test_a_pin_that_the_hsm_refuses_is_tried_once(
    run: Any, token: Token, settings: Settings
) -> None:
    asked = Asked(track2(token), None)

    async def scene(house: House) -> None:
        await until(lambda: house.checks._process._process is not None)
        first = house.process
        assert await asyncio.to_thread(first.wait, SOON_S) == PIN_REFUSED
        await asyncio.sleep(2.5)  # another one would have come by now
        assert house.process is first
        assert isinstance((await house.ask(asked))[0], Checked)
        assert house.here == 1

    run(scene, Settings(home=settings.home, hsm_pin="not it"))


def test_the_end_ends_it_and_no_secret_is_in_its_arguments(run: Any) -> None:
    seen: list[subprocess.Popen[bytes]] = []

    async def scene(house: House) -> None:
        await house.at_work()
        seen.append(house.process)
        assert PIN not in str(house.process.args)

    run(scene)
    assert seen[0].returncode == 0


def test_one_that_cannot_begin_is_replaced(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapters.backend.card_checks.OPENED_S", 0.5)

    async def scene(house: House) -> None:
        await until(lambda: house.checks._process._process is not None)
        first = house.process
        first.send_signal(signal.SIGSTOP)
        await until(lambda: house.process.pid != first.pid)
        monkeypatch.setattr("adapters.backend.card_checks.OPENED_S", SOON_S)
        await house.at_work()

    run(scene)


def test_where_it_alone_finds_no_hsm_the_backend_asks_and_another_comes(
    run: Any, token: Token
) -> None:
    asked = Asked(track2(token), None)

    async def scene(house: House) -> None:
        await house.at_work()
        first = house.process
        psutil.Process(first.pid).rlimit(psutil.RLIMIT_NOFILE, (3, 4096))  # no file of SoftHSM's
        right = HsmChecks(Hsm(token)).check(asked)
        for _ in range(FAILING_MOST):
            assert await house.ask(asked) == [right]
        assert house.here == FAILING_MOST
        await until(lambda: house.process.pid != first.pid and house.checks.at_work)
        assert await house.ask(asked) == [right]
        assert house.here == FAILING_MOST

    run(scene)


def test_too_much_is_refused(run: Any, token: Token, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapters.backend.card_checks._MOST", 3)
    asked = Asked(track2(token), None)

    async def scene(house: House) -> None:
        await house.at_work()
        os.kill(house.process.pid, signal.SIGSTOP)
        waiting = house.asking(*[asked] * 3)
        assert not house.checks.submit(asked, cast(Any, print))
        os.kill(house.process.pid, signal.SIGCONT)
        assert all(isinstance(each, Checked) for each in await waiting)

    run(scene)
