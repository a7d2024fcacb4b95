"""Issuing one order or many: the command, then what goes onto the cards, then the PIN.

The stripe's data is in the first answer only, so it is written down before anything else is done.
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from adapters.cli.failure import Failure, not_running
from adapters.cli.handing_over import NewPackage, new_package
from adapters.cli.operator_link import Operator, explained
from adapters.cli.personalising import NewIdentity, Workbench, random_pin, shown
from application import fields
from application.issue import HAS_CARDS, VIRTUAL
from devices.exchange import NoAnswer, Refused, Unreachable
from devices.personalisation import CardData

PERSON_COLUMNS: Final = ("first_name", "last_name", "email")
AT_ONCE: Final = 8


@dataclass(frozen=True, slots=True)
class Order:
    """Cards for one person. Its `repr` shows neither name nor PIN.

    `package`: where the virtual card goes, to be taken in elsewhere; else it is personalised here.
    """

    company: str
    person: Mapping[str, Any] = field(repr=False)
    stripe: bool
    virtual: bool
    pin: str | None = field(default=None, repr=False)
    command_id: UUID | None = None
    another: bool = False
    package: Path | None = None


@dataclass(slots=True)
class Issued:
    """What became of many orders; `failure` is the first one, if any.

    `passed_over`: so many have cards already, by another command.
    """

    made: list[dict[str, Any]] = field(default_factory=list)
    passed_over: int = 0
    failure: Failure | None = None


def read_person(row: Mapping[str, str]) -> dict[str, str]:
    """An employee of a list. Raises Invalid."""
    return {
        "first_name": fields.text(row, "first_name", fields.PERSON_MOST),
        "last_name": fields.text(row, "last_name", fields.PERSON_MOST),
        "email": fields.email(row),
    }


def command_id_of(company: str, path: Path, line: int, person: Mapping[str, str]) -> UUID:
    """The same for the same line of the same list: given again, it issues nothing anew."""
    parts = [company, sha256(path.read_bytes()).hexdigest(), str(line), *person.values()]
    number = int.from_bytes(sha256("\0".join(["TR-LIST/1", *parts]).encode()).digest()[:16])
    return UUID(int=number & ~(0xF << 76) & ~(3 << 62) | 8 << 76 | 2 << 62)


async def issue_to(operator: Operator, bench: Workbench, order: Order) -> dict[str, Any]:
    """Issues an order. Raises Refused, NoAnswer, Unreachable, Failure."""
    body = {
        "company": order.company,
        "cardholder": dict(order.person),
        "stripe": order.stripe,
        "virtual": order.virtual,
        **({"another": True} if order.another else {}),
    }
    with contextlib.ExitStack() as stack:
        phone: NewIdentity | NewPackage | None = None
        if order.virtual:
            if order.package is None:
                phone = stack.enter_context(bench.new_identity())
            else:
                device = operator.device
                phone = stack.enter_context(new_package(bench.home, order.package, device))
            body["csr"] = phone.request
        result = await operator.command("ISSUE", body, order.command_id)
        made = {"cardholder": result["cardholder"], "account": result["account"], "cards": []}
        if result.get("repeated"):
            made["repeated"] = True
        for card in result["cards"]:
            made["cards"].append(_write_down(bench, operator, phone, card))
    await _set_first_pin(operator, bench, order, made)
    return made


def _write_down(
    bench: Workbench,
    operator: Operator,
    phone: NewIdentity | NewPackage | None,
    card: Mapping[str, Any],
) -> dict[str, Any]:
    """What goes onto a card; its number is in this answer and in no other."""
    folder = bench.folder_of(card["card"])
    if isinstance(phone, NewPackage) and card["kind"] == VIRTUAL:
        if "certificate" not in card:
            raise _lost(card)
        data = CardData(card["pan"], card["track2"])
        code = phone.complete(card["card"], card["certificate"], data)
        return {**shown(card), "package": str(phone.place), "code": code}
    if "certificate" in card:
        assert isinstance(phone, NewIdentity), "a certificate was asked for"
        data, chain = CardData(card["pan"], card["track2"]), card["certificate"]
        folder = phone.complete("card", card["card"], chain, operator.device, card=data)
    elif "pan" in card:
        bench.write_stripe(card["card"], card["track1"], card["track2"])
    elif not folder.exists():
        raise _lost(card)
    return {**shown(card), "folder": str(folder)}


async def _set_first_pin(
    operator: Operator, bench: Workbench, order: Order, made: dict[str, Any]
) -> None:
    """The stripe's PIN, unless it was set before.

    A package's code is in `made` and nowhere else: then a failure is told beside it (`no_pin`).
    """
    for card in made["cards"]:
        if card["kind"] == VIRTUAL or bench.has_pin(card["card"]):
            continue
        try:
            await set_pin(operator, bench, card["card"], order.pin)
        except (Refused, NoAnswer, Unreachable, Failure):
            if order.package is None:
                raise
            made["no_pin"] = card["card"]


def _lost(card: Mapping[str, Any]) -> Failure:
    """The backend issued the card but its data never arrived; it cannot be had a second time."""
    return Failure(
        f"card {card['card']} was issued before, but its data is not on this machine:"
        " block it and issue another.",
        1,
    )


async def set_pin(operator: Operator, bench: Workbench, card: str, pin: str | None) -> None:
    """A new PIN for a stripe card personalised here; random where none is given."""
    chosen = pin or random_pin()
    await operator.set_pin(card, bench.pan_of(card), chosen)
    bench.write_pin(card, chosen)


async def issue_all(
    operator: Operator,
    bench: Workbench,
    orders: Sequence[Order],
    advance: Callable[[int], None],
) -> Issued:
    """Issues several orders at a time; after the first failure no further one is begun."""
    issued = Issued()
    waiting = iter(orders)

    async def clerk() -> None:
        for order in waiting:
            if issued.failure is not None:
                return
            try:
                issued.made.append(await issue_to(operator, bench, order))
            except Refused as error:
                if error.code == HAS_CARDS:
                    issued.passed_over += 1
                    advance(1)
                    continue
                issued.failure = issued.failure or explained(error)
            except (Unreachable, NoAnswer) as error:
                issued.failure = issued.failure or not_running(f"{error}.")
            except Failure as failure:
                issued.failure = issued.failure or failure
            advance(1)

    await asyncio.gather(*(clerk() for _ in range(AT_ONCE)))
    return issued
