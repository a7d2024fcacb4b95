"""A token that is rooted in a smart card: served with the card only, by the real processes."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from adapters.cli import exit_codes
from tests.e2e.books import Books
from tests.e2e.installation import Installation
from tests.e2e.tills import Till, Tills
from tests.e2e.town import found_town
from tests.integration.hsm import tokens
from tests.integration.hsm.tokens import CARD_KEY, Foreign

NOTICED_S = 2.0
CARD_PIN = "4321"


@pytest.fixture
def card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Foreign:
    made = tokens.make(tmp_path / "card", "card of the house", CARD_PIN, CARD_KEY)
    # What the card's driver is told, and the token's module is not.
    monkeypatch.setenv("SOFTHSM2_CONF", made.environment["SOFTHSM2_CONF"])
    return made


@pytest.fixture
def rooted(card: Foreign, tmp_path: Path) -> Iterator[Installation]:
    pin = tmp_path / "card.pin"
    pin.touch(mode=0o600)
    pin.write_text(CARD_PIN)
    made = Installation(tmp_path / "home", settings_of(card, pin))
    try:
        yield made
    finally:
        made.stop()


def settings_of(card: Foreign, pin: Path) -> dict[str, Any]:
    return {
        "hsm_provider": "card",
        "hsm_card_module": str(card.module),
        "hsm_card_token": card.label,
        "hsm_card_pin_file": str(pin),
    }


@pytest.mark.timeout(180)
def test_it_serves_with_its_card_only(rooted: Installation, card: Foreign) -> None:
    card.take_away()
    done = rooted.run("backend")
    assert done.returncode == exit_codes.NOT_RUNNING
    assert "smart card card of the house: is not there" in done.stderr
    card.bring_back()
    rooted.start()
    before = rooted.pids()

    async def scenario() -> list[Till]:
        town = await found_town(rooted, terminals=2, cards=2)
        async with Tills.opened(town) as opened:
            plain, with_pin = opened.tills
            for _ in range(2):
                await plain.pay_until_approved()
                await with_pin.pay_until_approved(pin=True)
                card.take_away()
                try:
                    await _is_noticed(plain)
                    assert (await with_pin.pay(pin=True)).code == "91"
                finally:
                    card.bring_back()
            await plain.pay_until_approved(within_s=5)
            await with_pin.pay_until_approved(within_s=5, pin=True)
            await opened.settled()
        return list(opened.tills)

    tills = asyncio.run(scenario())
    assert rooted.pids() == before
    books = Books.read(rooted.settings)
    books.check()
    books.check_told(tills)


async def _is_noticed(till: Till) -> None:
    gone_s = time.monotonic()
    while (await till.pay()).approved:
        assert time.monotonic() - gone_s < NOTICED_S, "approved two seconds after the card went"
        await asyncio.sleep(0.05)
    assert till.outcomes[-1].code == "91"


def test_init_needs_the_card_and_says_so(
    card: Foreign, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pin = tmp_path / "card.pin"
    pin.write_text(CARD_PIN)
    card.take_away()
    with pytest.raises(AssertionError, match="smart card card of the house"):
        Installation(tmp_path / "home", settings_of(card, pin))
    assert not (tmp_path / "home" / "hsm" / "tokens").exists()
