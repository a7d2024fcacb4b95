"""The programs as a shell runs them: output, exit codes, nothing secret in arguments or output."""

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from devices.card.program import app as card_app
from devices.edge import WrongUse, parse_choice, wanted_items
from devices.pos.bills import Bill, Bills
from devices.pos.program import app as pos_app
from tests.unit.devices.authority import PAN, TRACK2, Authority
from tests.unit.devices.conftest import Run, until
from tests.unit.devices.fake_backend import FakeBackend

ROOT = Path(__file__).parents[3]


async def start(program: str, *arguments: object) -> Process:
    command = [sys.executable, "-m", f"devices.{program}.program", *map(str, arguments)]
    return await asyncio.create_subprocess_exec(
        *command, stdin=PIPE, stdout=PIPE, stderr=PIPE, cwd=ROOT
    )


async def call(program: str, *arguments: object, text: str = "") -> tuple[int, str, str]:
    process = await start(program, *arguments)
    out, errors = await process.communicate(text.encode())
    assert PAN not in out.decode() + errors.decode()
    assert process.returncode is not None
    return process.returncode, out.decode(), errors.decode()


class Script:
    """A program in script mode."""

    def __init__(self, process: Process) -> None:
        self._process = process

    async def hear(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        answer: dict[str, Any] = json.loads(await self._process.stdout.readline())
        return answer

    def say(self, **command: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(command).encode() + b"\n")

    async def ask(self, **command: object) -> dict[str, Any]:
        self.say(**command)
        return await self.hear()

    async def quit(self) -> int:
        self.say(do="quit")
        return await self._process.wait()


def test_a_sale_in_words_and_its_exit_codes(authority: Authority, run: Run) -> None:
    async def scenario() -> None:
        async with FakeBackend(authority):
            folder = authority.device("pos")
            sale = ("pos", "sale", "--device", folder, "--amount", "12.50")
            code, out, _ = await call(*sale, text=f"{TRACK2}\n4711\n")
            assert code == 0
            assert out.splitlines()[0] == "APPROVED $12.50"
            assert out.splitlines()[1] == "payment 00000000-0000-0000-0000-000000000001"
            code, out, _ = await call(*sale, "--json", text=f"{TRACK2}\n\n")
            assert code == 1
            assert json.loads(out)["would_pass_cents"] == 750
            code, out, errors = await call(*sale, text="noise\n\n")
            assert (code, out) == (2, "")
            assert "Swipe the card again" in errors
        code, out, errors = await call(*sale, text=f"{TRACK2}\n\n")
        assert (code, out) == (3, "")
        assert errors.startswith("Nothing listens")
        code, out, _ = await call("pos", "bills", "--device", folder)
        assert code == 0
        assert [line.split()[4] for line in out.splitlines()] == ["refused", "approved"]

    run(scenario())


def test_a_refused_refund_is_not_listed_as_a_refused_payment(authority: Authority) -> None:
    folder = authority.device("pos")
    bills = Bills(folder)
    bills.add(Bill(1, 0, "approved", 900, "984000******7898", "00", "approved", "paid"))
    refused = Bill(2, 0, "refused", 100, "", "12", "already-refunded", of="paid", action="REFUND")
    bills.add(refused)
    bills.add(replace(refused, counter=3, state="refunded", reason="approved", code="00"))
    shown = CliRunner().invoke(pos_app, ["bills", "--device", str(folder)]).output.splitlines()
    words = ["refunded ", "refund refused ", "approved "]
    assert all(word in line for word, line in zip(words, shown, strict=True))
    assert len({len(line.removesuffix("paid")) for line in shown}) == 1, "the columns stand"


@pytest.mark.parametrize("amount", ["12.505", "-1", "0", "99999999999", "a"])
def test_a_wrong_amount_is_wrong_use(tmp_path: Path, amount: str) -> None:
    arguments = ["sale", "--device", str(tmp_path), f"--amount={amount}"]
    assert CliRunner().invoke(pos_app, arguments).exit_code == 2


@pytest.mark.parametrize("app", [pos_app, card_app])
def test_every_command_shows_an_example(app: typer.Typer) -> None:
    for command in app.registered_commands:
        name = str(command.name or getattr(command.callback, "__name__", ""))
        shown = CliRunner().invoke(app, [name, "--help"])
        assert shown.exit_code == 0
        assert "Example:" in shown.output


def test_the_two_scripts_play_the_demo(authority: Authority, run: Run) -> None:
    async def scenario() -> None:
        async with FakeBackend(authority) as backend:
            folder = authority.device("pos")
            pos = Script(await start("pos", "script", "--device", folder))
            card = Script(await start("card", "script", "--device", authority.device("card")))
            terminal = (await pos.hear())["terminal"]
            await card.hear()

            paid = await pos.ask(do="sale", id=1, amount_cents=500, track=TRACK2, pin="4711")
            assert (paid["id"], paid["words"]) == (1, "APPROVED $5.00")
            again = await pos.ask(do="resend-last")
            assert (again["duplicate"], again["transaction"]) == (True, paid["transaction"])
            lost = await pos.ask(do="sale", amount_cents=500, track=TRACK2, drop_answer=True)
            assert (lost["code"], lost["reversal"]) == ("91", "reversed")
            assert backend.balance_cents == 1_500

            assert (await card.ask(do="balance"))["balance_cents"] == 1_500
            menu = await card.ask(do="menu", terminal=terminal)
            assert menu["items"][0]["name"] == "Quiche"
            card.say(do="order", terminal=terminal, items=[["Quiche", 1]])
            order = await pos.ask(do="wait-order")
            assert order["amount_cents"] == 850
            assert (await pos.ask(do="confirm", order=order["order"]))["approved"]
            assert "balance after: $6.50" in (await card.hear())["words"]

            card.say(do="order", terminal=terminal, items=[{"item": "2", "quantity": 1}])
            order = await pos.ask(do="wait-order")
            assert (await pos.ask(do="refuse", order=order["order"]))["refused"]
            assert (await card.hear())["error"] == "refused"

            for wrong in ({"do": "dance"}, {"do": "sale", "track": TRACK2}, {"do": "confirm"}):
                assert (await pos.ask(**wrong))["error"] == "usage"
            assert (await pos.ask(do="sale", amount_cents=1, track="x"))["error"] == (
                "stripe-unreadable"
            )
            assert (await pos.quit(), await card.quit()) == (0, 0)

    run(scenario())


def test_a_pos_killed_before_the_answer_takes_the_payment_back_later(
    authority: Authority, run: Run
) -> None:
    async def scenario() -> None:
        async with FakeBackend(authority) as backend:
            backend.silent = True
            folder = authority.device("pos")
            process = await start("pos", "script", "--device", folder)
            pos = Script(process)
            await pos.hear()
            pos.say(do="sale", amount_cents=500, track=TRACK2, pin="4711")
            await until(lambda: backend.bodies("AUTHORIZE"))
            process.kill()
            await process.wait()
            assert backend.balance_cents == 1_500
            for file in folder.iterdir():
                assert PAN.encode() not in file.read_bytes()
                assert b"4711" not in file.read_bytes()

            code, out, _ = await call("pos", "reverse", "--device", folder)
            assert (code, out.strip()) == (0, "1 acknowledged, 0 still waiting.")
            assert backend.balance_cents == 2_000
            code, out, _ = await call("pos", "reverse", "--device", folder)
            assert (code, out.strip()) == (0, "Nothing waits to be taken back.")

    run(scenario())


def test_listening_accepts_what_phones_order(authority: Authority, run: Run) -> None:
    async def scenario() -> None:
        async with FakeBackend(authority):
            folder = authority.device("pos")
            listen = ("listen", "--device", folder, "--count", 1, "--auto-confirm")
            process = await start("pos", *listen)
            assert process.stdout is not None
            terminal = json.loads(await process.stdout.readline())["terminal"]
            order = ("card", "order", "--device", authority.device("card"), "--terminal", terminal)
            code, out, _ = await call(*order, "--item", "Quiche:2")
            assert (code, out.strip()) == (
                0,
                "APPROVED $17.00 at Chez Marie · balance after: $3.00",
            )
            events = [json.loads(line) for line in (await process.communicate())[0].splitlines()]
            assert [event["event"] for event in events] == ["order", "outcome"]
            assert process.returncode == 0

    run(scenario())


def test_items_as_people_and_programs_write_them() -> None:
    assert parse_choice("Quiche") == ("Quiche", 1)
    assert parse_choice("Quiche:2") == ("Quiche", 2)
    with pytest.raises(WrongUse):
        parse_choice("Quiche:two")
    assert wanted_items([["a", 2], {"item": "b", "quantity": 3}, "c"]) == [
        ("a", 2),
        ("b", 3),
        ("c", 1),
    ]
    with pytest.raises(WrongUse):
        wanted_items([{"quantity": 1}])
