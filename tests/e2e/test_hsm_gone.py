"""The HSM's token is taken away while payments are made, and brought back."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from adapters.cli import exit_codes
from tests.e2e.books import Books
from tests.e2e.installation import Installation
from tests.e2e.tills import Till, Tills
from tests.e2e.town import found_town

NOTICED_S = 2.0


def test_without_the_token_payments_are_answered_91_and_pass_again_when_it_is_back(
    installation: Installation,
) -> None:
    before = installation.pids()
    tokens = installation.home / "hsm" / "tokens"
    away = installation.home / "hsm" / "tokens-away"

    async def scenario() -> list[Till]:
        town = await found_town(installation, terminals=2, cards=2)
        async with Tills.opened(town) as opened:
            plain, with_pin = opened.tills
            await plain.pay_until_approved()
            await with_pin.pay_until_approved(pin=True)
            tokens.rename(away)
            try:
                await _is_noticed(plain, with_pin)
                await _stays_91(plain, with_pin)
                await asyncio.to_thread(_is_told, installation)
            finally:
                _put_back(away, tokens)
            await plain.pay_until_approved(within_s=5)
            await with_pin.pay_until_approved(within_s=5, pin=True)
            await opened.settled()
        return list(opened.tills)

    tills = asyncio.run(scenario())
    books = Books.read(installation.settings)
    books.check()
    books.check_told(tills)
    installation.verify_log()
    assert installation.pids() == before


async def _is_noticed(plain: Till, with_pin: Till) -> None:
    """A PIN cannot be checked from the first moment; without one it may take two seconds."""
    gone_s = time.monotonic()
    while True:
        asked_s = time.monotonic()
        outcome = await plain.pay()
        assert time.monotonic() - asked_s < 1, "a payment waited for the token"
        if not outcome.approved:
            break
        assert time.monotonic() - gone_s < NOTICED_S, "approved two seconds after the token went"
        await asyncio.sleep(0.05)
    assert (outcome.code, outcome.reason) == ("91", "unavailable")
    assert (await with_pin.pay(pin=True)).code == "91"


def _is_told(installation: Installation) -> None:
    """No session can be opened now, and still it is said what is wrong."""
    for command in ("status", "keys"):
        done = installation.run("hsm", command)
        assert done.returncode == exit_codes.NOT_RUNNING
        assert "the HSM does not answer" in done.stderr
        assert "cannot be reached" not in done.stderr


async def _stays_91(plain: Till, with_pin: Till) -> None:
    until_s = time.monotonic() + 1.5
    while time.monotonic() < until_s:
        assert (await plain.pay()).code == "91"
        assert (await with_pin.pay(pin=True)).code == "91"
        await asyncio.sleep(0.05)


def test_under_load_a_token_that_comes_and_goes_loses_nothing(installation: Installation) -> None:
    before = installation.pids()
    tokens = installation.home / "hsm" / "tokens"
    away = installation.home / "hsm" / "tokens-away"

    async def scenario() -> list[Till]:
        town = await found_town(installation, terminals=6, cards=6)
        async with Tills.opened(town) as opened:
            payers, with_pin = opened.tills[:4], opened.tills[4:]
            async with Tills(payers).paying(), _paying_with_pin(with_pin):
                for absence_s in (0.05, 0.3, 1.2, 2.5):
                    await opened.approvals(3)
                    tokens.rename(away)
                    try:
                        await asyncio.sleep(absence_s)
                    finally:
                        _put_back(away, tokens)
                await opened.approvals(3)
            await opened.settled()
        return list(opened.tills)

    tills = asyncio.run(scenario())
    told = [outcome for till in tills for outcome in till.sent]
    assert {outcome.code for outcome in told if not outcome.approved} <= {"91", "55", "1A"}
    assert any(outcome.code == "91" for outcome in told), "nobody noticed"
    books = Books.read(installation.settings)
    books.check()
    books.check_told(tills)
    installation.verify_log()
    assert installation.pids() == before


@asynccontextmanager
async def _paying_with_pin(tills: Sequence[Till]) -> AsyncIterator[None]:
    """Every payment a PIN: nine calls to the token each."""

    async def pay_on(till: Till) -> None:
        while True:
            if not (await till.pay(pin=True)).decided:
                await asyncio.sleep(0.05)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(pay_on(till)) for till in tills]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()


def _put_back(away: Path, tokens: Path) -> None:
    away.rename(tokens)
