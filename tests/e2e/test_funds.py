"""Money with a last day, through the real programs: refilled, listed, spent first, never lost."""

import asyncio
import datetime as dt

import pytest

from tests.e2e.installation import Installation
from tests.e2e.tills import Tills
from tests.e2e.town import REFILL_CENTS, Town, found_town, issue_phone

pytestmark = pytest.mark.timeout(200)
TODAY = dt.datetime.now(dt.UTC).date()
SOON, LATER = str(TODAY + dt.timedelta(days=20)), str(TODAY + dt.timedelta(days=200))


@pytest.fixture
def town(installation: Installation) -> Town:
    return asyncio.run(found_town(installation))


def listed(installation: Installation, *options: str) -> list[tuple[str, str, int]]:
    rows = installation.json("funds", "list", *options)
    return [(row["state"], row["last_day"], row["amount_cents"]) for row in rows]


def pay(town: Town, cents: int) -> str:
    async def once() -> str:
        async with Tills.opened(town) as tills:
            return (await tills.tills[0].pay(cents)).code

    return asyncio.run(once())


def test_what_expires_first_is_spent_first(installation: Installation, town: Town) -> None:
    account = str(town.cards[0].account)
    for cents, last_day in ((500, LATER), (300, SOON)):
        line = f"{account}:{cents / 100:.2f}"
        installation.json("refill", town.company, "--line", line, "--expires", last_day)
    assert listed(installation, account) == [("expires", SOON, 300), ("expires", LATER, 500)]
    assert listed(installation, "--company", town.company, "--expiring-by", SOON) == [
        ("expires", SOON, 300)
    ]
    assert pay(town, 420) == "00"
    assert listed(installation, account) == [("expires", LATER, 380)]
    (row,) = installation.json("list", "accounts", town.company)
    assert (row["balance_cents"], row["expires_cents"], row["expires_day"]) == (
        REFILL_CENTS + 800 - 420, 380, LATER,
    )  # fmt: skip
    history = installation.json("audit", "history", str(town.cards[0].id))
    assert any(f"to be spent until {SOON}" in line["what"] for line in history)


def test_a_phone_tells_what_expires_next(installation: Installation, town: Town) -> None:
    device = asyncio.run(issue_phone(installation, town))
    cards = installation.json("list", "cards", town.company)
    (account,) = (row["account"] for row in cards if row["kind"] == "virtual")
    installation.json("refill", town.company, "--line", f"{account}:7.00", "--expires", SOON)
    told = installation.json("card", "balance", "--device", str(device))
    assert (told["balance_cents"], told["expires_cents"], told["expires_day"]) == (2_700, 700, SOON)
    shown = installation.run("card", "balance", "--device", str(device))
    assert f"$7.00 of it can be spent until {SOON}" in shown.stdout


def test_what_cannot_be_is_refused_and_changes_nothing(
    installation: Installation, town: Town
) -> None:
    account = str(town.cards[0].account)
    past = installation.run(
        "refill", town.company, "--line", f"{account}:7.00", "--expires", "2020-01-31"
    )
    assert (past.returncode, "has passed" in past.stderr) == (1, True)
    nothing = installation.run("funds", "return", account, "--why", "the year is over")
    assert (nothing.returncode, "has expired" in nothing.stderr) == (1, True)
    assert listed(installation, account) == []
    (row,) = installation.json("list", "accounts", town.company)
    assert row["balance_cents"] == REFILL_CENTS
