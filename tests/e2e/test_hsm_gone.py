"""The HSM's token is taken away while payments are made, and brought back."""

import asyncio
import time
from pathlib import Path

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


async def _stays_91(plain: Till, with_pin: Till) -> None:
    until_s = time.monotonic() + 1.5
    while time.monotonic() < until_s:
        assert (await plain.pay()).code == "91"
        assert (await with_pin.pay(pin=True)).code == "91"
        await asyncio.sleep(0.05)


def _put_back(away: Path, tokens: Path) -> None:
    away.rename(tokens)
