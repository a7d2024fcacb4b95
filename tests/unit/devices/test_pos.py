"""The POS against a backend that speaks the real protocol over real TLS."""

import asyncio
import json

import pytest

from devices.durable import InUse
from devices.exchange import Unreachable
from devices.identity import load_device
from devices.magstripe import StripeError
from devices.menu import choose
from devices.money import AmountError
from devices.pos.core import NotWaiting, Pos
from devices.pos.payment import PinError, in_words
from protocol.encoding import b64
from tests.unit.devices.authority import PAN, TRACK2, Authority
from tests.unit.devices.conftest import Run, until
from tests.unit.devices.fake_backend import FakeBackend


def test_a_stripe_payment_is_approved_and_refused_with_what_would_pass(
    authority: Authority, run: Run
) -> None:
    async def scenario() -> None:
        async with FakeBackend(authority) as backend:
            device = load_device(authority.device("pos"), "pos")
            async with Pos(device) as pos:
                yes = await pos.sale(1_250, TRACK2)
                no = await pos.sale(1_250, TRACK2)
            assert in_words(yes) == "APPROVED $12.50"
            assert (no.code, no.would_pass_cents) == ("51", 750)
            assert in_words(no).startswith(
                "REFUSED $12.50 (51): not enough money on the card. $7.50"
            )
            assert backend.balance_cents == 750
            assert [bill.state for bill in pos.bills.latest(9)] == ["refused", "approved"]
            # What was decided is never taken back, not even by the next run.
            async with Pos(device) as later:
                assert not later.reversals.waiting()
                await later.connected(5)
                await later.menu()
            assert not backend.bodies("REVERSE")
            assert backend.balance_cents == 750

    run(scenario())


@pytest.mark.parametrize(("pin", "code"), [("4711", "00"), ("4712", "55")])
def test_the_pin_travels_sealed_before_the_payment(
    authority: Authority, run: Run, pin: str, code: str
) -> None:
    async def scenario() -> None:
        async with FakeBackend(authority) as backend:
            async with Pos(load_device(authority.device("pos"))) as pos:
                assert (await pos.sale(100, TRACK2, pin)).code == code
            assert [verb for verb, _ in backend.seen] == ["PRESENT-PIN", "AUTHORIZE"]
            assert pin not in json.dumps(backend.bodies("PRESENT-PIN"))

    run(scenario())


def test_what_cannot_be_sent_is_refused_before_a_counter_is_used(
    authority: Authority, run: Run
) -> None:
    async def scenario() -> None:
        async with FakeBackend(authority) as backend:
            async with Pos(load_device(authority.device("pos"))) as pos:
                lines = choose(await pos.menu(), [("Quiche", 2)])
                for error, sale in (
                    (StripeError, pos.sale(100, "noise")),
                    (AmountError, pos.sale(0, TRACK2)),
                    (AmountError, pos.sale(100, TRACK2, lines=lines)),
                    (PinError, pos.sale(100, TRACK2, "12a4")),
                ):
                    with pytest.raises(error):
                        await sale
                assert (await pos.sale(1_700, TRACK2, lines=lines)).counter == 1
            assert len(backend.bodies("AUTHORIZE")) == 1

    run(scenario())


def test_the_same_request_again_gets_the_same_answer(authority: Authority, run: Run) -> None:
    async def scenario() -> None:
        async with FakeBackend(authority) as backend:
            async with Pos(load_device(authority.device("pos")), remember_last=True) as pos:
                with pytest.raises(NotWaiting):
                    await pos.resend_last()
                first = await pos.sale(500, TRACK2, "4711")
                again = await pos.resend_last()
            assert again.duplicate
            assert (again.transaction, again.code) == (first.transaction, first.code)
            assert backend.balance_cents == 1_500
            one, two = backend.bodies("AUTHORIZE")
            assert {**one, "id": 0} == {**two, "id": 0}

    run(scenario())


def test_a_pos_that_hears_no_answer_reverses_until_it_is_acknowledged(
    authority: Authority, run: Run
) -> None:
    async def scenario() -> None:
        async with FakeBackend(authority) as backend:
            backend.deaf_to_reversals = 1
            async with Pos(load_device(authority.device("pos"))) as pos:
                pos.reversals.patience_s = 0.2
                outcome = await pos.sale(500, TRACK2, drop_answer=True)
                assert (outcome.code, outcome.reversal) == ("91", "pending")
                assert backend.balance_cents == 1_500
                assert await pos.reversals.acknowledged(outcome.counter, 5) == "reversed"
                assert not pos.reversals.waiting()
            assert backend.balance_cents == 2_000
            assert len(backend.bodies("REVERSE")) == 2
            assert pos.bills.latest(1)[0].state == "reversed"

    run(scenario())


def test_after_a_power_cut_the_next_run_reverses_and_repeats_no_counter(
    authority: Authority, run: Run
) -> None:
    async def scenario() -> None:
        async with FakeBackend(authority) as backend:
            folder = authority.device("pos")
            backend.silent = True
            pos = Pos(load_device(folder))
            await pos.__aenter__()
            asking = asyncio.create_task(pos.sale(500, TRACK2))
            await until(lambda: backend.bodies("AUTHORIZE"))
            state = (folder / "state.json").read_text()
            pos.reversals.run = lambda: asyncio.sleep(0)  # type: ignore[method-assign]
            await pos.__aexit__()
            asking.cancel()
            assert PAN not in state
            assert TRACK2 not in state

            backend.silent = False
            async with Pos(load_device(folder)) as later:
                assert await later.reversals.finished(5)
                assert (await later.sale(100, TRACK2)).counter == 2
            assert backend.bodies("REVERSE")[-1]["pan"] == PAN
            assert backend.balance_cents == 1_900
            assert PAN not in (folder / "state.json").read_text()
            assert PAN not in (folder / "bills.jsonl").read_text()

    run(scenario())


@pytest.mark.parametrize(
    ("error", "code"), [("unavailable", "91"), ("busy", "91"), ("bad-contract", "96")]
)
def test_an_error_instead_of_a_decision_is_no_decision(
    authority: Authority, run: Run, error: str, code: str
) -> None:
    async def scenario() -> None:
        async with FakeBackend(authority) as backend:
            backend.error = error
            async with Pos(load_device(authority.device("pos"))) as pos:
                outcome = await pos.sale(500, TRACK2)
                assert (outcome.approved, outcome.code, outcome.reason) == (False, code, error)
                state = await pos.reversals.acknowledged(outcome.counter, 5)
                assert state == "nothing-to-reverse"

    run(scenario())


@pytest.mark.parametrize(
    "wrong", [{"counter": 99}, {"amount_cents": 1}, {"approved": "yes"}, {"ms": 1}]
)
def test_a_decision_about_something_else_is_not_believed(
    authority: Authority, run: Run, wrong: dict[str, object]
) -> None:
    async def scenario() -> None:
        async with FakeBackend(authority) as backend:
            backend.decision = wrong
            async with Pos(load_device(authority.device("pos"))) as pos:
                outcome = await pos.sale(500, TRACK2)
                assert not outcome.approved
                assert await pos.reversals.acknowledged(outcome.counter, 5) == "reversed"
            assert backend.balance_cents == 2_000

    run(scenario())


def test_no_answer_in_time_and_a_lost_backend_are_91_and_service_resumes(
    authority: Authority, run: Run
) -> None:
    async def scenario() -> None:
        async with FakeBackend(authority) as backend:
            async with Pos(load_device(authority.device("pos")), decision_timeout_s=0.2) as pos:
                backend.silent = True
                outcome = await pos.sale(500, TRACK2)
                assert (outcome.code, outcome.reason) == ("91", "no-answer")
                backend.silent = False
                backend.down = True
                assert (await pos.sale(500, TRACK2)).code == "91"
                backend.down = False
                await pos.connected(5)
                assert await pos.reversals.finished(5)
                assert (await pos.sale(500, TRACK2)).approved
            assert backend.balance_cents == 1_500

    run(scenario())


def test_it_comes_back_after_the_gateway_was_gone(authority: Authority, run: Run) -> None:
    async def scenario() -> None:
        backend = FakeBackend(authority)
        async with backend, Pos(load_device(authority.device("pos"))) as pos:
            assert (await pos.sale(500, TRACK2)).approved
            await backend.stop()
            await until(lambda: not pos.link.connected)
            with pytest.raises(Unreachable):
                await pos.connected(0.3)
            await backend.start(authority.port)
            await pos.connected(10)
            assert (await pos.sale(500, TRACK2)).approved

    run(scenario())


def test_two_programs_cannot_be_one_terminal(authority: Authority, run: Run) -> None:
    async def scenario() -> None:
        device = load_device(authority.device("pos"))
        async with Pos(device):
            second = Pos(device)
            with pytest.raises(InUse):
                await second.__aenter__()

    run(scenario())


def test_a_gateway_of_another_authority_is_not_spoken_to(
    authority: Authority, run: Run, tmp_path_factory: pytest.TempPathFactory
) -> None:
    async def scenario() -> None:
        other = Authority(tmp_path_factory.mktemp("other"))
        async with FakeBackend(other):
            authority.port = other.port
            pos = Pos(load_device(authority.device("pos")))
            with pytest.raises(Unreachable, match="not from our authority"):
                async with pos:
                    await pos.connected(5)

    run(scenario())


def test_a_pin_goes_only_to_the_key_that_the_authority_certified(
    authority: Authority, run: Run
) -> None:
    async def scenario() -> None:
        async with FakeBackend(authority) as backend:
            async with Pos(load_device(authority.device("pos"))) as pos:
                assert (await pos.sale(100, TRACK2, "4711")).approved
            other = [b64(der) for der in authority.pin_chain(other=True)]
            for name, certificate in (("pos-2", other), ("pos-3", None)):
                backend.ready = {"pin_certificate": certificate}
                async with Pos(load_device(authority.device("pos", name))) as pos:
                    outcome = await pos.sale(100, TRACK2, "4711")
                    assert (outcome.code, outcome.reversal) == ("91", "")
                    assert (await pos.sale(100, TRACK2)).approved

    run(scenario())
