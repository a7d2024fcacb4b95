"""What becomes of payments, by the programs of shop, cardholder and operators: the books agree."""

import asyncio
import csv
import io
import json
import subprocess
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from adapters.cli.parts import program
from devices.card.core import VirtualCard
from devices.identity import load_device
from devices.pos.core import Pos
from tests.e2e.installation import Installation, until
from tests.e2e.town import REFILL_CENTS, Town, found_town, issue_phone


class Till:
    """A terminal's program as one process (`pos script`), to be used as a context."""

    def __init__(self, installation: Installation, folder: Path) -> None:
        self._command = program("pos", "script", "--device", str(folder))
        self._installation = installation

    def __enter__(self) -> "Till":
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._hear()["do"] == "ready"
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()

    def ask(self, do: str, **more: Any) -> Any:
        """The answer to one command."""
        self.say(do, **more)
        return self._hear()

    def say(self, do: str, **more: Any) -> None:
        """Gives a command and does not wait."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": do, **more}) + "\n")
        self._process.stdin.flush()

    def _hear(self) -> Any:
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())


def balance(installation: Installation, town: Town, card: int = 0) -> int:
    rows = installation.json("list", "accounts", town.company)
    (cents,) = [r["balance_cents"] for r in rows if r["account"] == str(town.cards[card].account)]
    return int(cents)


def test_a_shop_voids_refunds_tips_and_splits(installation: Installation) -> None:
    town = asyncio.run(found_town(installation, terminals=2, cards=2))
    one, two = (card.track for card in town.cards)
    with (
        Till(installation, town.terminals[0]) as till,
        Till(installation, town.terminals[1]) as other,
    ):
        meal = {"transaction": till.ask("sale", amount="20.00", track=one)["transaction"]}
        assert till.ask("tip", amount="4.01", **meal)["would_pass_cents"] == 400
        assert other.ask("tip", amount="4.00", **meal)["net_cents"] == 2_400
        assert other.ask("refund", amount="5.00", why="cold soup", **meal)["net_cents"] == 1_900
        assert till.ask("refund", amount="19.01", **meal)["reason"] == "over-original"
        assert till.ask("void", **meal)["reason"] == "already-refunded"

        wrong = {"transaction": till.ask("sale", amount="11.00", track=one)["transaction"]}
        assert other.ask("void", **wrong)["reason"] == "other-terminal"
        assert till.ask("void", **wrong)["done"] is True

        first = {"amount": "10.00", "track": one}
        paid = till.ask("split", shares=[first, {"amount": "9.00", "track": two}])
        assert paid["approved"] is True
        too_much = {"amount": "26.00", "track": two}  # without the PIN
        refused = till.ask("split", shares=[first, too_much])
        assert (refused["approved"], list(refused["reversals"].values())) == (False, ["reversed"])
        lost = till.ask("split", shares=[first, {**first, "drop_answer": True}])
        assert list(lost["reversals"].values()) == ["reversed", "reversed"]

        left = REFILL_CENTS - 1_900 - 1_000
        assert balance(installation, town) == left
        assert balance(installation, town, card=1) == REFILL_CENTS - 900

        pin = town.cards[0].pin
        till.ask("sale", amount_cents=left - 500, track=one, pin=pin)
        assert till.ask("sale", amount="12.50", track=one)["code"] == "51"
        partly = till.ask("sale", amount="12.50", track=one, partial=True)
        assert (partly["code"], partly["approved_cents"]) == ("10", 500)
    assert balance(installation, town) == 0
    words = [row["what"] for row in history(installation, town)]
    assert "The shop refunded $5.00." in words
    assert any("one of a shared bill" in each for each in words)
    assert settled(installation, town) == Decimal(REFILL_CENTS + 900) / 100


def test_a_terminal_that_dies_in_the_middle_of_a_bill_takes_it_back(
    installation: Installation,
) -> None:
    town = asyncio.run(found_town(installation))
    folder = town.terminals[0]
    shares = [{"amount": "0.50", "track": town.cards[0].track}] * 20
    with Till(installation, folder) as till:
        till.say("split", shares=shares)
        bills = folder / "bills.jsonl"
        until(lambda: bills.exists() and bills.read_text().count("approved") >= 4, "some shares")
    taken = REFILL_CENTS - balance(installation, town)
    assert 0 < taken < 20 * 50, "it died in the middle"
    device = ("--device", str(folder))
    assert installation.json("pos", "reverse", *device)["pending"] == 0
    assert balance(installation, town) == REFILL_CENTS
    states = {bill["state"] for bill in installation.json("pos", "bills", *device)["bills"]}
    assert states <= {"reversed", "nothing-to-reverse"}


def test_a_disputed_payment_is_decided_by_another_operator(installation: Installation) -> None:
    town = asyncio.run(found_town(installation))
    phone = asyncio.run(issue_phone(installation, town))
    payment = asyncio.run(order(town, phone))
    contest = ("card", "dispute", payment, "--device", str(phone), "--why", "I was not there")
    opened = json.loads(installation.run(*contest, "--json").stdout)
    assert (opened["state"], opened["amount_cents"]) == ("open", 950)
    dispute = opened["dispute"]
    (row,) = [r for r in installation.json("dispute", "list") if r["dispute"] == dispute]
    assert (row["transaction"], row["opened_by"], row["overdue"]) == (payment, "cardholder", False)

    waiting = {row["id"]: row for row in installation.json("queue", "list")}
    assert (waiting[dispute]["kind"], waiting[dispute]["amount_cents"]) == ("dispute", 950)

    nameless = ("dispute", "decide", dispute, "--for", "cardholder", "--why", "no receipt")
    assert installation.run(*nameless).returncode == 2, "who decides says so"
    decide = (*nameless, "--as", "operator-2")
    early = installation.run(*decide)
    assert early.returncode == 1
    assert "shop was not heard" in early.stderr
    installation.json("dispute", "evidence", dispute, "--side", "shop", "--text", "we cannot tell")
    refund = ("pos", "refund", payment, "2.50", "--device", str(town.terminals[0]))
    assert "REFUNDED $2.50" in installation.run(*refund).stdout
    over = installation.run(*decide, "--amount", "9.50")
    assert (over.returncode, "$7.00 would pass" in over.stderr) == (1, True)
    decided = installation.json(*decide)
    assert (decided["status"], decided["credited_cents"]) == ("cardholder", 700)
    told = json.loads(installation.run(*contest, "--json").stdout)
    assert (told["state"], told["credited_cents"]) == ("cardholder", 700)
    shown = installation.run("dispute", "show", dispute).stdout
    assert "we cannot tell" in shown

    with Till(installation, town.terminals[0]) as till:
        other = till.ask("sale", amount="3.00", track=town.cards[0].track)["transaction"]
    by_phone_call = ("dispute", "open", other, "--text", "charged twice")
    named = installation.json(*by_phone_call, "--as", "operator-2")["dispute"]
    installation.json("dispute", "evidence", named, "--side", "shop", "--text", "one meal")
    own = ("dispute", "decide", named, "--for", "shop", "--why", "one meal on the bill")
    assert "Another operator" in installation.run(*own, "--as", "operator-2").stderr
    rejected = ("queue", "reject", named, "--why", "one meal on the bill", "--as", "operator-1")
    assert installation.json(*rejected)["status"] == "shop"
    assert settled(installation, town) == Decimal("3.00")
    installation.verify_log()


async def order(town: Town, phone: Path) -> str:
    """One quiche, ordered by phone; the payment's id."""
    device = load_device(town.terminals[0], "pos")
    async with Pos(device) as pos, VirtualCard(load_device(phone, "card")) as card:
        await pos.connected(10)
        ordering = asyncio.create_task(card.order(device.id, [("quiche", 1)], tip_cents=200))
        wanted = await pos.next_order(20)
        assert wanted is not None
        assert (await pos.confirm(wanted.number)).approved
        decision = await ordering
        assert decision.approved
        return decision.transaction


def history(installation: Installation, town: Town) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = installation.json("audit", "history", str(town.cards[0].id))
    return rows


def settled(installation: Installation, town: Town) -> Decimal:
    """What the shop is owed, by the export."""
    days = [(datetime.now(UTC) + timedelta(days=n)).date().isoformat() for n in (-2, 2)]
    period = ("--from", days[0], "--to", days[1])
    done = installation.run("export", "settlements", *period, "--shop", town.shop)
    assert done.returncode == 0, done.stderr
    *payments, of_shop, _ = csv.DictReader(io.StringIO(done.stdout, newline=""))
    assert sum(Decimal(row["net"]) for row in payments) == Decimal(of_shop["net"])
    return Decimal(of_shop["net"])
