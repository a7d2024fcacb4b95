"""The POS on a terminal, worked by its keys, against a backend over real TLS."""

import asyncio

import pytest
from textual.events import Paste
from textual.pilot import Pilot

from devices.card.core import VirtualCard
from devices.identity import load_device
from devices.pos import core
from devices.pos.core import Pos
from devices.pos.screen import PosScreen
from tests.unit.devices.authority import PAN, TRACK2, Authority
from tests.unit.devices.conftest import Run, until
from tests.unit.devices.fake_backend import FakeBackend

_KEYS = {";": "semicolon", "=": "equals_sign", "?": "question_mark"}


async def swipe(pilot: Pilot[None]) -> None:
    await pilot.press(*(_KEYS.get(character, character) for character in TRACK2), "enter")


def shows(app: PosScreen, text: str) -> bool:
    return text in "\n".join(app.till.rows())


def test_a_cashier_takes_a_payment_with_the_keyboard(authority: Authority, run: Run) -> None:
    async def scenario() -> None:
        backend = FakeBackend(authority)
        async with backend, Pos(load_device(authority.device("pos"))) as pos:
            await pos.connected(5)
            app = PosScreen(pos)
            async with app.run_test(size=(80, 24)) as pilot:
                await pilot.press(*"1250", "enter")
                await swipe(pilot)
                await pilot.press(*"4711")
                picture = app.export_screenshot()
                assert "4711" not in picture
                assert PAN not in picture
                await pilot.press("enter")
                await until(lambda: shows(app, "APPROVED"))
                await pilot.press(*"1250", "enter")
                app.post_message(Paste(TRACK2))
                await pilot.press(*"4712", "enter")
                await until(lambda: shows(app, "WRONG PIN"))
            assert backend.balance_cents == 750

    run(scenario())


def test_the_line_goes_out_where_the_gateway_stands_still(
    authority: Authority, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(core, "KEEP_ALIVE_S", 0.1)
    monkeypatch.setattr(core, "SILENCE_S", 0.2)

    async def scenario() -> None:
        backend = FakeBackend(authority)
        async with backend, Pos(load_device(authority.device("pos"))) as pos:
            await pos.connected(5)
            app = PosScreen(pos)
            async with app.run_test(size=(80, 24)):
                await asyncio.sleep(0.7)
                assert app.till.lights()["line"], "an idle line is kept"
                backend.frozen = True
                await until(lambda: not app.till.lights()["line"])
                assert shows(app, "NO CONNECTION")
                backend.frozen = False
                await until(lambda: app.till.lights()["line"])

    run(scenario())


def test_help_takes_the_place_of_the_pad(authority: Authority, run: Run) -> None:
    async def scenario() -> None:
        async with Pos(load_device(authority.device("pos"))) as pos:
            app = PosScreen(pos)
            async with app.run_test(size=(80, 24)) as pilot:
                assert "b bills" in _picture(app)
                await pilot.press("question_mark")
                assert "menu, orders, bills" in _picture(app)
                assert app.query_one("#help").region.bottom <= 24
                await pilot.press(*"125", "enter", ";", "9", "question_mark")
                assert "menu, orders, bills" in _picture(app), "a reader's last sign is no key"
                await pilot.press("escape", "question_mark")
                assert "? help" in _picture(app)

    run(scenario())


def _picture(app: PosScreen) -> str:
    return app.export_screenshot().replace("&#160;", " ")


def test_a_phone_order_lights_up_and_is_accepted(authority: Authority, run: Run) -> None:
    async def scenario() -> None:
        async with (
            FakeBackend(authority),
            Pos(load_device(authority.device("pos"))) as pos,
            VirtualCard(load_device(authority.device("card"))) as card,
        ):
            await pos.connected(5)
            app = PosScreen(pos)
            async with app.run_test(size=(80, 24)) as pilot:
                paying = asyncio.create_task(card.order(pos.device.id, [("Quiche", 2)]))
                await until(lambda: app.till.lights()["order"])
                await pilot.press("o")
                assert shows(app, "2 x Quiche")
                await pilot.press("enter")
                await until(lambda: shows(app, "APPROVED"))
                assert (await paying).approved
                assert not app.till.lights()["order"]

    run(scenario())


def test_the_pad_works_by_mouse_and_fits_80_by_24(authority: Authority, run: Run) -> None:
    async def scenario() -> None:
        async with Pos(load_device(authority.device("pos"))) as pos:
            app = PosScreen(pos)
            async with app.run_test(size=(80, 24)) as pilot:
                assert shows(app, "NO CONNECTION")
                for key in ("#key-1", "#key-2", "#key-5", "#key-enter"):
                    assert await pilot.click(key)
                await pilot.pause()
                assert shows(app, "$1.25")

    run(scenario())
