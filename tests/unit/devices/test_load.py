"""The load generator sends what a POS would send: the fake backend verifies every signature."""

import asyncio
import dataclasses
import json
import sys
import time
from asyncio.subprocess import PIPE
from pathlib import Path

from devices.load import LoadPlan, LoadResult, run_load
from protocol.contract import encode_contract, parse_contract
from protocol.encoding import unb64
from tests.unit.devices.authority import TRACK2, Authority
from tests.unit.devices.conftest import Run
from tests.unit.devices.fake_backend import FakeBackend

ROOT = Path(__file__).parents[3]


def plan_of(authority: Authority, **more: object) -> LoadPlan:
    terminals = [str(authority.device("pos", f"pos-{n}")) for n in range(2)]
    plan = LoadPlan(terminals, 3, 0.3, tracks=[TRACK2, TRACK2], warm_up_s=0.1, keep_answers=True)
    return dataclasses.replace(plan, **more)  # type: ignore[arg-type]


def check(result: LoadResult, backend: FakeBackend) -> None:
    assert result.answered > 3
    assert (result.errors, result.lost_connections) == ({}, 0)
    assert result.approved == result.answered
    assert 0 < result.p50_ms <= result.p99_ms <= result.max_ms
    asked = [unb64(body["contract"]) for body in backend.bodies("AUTHORIZE")]
    named = {(parse_contract(c).terminal, parse_contract(c).counter) for c in asked}
    assert len(named) == len(asked)
    assert encode_contract(parse_contract(asked[0])) == asked[0]
    assert json.dumps(result.body())


def test_stripes_signed_once(authority: Authority, run: Run) -> None:
    async def scenario() -> None:
        async with FakeBackend(authority) as backend:
            backend.balance_cents = 10**9
            check(await run_load(plan_of(authority)), backend)

    run(scenario())


def test_what_is_signed_in_advance_goes_out_first_and_is_signed_as_well(
    authority: Authority, run: Run
) -> None:
    async def scenario() -> None:
        async with FakeBackend(authority) as backend:
            backend.balance_cents = 10**9
            began_ms = time.time_ns() // 1_000_000
            result = await run_load(plan_of(authority, prepared=9, warm_up_s=0.3))
            check(result, backend)
            first = parse_contract(unb64(backend.bodies("AUTHORIZE")[0]["contract"]))
            assert first.ms - began_ms < 300, "made before the load began"
            assert len(backend.bodies("AUTHORIZE")) > 9, "and more on the way"

    run(scenario())


def test_stripes_with_a_pin(authority: Authority, run: Run) -> None:
    async def scenario() -> None:
        async with FakeBackend(authority) as backend:
            backend.balance_cents = 10**9
            check(await run_load(plan_of(authority, pin="4711")), backend)
            assert len(backend.bodies("PRESENT-PIN")) == len(backend.bodies("AUTHORIZE"))

    run(scenario())


def test_phones_sign_too(authority: Authority, run: Run) -> None:
    async def scenario() -> None:
        async with FakeBackend(authority) as backend:
            backend.balance_cents = 10**9
            cards = [str(authority.device("card", f"card-{n}")) for n in range(2)]
            check(await run_load(plan_of(authority, cards=cards, tracks=[])), backend)

    run(scenario())


def test_it_goes_on_after_the_gateway_was_gone(authority: Authority, run: Run) -> None:
    async def scenario() -> None:
        async with FakeBackend(authority) as backend:
            backend.balance_cents = 10**9
            # Signed for the sessions that are lost: of no use in the next ones.
            plan = plan_of(authority, seconds=2.0, reconnect=True, prepared=6_000)
            load = asyncio.create_task(run_load(plan))
            for _ in range(1_000):  # signing in advance takes as long as the machine is busy
                if backend.bodies("AUTHORIZE"):
                    break
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.3)
            await backend.stop()
            heard = len(backend.bodies("AUTHORIZE"))
            await asyncio.sleep(0.3)
            await backend.start(authority.port)
            result = await load
            assert heard < result.answered
            assert result.lost_connections == 3

    run(scenario())


def test_as_a_program_one_plan_a_line(authority: Authority, run: Run) -> None:
    async def scenario() -> None:
        async with FakeBackend(authority) as backend:
            backend.balance_cents = 10**9
            plan = dataclasses.asdict(plan_of(authority, warm_up_s=0.0, keep_answers=False))
            nowhere = {**plan, "terminals": []}
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "devices.load", stdin=PIPE, stdout=PIPE, cwd=ROOT
            )
            text = json.dumps(plan) + "\n" + json.dumps(nowhere) + "\n"
            out, _ = await process.communicate(text.encode())
            good, bad = map(json.loads, out.splitlines())
            assert good["approved"] == good["answered"] > 0
            assert bad["error"].startswith("a load needs terminals")

    run(scenario())
