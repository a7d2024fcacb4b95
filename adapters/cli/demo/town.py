"""Section 1: a company with employees and a shop with two POS and a menu, new in every run."""

import asyncio
import csv
import secrets
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from adapters.cli.demo.narration import Narrator
from adapters.cli.demo.programs import Failed, Ticketrestaurant
from adapters.cli.personalising import PIN_FILE, STRIPE_FILE
from domain.answers import dollars

REFILL_CENTS: Final = 150_00
DAILY_LIMIT_CENTS: Final = 400_00
MENU: Final = {
    "quiche": ("Quiche of the day", 9_50),
    "soup": ("Tomato soup", 6_75),
    "bowl": ("Salad bowl", 12_80),
    "lemonade": ("Lemonade", 3_20),
}
_PEOPLE: Final = (("Ana", "Ruiz"), ("Ben", "Okafor"), ("Chloé", "Dubois"))
_COMPANIES: Final = ("Lakeside Software", "Harbor Logistics", "Prairie Insurance", "Summit Labs")
_SHOPS: Final = ("Maple Street Kitchen", "Corner Deli", "The Green Spoon", "Union Square Soups")


@dataclass(frozen=True, slots=True)
class Card:
    """A card as `issue` told of it. `folder` holds what goes onto it."""

    id: str
    masked: str
    folder: Path


@dataclass(frozen=True, slots=True)
class Employee:
    """A cardholder: one account, a card with a stripe and one on the phone."""

    name: str
    account: str
    stripe: Card
    phone: Card
    track: str = field(repr=False)
    pin: str = field(repr=False)

    @property
    def wrong_pin(self) -> str:
        """One that is surely not it."""
        return f"{(int(self.pin) + 1) % 10 ** len(self.pin):0{len(self.pin)}}"


@dataclass(frozen=True, slots=True)
class Terminal:
    """A POS that was registered and personalised on this machine."""

    id: str
    label: str
    folder: Path


@dataclass(frozen=True, slots=True)
class Town:
    """Everybody who takes part in one run."""

    company: str
    company_name: str
    shop: str
    shop_name: str
    shop_email: str
    timezone: ZoneInfo
    activation_code: str = field(repr=False)
    registered_us: int
    counter: Terminal
    terrace: Terminal
    ana: Employee
    ben: Employee
    chloe: Employee


async def register(program: Ticketrestaurant, narrator: Narrator) -> Town:
    """Registers everybody, by the operators' commands. Raises narration.Broken."""
    run = secrets.token_hex(2)
    company_name = f"{secrets.choice(_COMPANIES)} {run}"
    shop_name = f"{secrets.choice(_SHOPS)} {run}"
    email = f"owner-{run}{secrets.token_hex(3)}@shop.example"
    timezone = "America/New_York"
    narrator.section("1. A company with employees, a shop with two POS and a menu")
    with narrator.step(
        "operator-1 registers a company and a shop", expected="an id for each"
    ) as step:
        company, shop = await side_by_side(
            program.json(
                "register", "company", "--name", company_name, "--timezone", timezone,
                "--daily-limit", f"{DAILY_LIMIT_CENTS / 100:.2f}",
            ),
            program.json(
                "register", "shop", "--name", shop_name, "--email", email, "--timezone", timezone
            ),
        )  # fmt: skip
        registered_us = time.time_ns() // 1_000
        company_id, shop_id = str(company["company"]), str(shop["shop"])
        step.saw(f"company {company_id}  {company_name}\nshop    {shop_id}  {shop_name}", True)
    with narrator.step(
        "two POS and a menu for the shop; each employee gets a stripe card and a virtual card",
        expected=f"2 POS, {len(MENU)} items, {len(_PEOPLE)} accounts with 2 cards each",
    ) as step:
        counter, terrace, menu, people = await side_by_side(
            _terminal(program, shop_id, "Counter"),
            _terminal(program, shop_id, "Terrace"),
            _menu(program, shop_id),
            _issue(program, company_id),
        )
        cards = sum(len({each.stripe.id, each.phone.id}) for each in people.values())
        step.saw(
            f"2 POS, {menu['items']} items, {len(people)} accounts with {cards} cards",
            counter.id != terrace.id and menu["items"] == len(MENU) and cards == 2 * len(_PEOPLE),
        )
        for each in people.values():
            step.note(f"{each.name:<13} stripe {each.stripe.masked}   phone {each.phone.masked}")
    return Town(
        company=company_id, company_name=company_name,
        shop=shop_id, shop_name=shop_name, shop_email=email, timezone=ZoneInfo(timezone),
        activation_code=str(shop["activation_code"]), registered_us=registered_us,
        counter=counter, terrace=terrace,
        ana=people["RUIZ/ANA"], ben=people["OKAFOR/BEN"], chloe=people["DUBOIS/CHLOE"],
    )  # fmt: skip


async def refill(program: Ticketrestaurant, narrator: Narrator, company: str) -> None:
    """Gives every account the same. Raises narration.Broken."""
    total_cents = REFILL_CENTS * len(_PEOPLE)
    with narrator.step(
        f"the company refills every account with {dollars(REFILL_CENTS)}",
        expected=f"{len(_PEOPLE)} accounts, {dollars(total_cents)}",
    ) as step:
        made = await program.json("refill", company, "--each", f"{REFILL_CENTS / 100:.2f}")
        step.compare(f"{made['accounts']} accounts, {dollars(made['total_cents'])}")


async def _terminal(program: Ticketrestaurant, shop: str, label: str) -> Terminal:
    made = await program.json("register", "terminal", "--shop", shop, "--label", label)
    return Terminal(str(made["terminal"]), label, Path(made["folder"]))


async def _menu(program: Ticketrestaurant, shop: str) -> dict[str, Any]:
    items = [f"{key}:{name}:{cents / 100:.2f}" for key, (name, cents) in MENU.items()]
    options = [part for item in items for part in ("--item", item)]
    made: dict[str, Any] = await program.json("menu", shop, *options)
    return made


async def _issue(program: Ticketrestaurant, company: str) -> dict[str, Employee]:
    """The employees with their cards, by the name on the stripe."""
    names = {_on_stripe(first, last): f"{first} {last}" for first, last in _PEOPLE}
    path = program.settings.run / f"demo-employees-{secrets.token_hex(4)}.csv"
    path.touch(mode=0o600)
    try:
        _write_list(path)
        made = await program.json(
            "issue", "--company", company, "--employees", str(path), "--virtual"
        )
    finally:
        path.unlink()
    found: dict[str, Employee] = {}
    for each in made:
        cards = {
            card["kind"]: Card(str(card["card"]), str(card["masked_pan"]), Path(card["folder"]))
            for card in each["cards"]
        }
        stripe = cards["stripe"]
        track = (stripe.folder / STRIPE_FILE).read_text(encoding="ascii")
        pin = (stripe.folder / PIN_FILE).read_text(encoding="ascii").strip()
        holder = track.split("^")[1]
        if holder not in names:
            raise Failed("issue: a stripe carries a name that nobody gave")
        found[holder] = Employee(
            names[holder], str(each["account"]), stripe, cards["virtual"], track, pin
        )
    return found


def _write_list(path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(("first_name", "last_name", "email"))
        for first, last in _PEOPLE:
            address = _on_stripe(first, last).replace("/", ".").lower()
            table.writerow((first, last, f"{address}@employer.example"))


def _on_stripe(first: str, last: str) -> str:
    """A stripe knows capital letters without accents."""
    return f"{last}/{first}".upper().replace("É", "E")


async def side_by_side(*work: Any) -> Any:
    """All results; the first failure ends the others and is raised."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(each) for each in work]
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return [task.result() for task in tasks]
