"""A company, its cards, a shop and its terminals, registered by operators' signed commands."""

import asyncio
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from adapters.cli.issuing import Order, issue_to
from adapters.cli.operator_link import Operator
from adapters.cli.personalising import STRIPE_FILE, Workbench
from devices.exchange import Refused
from devices.identity import Device, load_device
from devices.magstripe import Stripe, read_stripe
from protocol.errors import UNAVAILABLE
from tests.e2e.installation import Installation

REFILL_CENTS = 100_000
OFF = 1_000
"""No score comes to it."""
FIRST_NAME, LAST_NAME = "Zacharias", "Quillfeather"


@dataclass(frozen=True)
class Card:
    """A stripe card with money on its account. `track` is what a reader says."""

    id: UUID
    account: UUID
    track: str = field(repr=False)
    pin: str = field(repr=False)

    @property
    def stripe(self) -> Stripe:
        """What is on it."""
        return read_stripe(self.track)


@dataclass(frozen=True)
class Town:
    """Everybody of one test."""

    company: str
    shop: str
    terminals: list[Path]
    cards: list[Card]
    email: str

    def device(self, number: int = 0) -> Device:
        """The identity of a terminal."""
        return load_device(self.terminals[number], "pos")


async def found_town(
    installation: Installation, *, terminals: int = 1, cards: int = 1, pin: str = "738291604512"
) -> Town:
    """Company and shop by the command line, the rest in one operator's session."""
    mark = uuid4().hex[:8]
    company = installation.json("register", "company", "--name", f"Company {mark}",
                                "--daily-limit", "2000.00")["company"]  # fmt: skip
    email = f"till-{mark}@quill.example"
    shop = installation.json("register", "shop", "--name", f"Shop {mark}", "--email", email)["shop"]
    bench = Workbench(installation.home)
    await _watch_nobody(installation)
    async with installation.operator() as operator:
        boxes = [await _terminal(operator, bench, shop, f"Till {n}") for n in range(terminals)]
        issued = [await _card(operator, bench, company, f"{n}-{email}", pin) for n in range(cards)]
    installation.json("refill", company, "--each", f"{REFILL_CENTS / 100:.2f}")
    return Town(company, shop, boxes, issued, email)


async def _once_it_answers(operator: Operator) -> list[dict[str, Any]]:
    """The rules; the test before may have had the database killed a moment ago."""
    until_s = time.monotonic() + 15
    while True:
        try:
            return await operator.rows("QUERY", {"what": "watch"})
        except Refused as refused:
            if refused.code != UNAVAILABLE or time.monotonic() > until_s:
                raise
        await asyncio.sleep(0.5)


async def _watch_nobody(installation: Installation) -> None:
    """The cards of the tests pay as no person does: every signal is looked for, none refuses."""
    async with installation.operator() as operator:
        (rules,) = await _once_it_answers(operator)
        rules.pop("version")
        if rules["step_up_from"] == OFF:
            return
        rules |= {"step_up_from": OFF, "refuse_from": OFF}
        made = await operator.command("WATCH", {"rules": rules, "why": "tests"})
    async with installation.operator("operator-2") as operator:
        yes = {"proposal": made["proposal"], "command_hash": made["command_hash"], "approve": True}
        await operator.command("APPROVE", yes)


async def _terminal(operator: Operator, bench: Workbench, shop: str, label: str) -> Path:
    with bench.new_identity() as identity:
        body = {"what": "terminal", "shop": shop, "label": label, "csr": identity.request}
        made = await operator.command("REGISTER", body)
        return identity.complete(
            "pos",
            made["id"],
            made["certificate"],
            operator.device,
            shop=made["shop"],
            shop_name=made["shop_name"],
        )


async def _card(operator: Operator, bench: Workbench, company: str, email: str, pin: str) -> Card:
    person = {"first_name": FIRST_NAME, "last_name": LAST_NAME, "email": email}
    made = await issue_to(operator, bench, Order(company, person, True, False, pin))
    (card,) = made["cards"]
    track = (Path(card["folder"]) / STRIPE_FILE).read_text("ascii")
    return Card(UUID(card["card"]), UUID(made["account"]), track, pin)


async def issue_phone(installation: Installation, town: Town) -> Path:
    """A virtual card's identity folder, with money on its account; the shop gets a menu."""
    installation.json("menu", town.shop, "--item", "quiche:Quiche:9.50")
    person = {"first_name": FIRST_NAME, "last_name": LAST_NAME, "email": f"phone-{town.email}"}
    async with installation.operator() as operator:
        order = Order(town.company, person, False, True)
        made = await issue_to(operator, Workbench(installation.home), order)
    installation.json("refill", town.company, "--line", f"{made['account']}:20.00")
    return Path(made["cards"][0]["folder"])
