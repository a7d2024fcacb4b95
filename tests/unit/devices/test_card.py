"""The virtual card and the POS together: an order through the relay, past the backend."""

import asyncio
import time
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from devices.card import core
from devices.card.call import Calls
from devices.card.core import NotWhatWasOrdered, VirtualCard, in_words
from devices.exchange import Refused
from devices.identity import load_device
from devices.link import Link
from devices.pos import payment
from devices.pos.core import NotWaiting, Pos
from devices.pos.phones import PhoneOrder
from protocol.contract import Contract, encode_contract
from protocol.detached import sign_detached
from protocol.signature import Sign
from tests.unit.devices.authority import PAN, TRACK2, Authority
from tests.unit.devices.conftest import Run, until
from tests.unit.devices.fake_backend import FakeBackend

Wanted = [("Quiche", 1), ("2", 2)]
_NOW_MS = time.time_ns() // 1_000_000


class Shop:
    """A backend, a POS and a phone, all connected."""

    def __init__(self, authority: Authority) -> None:
        self.authority = authority
        self.backend = FakeBackend(authority)

    async def __aenter__(self) -> "Shop":
        await self.backend.__aenter__()
        self.pos = Pos(load_device(self.authority.device("pos"), "pos"), consent_timeout_s=1)
        self.card = VirtualCard(load_device(self.authority.device("card"), "card"))
        await self.pos.__aenter__()
        await self.card.__aenter__()
        await self.pos.connected(5)
        await self.card.link.backend(5)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.card.__aexit__()
        await self.pos.__aexit__()
        await self.backend.__aexit__()

    async def order(self) -> PhoneOrder:
        order = await self.pos.next_order(5)
        assert order is not None
        return order

    @property
    def terminal(self) -> Any:
        return self.pos.device.id


def test_a_phone_orders_the_cashier_confirms_both_hear_the_decision(
    authority: Authority, run: Run
) -> None:
    async def scenario() -> None:
        async with Shop(authority) as shop:
            menu = await shop.card.menu(shop.terminal)
            assert [item.name for item in menu.items] == ["Quiche", "Café crème"]
            paying = asyncio.create_task(shop.card.order(shop.terminal, Wanted))
            order = await shop.order()
            assert (order.amount_cents, len(order.lines)) == (1_550, 2)
            outcome = await shop.pos.confirm(order.number)
            decision = await paying
            assert outcome.approved
            assert decision.approved
            assert in_words(decision) == "APPROVED $15.50 at Chez Marie · balance after: $4.50"
            assert decision.transaction == outcome.transaction
            # The backend saw neither menu question nor order, the POS neither PAN nor track.
            seen = {verb for verb, _ in shop.backend.seen}
            assert seen == {"MENU", "AUTHORIZE"}  # the POS's own menu
            assert PAN not in str(shop.backend.bodies("AUTHORIZE"))
            bill = shop.pos.bills.latest(1)[0]
            assert (bill.state, bill.card, len(bill.items)) == ("approved", "phone", 2)

    run(scenario())


def test_balance_and_history_of_the_own_account(authority: Authority, run: Run) -> None:
    async def scenario() -> None:
        async with Shop(authority) as shop:
            assert (await shop.card.balance())["balance_cents"] == 2_000
            assert await shop.card.history() == [{"n": 1}, {"n": 2}]

    run(scenario())


def test_the_cashier_refuses(authority: Authority, run: Run) -> None:
    async def scenario() -> None:
        async with Shop(authority) as shop:
            paying = asyncio.create_task(shop.card.order(shop.terminal, Wanted))
            order = await shop.order()
            shop.pos.refuse(order.number, "The kitchen is closed.")
            with pytest.raises(Refused, match="kitchen is closed"):
                await paying
            with pytest.raises(NotWaiting):
                await shop.pos.confirm(order.number)
            assert not shop.backend.bodies("AUTHORIZE")

    run(scenario())


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"amount_cents": 1_551}, "amount"),
        ({"items": b"x" * 32}, "items"),
        ({"card": b"x" * 32}, "another card"),
        ({"terminal": uuid4()}, "another terminal"),
        ({"shop": uuid4()}, "another shop"),
        ({"ms": 1}, "time is wrong"),
        ({"ms": _NOW_MS - 60_000, "expires_ms": _NOW_MS - 1_000}, "expired"),
        ({"expires_ms": 2**47}, "too long"),
    ],
)
def test_a_contract_that_differs_from_the_order_is_not_signed(
    authority: Authority,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    change: dict[str, Any],
    why: str,
) -> None:
    def dishonest(contract: Contract) -> bytes:
        return encode_contract(contract._replace(**change))

    monkeypatch.setattr(payment, "encode_contract", dishonest)

    async def scenario() -> None:
        async with Shop(authority) as shop:
            paying = asyncio.create_task(shop.card.order(shop.terminal, Wanted))
            order = await shop.order()
            confirming = asyncio.create_task(shop.pos.confirm(order.number))
            with pytest.raises(NotWhatWasOrdered, match=why):
                await paying
            outcome = await confirming
            assert (outcome.approved, outcome.reason) == (False, "no-consent")
            assert not shop.backend.bodies("AUTHORIZE")
            assert not shop.pos.reversals.waiting()

    run(scenario())


def test_prices_that_are_not_the_shops_are_refused(
    authority: Authority, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        async with Shop(authority) as shop:
            menu = await shop.card.menu(shop.terminal)
            cheap = tuple(replace(item, price_cents=1) for item in menu.items)

            async def dream(_: object) -> object:
                return replace(menu, items=cheap)

            monkeypatch.setattr(shop.card, "_menu", dream)
            with pytest.raises(Refused, match="not on the menu at this price"):
                await shop.card.order(shop.terminal, Wanted)
            assert not shop.pos.phones.orders

    run(scenario())


def test_a_terminal_that_is_not_connected_is_told_at_once(authority: Authority, run: Run) -> None:
    async def scenario() -> None:
        async with Shop(authority) as shop:
            with pytest.raises(Refused) as refused:
                await shop.card.menu(uuid4())
            assert refused.value.code == "no-such-peer"
            assert (await shop.card.menu(shop.terminal)).version == 3

    run(scenario())


def test_a_phone_that_goes_away_takes_its_order_along(authority: Authority, run: Run) -> None:
    async def scenario() -> None:
        async with Shop(authority) as shop:
            paying = asyncio.create_task(shop.card.order(shop.terminal, Wanted))
            await shop.order()
            paying.cancel()
            await shop.card.__aexit__()
            await until(lambda: not shop.pos.phones.orders)

    run(scenario())


def test_a_decision_that_the_pos_did_not_hear_is_reversed_by_card_id(
    authority: Authority, run: Run
) -> None:
    async def scenario() -> None:
        async with Shop(authority) as shop:
            paying = asyncio.create_task(shop.card.order(shop.terminal, Wanted))
            order = await shop.order()
            outcome = await shop.pos.confirm(order.number, drop_answer=True)
            assert (await paying).approved
            assert await shop.pos.reversals.acknowledged(outcome.counter, 5) == "reversed"
            reversal = shop.backend.bodies("REVERSE")[0]
            assert reversal["card_id"] == str(shop.card.device.id)
            assert "pan" not in reversal
            assert shop.backend.balance_cents == 2_000

    run(scenario())


def test_the_card_data_is_sealed_on_disk(authority: Authority) -> None:
    folder = authority.device("card")
    for file in folder.iterdir():
        assert file.stat().st_mode & 0o077 == 0
        assert PAN.encode() not in file.read_bytes()
        assert TRACK2.encode() not in file.read_bytes()


@pytest.mark.parametrize("role", ["pos", "operator"])
def test_a_pos_takes_calls_from_cards_only(authority: Authority, run: Run, role: str) -> None:
    async def scenario() -> None:
        async with Shop(authority) as shop:
            async with Link(load_device(authority.device(role, "other"))) as link:
                with pytest.raises(Refused) as refused:
                    await Calls(link).to(shop.terminal)
            assert refused.value.code in ("wrong-role", "wrong-class")

    run(scenario())


def test_a_forged_consent_is_not_sent_on(
    authority: Authority, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forged(payload: bytes, typ: str, kid: str, sign: Sign) -> str:
        return sign_detached(payload + b" ", typ, kid, sign)

    monkeypatch.setattr(core, "sign_detached", forged)

    async def scenario() -> None:
        async with Shop(authority) as shop:
            paying = asyncio.create_task(shop.card.order(shop.terminal, Wanted))
            outcome = await shop.pos.confirm((await shop.order()).number)
            assert "not valid" in outcome.text
            assert not shop.backend.bodies("AUTHORIZE")
            paying.cancel()

    run(scenario())


def test_a_contract_that_the_terminal_did_not_sign_is_not_signed(
    authority: Authority, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forged(payload: bytes, typ: str, kid: str, sign: Sign) -> str:
        return sign_detached(payload + b" ", typ, kid, sign)

    monkeypatch.setattr(payment, "sign_detached", forged)

    async def scenario() -> None:
        async with Shop(authority) as shop:
            paying = asyncio.create_task(shop.card.order(shop.terminal, Wanted))
            confirming = asyncio.create_task(shop.pos.confirm((await shop.order()).number))
            with pytest.raises(NotWhatWasOrdered, match="no valid contract"):
                await paying
            assert not (await confirming).approved

    run(scenario())


def test_a_phone_has_one_order_waiting_at_a_time(authority: Authority, run: Run) -> None:
    async def scenario() -> None:
        async with Shop(authority) as shop:
            paying = asyncio.create_task(shop.card.order(shop.terminal, Wanted))
            first = await shop.order()
            with pytest.raises(Refused, match="already waiting"):
                await shop.card.order(shop.terminal, Wanted)
            assert (await shop.pos.confirm(first.number)).approved
            assert (await paying).approved

    run(scenario())
