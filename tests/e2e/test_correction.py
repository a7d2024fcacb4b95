"""Wrong amounts are put right by two operators; of two at once for one payment exactly one wins."""

import asyncio
import csv
import io
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from devices.exchange import Refused
from tests.e2e.installation import Installation
from tests.e2e.tills import Tills
from tests.e2e.town import Town, found_town

PAID_CENTS = 45_00
WORDS = ("--why", "typed 45.00 for 4.50", "--evidence", "bill 17")


async def _paid(installation: Installation) -> tuple[Town, str]:
    town = await found_town(installation)
    async with Tills.opened(town) as opened:
        outcome = await opened.tills[0].pay(PAID_CENTS, pin=True)
    assert outcome.approved
    return town, str(outcome.transaction)


@pytest.fixture
def paid(installation: Installation) -> tuple[Town, str]:
    return asyncio.run(_paid(installation))


def balance(installation: Installation, town: Town) -> int:
    (row,) = installation.json("list", "accounts", town.company)
    return int(row["balance_cents"])


def test_of_two_corrections_at_once_one_wins_and_the_other_is_told(
    installation: Installation, paid: tuple[Town, str]
) -> None:
    town, payment = paid
    before = balance(installation, town)
    shown = installation.json("correct", payment, "4.50", *WORDS, "--preview")
    (statement,) = shown["statements"]
    assert statement["net_cents"] == {"before": PAID_CENTS, "after": 450}
    mine = installation.json("correct", payment, "4.50", *WORDS)
    theirs = installation.json("correct", payment, "4.00", *WORDS, "--as", "operator-2")
    waiting = {row["id"] for row in installation.json("queue", "list", "--kind", "correction")}
    assert {mine["proposal"], theirs["proposal"]} <= waiting

    async def approve(name: str, proposal: dict[str, Any]) -> str:
        seen = {"proposal": proposal["proposal"], "command_hash": proposal["command_hash"]}
        async with installation.operator(name) as operator:
            try:
                done = await operator.command("APPROVE", {**seen, "approve": True})
            except Refused as refused:
                return refused.code
        return str(done["status"])

    async def at_once() -> tuple[str, str]:
        return await asyncio.gather(approve("operator-2", mine), approve("operator-1", theirs))

    answers = asyncio.run(at_once())
    assert sorted(answers) == ["approved", "stale"]
    right_cents = 450 if answers[0] == "approved" else 400
    assert balance(installation, town) == before + PAID_CENTS - right_cents
    lost = theirs if answers[0] == "approved" else mine
    details = installation.json("queue", "show", lost["proposal"])["details"]
    assert details[0]["code"] == "stale"
    installation.json("queue", "reject", lost["proposal"], "--why", "the other one was right")


def test_a_file_is_approved_whole_and_the_same_file_again_is_refused(
    installation: Installation, paid: tuple[Town, str]
) -> None:
    town, payment = paid
    account = str(town.cards[0].account)
    refill = installation.json("refill", town.company, "--each", "200.00")["id"]
    before = balance(installation, town)
    path = installation.home / "corrections.csv"
    path.write_text(
        f"payment,refill,account,amount\n{payment},,,40.00\n,{refill},{account},20.00\n"
    )
    asked = installation.json("correct", "--file", str(path), *WORDS)
    again = installation.run("correct", "--file", str(path), *WORDS)
    assert again.returncode == 1 and asked["proposal"] in again.stderr
    own = installation.run("queue", "approve", asked["proposal"])
    assert own.returncode == 2 and "operator-1 asked for it" in own.stderr
    done = installation.run("queue", "approve", asked["proposal"], "--as", "operator-2")
    assert done.returncode == 0, done.stderr
    assert balance(installation, town) == before + 500 - 18_000
    again = installation.run("correct", "--file", str(path), *WORDS)
    assert again.returncode == 1
    assert "Line 2" in again.stderr and "Line 3" in again.stderr
    assert balance(installation, town) == before + 500 - 18_000

    now = datetime.now(UTC)
    period = ("--from", f"{now - timedelta(days=2):%Y-%m-%d}", "--to", f"{now:%Y-%m-%d}")
    text = installation.run("export", "settlements", "--shop", town.shop, *period).stdout
    rows = list(csv.DictReader(io.StringIO(text)))
    assert rows[-1]["net"] == "40.00", "whether or not the day was over in between"
    history = installation.run("audit", "history", str(town.cards[0].id)).stdout
    assert "a refill's amount was corrected" in " ".join(history.split())
