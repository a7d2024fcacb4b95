"""Refills from outside: cards and webhooks, two persons, a chargeback, a kill in the middle.

Most commands go in one session each test: a process for each would take most of the time.
"""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest

from adapters.cli.operator_link import Operator
from adapters.cli.refill_words import refill_row, until_done
from devices.exchange import Refused
from tests.e2e.installation import Installation
from tests.e2e.town import Town, found_town

_T = TypeVar("_T")
PATIENCE_S = 60


@pytest.fixture(scope="module")
def town(served: Installation) -> Town:
    for name in served.pids():
        served.wait_up(name)
    return asyncio.run(found_town(served, terminals=1, cards=2))


def at_desk(
    served: Installation, work: Callable[[Operator], Awaitable[_T]], name: str = "operator-1"
) -> _T:
    """What an operator does in one session."""

    async def sit() -> _T:
        async with served.operator(name) as operator:
            return await work(operator)

    return asyncio.run(sit())


async def order(operator: Operator, town: Town, cents: int, **facts: Any) -> dict[str, Any]:
    body = {"company": town.company, "each_cents": cents, **facts}
    return await until_done(operator, await operator.command("REFILL", body))


async def decide(operator: Operator, what: str, refill: str, why: str = "a test") -> dict[str, Any]:
    return await operator.command("REFILL", {"what": what, "refill": refill, "why": why})


async def balances(operator: Operator, town: Town) -> list[int]:
    rows = await operator.rows("QUERY", {"what": "accounts", "of": town.company})
    return [row["balance_cents"] for row in rows]


async def until_row(operator: Operator, refill: str, **facts: Any) -> dict[str, Any]:
    """The refill once it is as wanted."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            row = await refill_row(operator, refill)
            if row.items() >= facts.items():
                return row
            await asyncio.sleep(0.1)


def test_cards_and_webhooks(served: Installation, town: Town, tmp_path: Path) -> None:
    async def pay(operator: Operator) -> str:
        before = await balances(operator, town)
        late = await order(operator, town, 500, method="card", token="pm_card_late")
        assert late["status"] == "credited"
        told = [
            row["outcome"]
            for row in await operator.rows("QUERY", {"what": "webhooks"})
            if row["refill"] == late["id"]
        ]
        assert told == ["paid"]
        await decide(operator, "resend", late["id"])
        no = await order(operator, town, 500, method="card", token="pm_card_chargeDeclined")
        assert (no["status"], "card_declined" in no["why"]) == ("rejected", True)
        body = {"company": town.company, "each_cents": 500, "method": "card"}
        lost = await operator.command("REFILL", {**body, "token": "pm_card_lost"})
        await asyncio.sleep(1)
        await decide(operator, "poll", lost["id"])
        await until_row(operator, lost["id"], status="credited")
        assert await balances(operator, town) == [cents + 1_000 for cents in before], "each once"
        return str(late["id"])

    refill = at_desk(served, pay)
    receipt = tmp_path / "receipt.pdf"
    served.json("refill", "receipt", refill, "--pdf", str(receipt))
    assert receipt.read_bytes().startswith(b"%PDF-")
    assert receipt.stat().st_mode & 0o777 == 0o600

    url = f"http://127.0.0.1:{served.settings.website_port}/webhooks/sandbox"
    forged = httpx.post(url, content=b"{}", headers={"Stripe-Signature": "t=1,v1=00"}, timeout=20)
    assert (forged.status_code, forged.json()) == (400, {"error": "forged-webhook"})
    assert "refused" in served.json("refill", "webhook", "list")[-1]["outcome"]


def test_above_the_limit_two_persons_and_back_again(served: Installation, town: Town) -> None:
    async def first(operator: Operator) -> tuple[list[int], str, str]:
        before = await balances(operator, town)
        made = await order(operator, town, 600_000, confirmed=True)
        assert (made["status"], await balances(operator, town)) == ("awaiting-approval", before)
        with pytest.raises(Refused, match="another person"):
            await decide(operator, "approve", made["id"])
        unwanted = await order(operator, town, 600_000, confirmed=True)
        await decide(operator, "reject", unwanted["id"])
        return before, made["id"], unwanted["id"]

    before, refill, unwanted = at_desk(served, first)
    done = served.run("refill", "approve", refill, "--as", "operator-2")
    assert (done.returncode, "It is credited" in done.stdout) == (0, True), done.stderr

    async def bounced(operator: Operator) -> tuple[str, str]:
        assert await balances(operator, town) == [cents + 600_000 for cents in before]
        row = await refill_row(operator, unwanted)
        assert (row["status"], row["refund_due_cents"]) == ("rejected", 1_200_000)
        return await propose(operator, why="check bounced")

    async def propose(operator: Operator, **facts: Any) -> tuple[str, str]:
        made = await operator.command("CHARGEBACK", {"refill": refill, **facts})
        return made["proposal"], made["command_hash"]

    proposal, seen = at_desk(served, bounced)

    async def second(operator: Operator) -> None:
        body = {"proposal": proposal, "approve": True, "command_hash": seen}
        await operator.command("APPROVE", body)
        row = await until_row(operator, refill, status="charged-back", looked_at_lines=2)
        assert (row["taken_cents"], row["receivable_cents"]) == (1_200_000, 0)
        assert await balances(operator, town) == before

    at_desk(served, second, "operator-2")
    won, seen_won = at_desk(served, lambda operator: propose(operator, why="letter", won=True))

    async def given_back(operator: Operator) -> None:
        body = {"proposal": won, "approve": True, "command_hash": seen_won}
        await operator.command("APPROVE", body)
        row = await until_row(operator, refill, status="credited", taken_cents=0)
        assert (row["chargeback_won_cents"], row["receivable_cents"]) == (1_200_000, 0)
        assert await balances(operator, town) == [cents + 600_000 for cents in before]

    at_desk(served, given_back, "operator-2")


def test_a_group_a_file_and_a_schedule(served: Installation, town: Town, tmp_path: Path) -> None:
    account = str(town.cards[0].account)
    served.json("refill", "group", "set", town.company, "Night shift", "--add", account)
    made = served.json("refill", town.company, "--each", "1.00", "--group", "night shift")
    assert (made["accounts"], made["status"]) == (1, "credited")
    file = tmp_path / "lines.csv"
    file.write_text(f"account,amount\n{account},2.50\n")
    first = served.json("refill", town.company, "--file", str(file))
    done = served.run("refill", town.company, "--file", str(file))
    assert (done.returncode, first["id"] in done.stderr) == (1, True)
    wired = ("refill", town.company, "--line", f"{account}:2.00", "--reference")
    by_wire = served.json(*wired, "WIRE-7")
    done = served.run(*wired, "wire-7")
    assert (done.returncode, by_wire["id"] in done.stderr) == (1, True), "paid once"
    both = served.json("refill", town.company, "--line", f"{account}:9999.99")
    said = (both["status"], both["alone_before_cents"] > 0)
    assert said == ("awaiting-approval", True), "above the limit with those before"
    added = served.json("schedule", "add", town.company, "--each", "1.00", "--weekly", "friday")
    (row,) = served.json("schedule", "list", town.company)
    assert (row["schedule"], row["next_ms"] > 0) == (added["id"], True)


def test_a_backend_that_is_killed_goes_on_with_what_it_was_told(
    served: Installation, town: Town
) -> None:
    async def tell(operator: Operator) -> tuple[list[int], str]:
        before = await balances(operator, town)
        body = {"company": town.company, "each_cents": 300, "method": "card"}
        made = await operator.command("REFILL", {**body, "token": "pm_card_visa"})
        return before, made["id"]

    before, refill = at_desk(served, tell)
    killed = served.process("backend").pid
    served.kill("backend")
    served.wait_up("backend", other_than=killed)
    served.wait_up("gateway")

    async def find(operator: Operator) -> None:
        # Wherever the kill came, before the charge, after it or between lines: once.
        await until_row(operator, refill, status="credited")
        assert await balances(operator, town) == [cents + 300 for cents in before]

    at_desk(served, find)
    served.verify_log()
