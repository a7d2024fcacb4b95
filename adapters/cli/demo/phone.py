"""Section 4: a virtual card reads the menu, orders and pays; the order passes by the backend."""

import asyncio
import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from adapters.cli.demo.counter import Tally
from adapters.cli.demo.narration import Narrator
from adapters.cli.demo.programs import Answer, Device, Ticketrestaurant
from adapters.cli.demo.town import MENU, REFILL_CENTS, Town
from domain.answers import dollars

ORDER: Final = {"quiche": 1, "lemonade": 2}
ORDER_CENTS: Final = sum(MENU[item][1] * count for item, count in ORDER.items())
_LOG_S: Final = 5.0
_LOG_ON_LINES: Final = 2  # HELLO, PROVE
_MENU_AND_AUTHORIZE: Final = 2


async def phone_order(
    program: Ticketrestaurant,
    narrator: Narrator,
    town: Town,
    pos: Device,
    phone: Device,
    tally: Tally,
) -> None:
    """Ends with both devices hung up. Raises narration.Broken."""
    terminal = town.terrace.id
    narrator.section("4. A virtual card orders and pays, through the gateway")
    with narrator.step(
        "Chloé's phone asks the Terrace POS for the shop's menu",
        expected=f"the {len(MENU)} items that were registered, at their prices",
    ) as step:
        menu = await phone.ask("menu", terminal=terminal)
        found = {each["item"]: (each["name"], each["price_cents"]) for each in menu["items"]}
        shown = [f"{name} {dollars(cents)}" for name, cents in found.values()]
        step.saw(", ".join(shown), found == MENU)
    wanted = ", ".join(f"{count} × {MENU[item][0]}" for item, count in ORDER.items())
    total = dollars(ORDER_CENTS)
    ordering: asyncio.Task[Answer] | None = None
    try:
        with narrator.step(
            "she composes an order on the phone; the cashier sees it at the POS",
            expected=f"{wanted}: {total}",
        ) as step:
            items = [list(each) for each in ORDER.items()]
            ordering = asyncio.create_task(phone.ask("order", terminal=terminal, items=items))
            order = await _first(pos.ask("wait-order", timeout_s=10), ordering)
            lines = ", ".join(f"{each['quantity']} × {each['name']}" for each in order["items"])
            step.compare(f"{lines}: {dollars(order['amount_cents'])}")
        with narrator.step(
            "the cashier confirms; the card signs; the backend decides and tells both",
            expected="approved, the same payment at the POS and on the phone",
        ) as step:
            at_pos = await pos.ask("confirm", order=order["order"])
            tally.count(at_pos)
            on_phone = await ordering
            same = at_pos["transaction"] == on_phone["transaction"] != ""
            left = on_phone["balance_cents"] == REFILL_CENTS - ORDER_CENTS
            both = at_pos["approved"] and on_phone["approved"]
            step.saw(
                f"POS    {at_pos['words']}\nphone  {on_phone['words']}", both and same and left
            )
    finally:
        if ordering is not None:
            ordering.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await ordering
    with narrator.step(
        "the gateway counted the lines of both: the order was in none to the backend",
        expected="to the backend: phone 2 (log-on); POS 4 (log-on, menu, authorization)",
    ) as step:
        await asyncio.gather(phone.hang_up(), pos.hang_up())
        log = program.settings.logs / "gateway.log"
        of_phone = await _lines_of(log, town.chloe.phone.id)
        of_pos = await _lines_of(log, terminal)
        step.saw(
            f"to the backend: phone {of_phone[0]}, POS {of_pos[0]}; "
            f"past it, phone to POS {of_phone[1]}, POS to phone {of_pos[1]}",
            of_phone[0] == _LOG_ON_LINES
            and of_pos[0] == _LOG_ON_LINES + _MENU_AND_AUTHORIZE
            and min(of_phone[1], of_pos[1]) >= 4,
        )


async def _first(wanted: Any, other: "asyncio.Task[Answer]") -> Answer:
    """The result of `wanted`, unless `other` fails before: then that failure."""
    waiting = asyncio.ensure_future(wanted)
    try:
        await asyncio.wait({waiting, other}, return_when=asyncio.FIRST_COMPLETED)
        if not waiting.done():
            other.result()
        answer: Answer = await waiting
        return answer
    finally:
        waiting.cancel()


async def _lines_of(log: Path, device: str) -> tuple[int, int]:
    """How many lines of the device's connection the gateway passed to the backend, and to other
    devices; asked when that connection is closed. Raises TimeoutError."""
    async with asyncio.timeout(_LOG_S):
        while True:
            numbers: set[int] = set()
            for entry in _entries(log):
                if entry["event"] == "bound" and entry["device"] == device:
                    numbers.add(entry["conn"])
                elif entry["event"] == "closed" and entry["conn"] in numbers:
                    return entry["lines_to_backend"], entry["lines_to_devices"]
            await asyncio.sleep(0.05)


def _entries(log: Path) -> Iterator[dict[str, Any]]:
    with log.open(encoding="utf-8") as lines:
        for line in lines:
            # Beside its events the file holds whatever else the process has to say.
            with contextlib.suppress(ValueError):
                entry = json.loads(line)
                if isinstance(entry, dict) and "event" in entry:
                    yield entry
