"""Voids, refunds, tips and split bills of a POS, whatever is lost on the way."""

import asyncio
from uuid import UUID

import pytest

from devices.identity import load_device
from devices.magstripe import StripeError
from devices.money import AmountError
from devices.pos.adjustments import in_words
from devices.pos.core import Pos
from devices.pos.journal import Journal
from devices.pos.payment import Outcome, Terms
from devices.pos.payment import in_words as outcome_in_words
from devices.pos.split import Share, split, split_in_words
from protocol.adjustment import TYP_ADJUST, parse_adjustment
from protocol.contract import parse_contract, verify_detached
from protocol.encoding import unb64
from protocol.errors import BodyError
from tests.unit.devices.authority import TRACK2, Authority
from tests.unit.devices.conftest import Run, until
from tests.unit.devices.fake_backend import FakeBackend

PAYMENT = UUID("019f6b1c-8a00-8007-9f00-000000000003")


def test_a_refund_is_signed_answered_and_billed(authority: Authority, run: Run) -> None:
    async def scenario() -> None:
        async with (
            FakeBackend(authority) as backend,
            Pos(load_device(authority.device("pos"))) as pos,
        ):
            await pos.connected(5)
            answer = await pos.adjustments.ask("REFUND", PAYMENT, 450, "wrong dish")
            assert (answer.done, answer.amount_cents) == (True, 450)
            assert in_words(answer).startswith("REFUNDED $4.50")
            (body,) = backend.bodies("REFUND")
            raw = unb64(body["request"])
            asked = parse_adjustment(raw)
            assert (asked.transaction, asked.amount_cents, asked.why) == (
                PAYMENT, 450, "wrong dish",
            )  # fmt: skip
            (bill,) = pos.bills.latest(5)
            assert (bill.state, bill.of, bill.amount_cents) == ("refunded", str(PAYMENT), 450)
            assert pos.adjustments.waiting() == 0

    run(scenario())


def test_one_that_is_not_answered_is_asked_again_with_the_same_bytes_after_a_restart(
    authority: Authority, run: Run
) -> None:
    async def scenario() -> None:
        async with FakeBackend(authority) as backend:
            folder = authority.device("pos")
            async with Pos(load_device(folder)) as pos:
                await pos.connected(5)
                backend.silent = True
                answer = await pos.adjustments.ask("TIP", PAYMENT, 100, timeout_s=0.2)
                assert (answer.done, answer.answered) == (False, False)
                assert pos.bills.latest(1)[0].state == "unanswered"
            backend.silent = False
            async with Pos(load_device(folder)) as pos:
                assert await pos.adjustments.finished(5)
                assert pos.bills.latest(1)[0].state == "tipped"
            requests = {body["request"] for body in backend.bodies("TIP")}
            assert len(requests) == 1
            assert len(backend.adjusted) == 1

    run(scenario())


def test_what_the_backend_refuses_for_good_is_not_asked_again(
    authority: Authority, run: Run
) -> None:
    async def scenario() -> None:
        async with (
            FakeBackend(authority) as backend,
            Pos(load_device(authority.device("pos"))) as pos,
        ):
            await pos.connected(5)
            backend.error = "bad-body"
            answer = await pos.adjustments.ask("VOID", PAYMENT)
            assert (answer.answered, answer.done, answer.reason) == (True, False, "bad-body")
            assert pos.adjustments.waiting() == 0
            (bill,) = pos.bills.latest(5)
            assert (bill.state, bill.action) == ("refused", "VOID")
            before = pos._journal.reserve()
            with pytest.raises(BodyError):
                await pos.adjustments.ask("REFUND", PAYMENT, -1)
            assert pos._journal.reserve() == before + 1, "it cost no counter"

    run(scenario())


def test_a_bill_on_two_cards_stands_whole(authority: Authority, run: Run) -> None:
    async def scenario() -> None:
        async with FakeBackend(authority) as backend:
            folder = authority.device("pos")
            async with Pos(load_device(folder)) as pos:
                await pos.connected(5)
                ended = await split(pos, [Share(700, TRACK2), Share(800, TRACK2)])
                assert (ended.approved, ended.amount_cents) == (True, 1_500)
                assert backend.balance_cents == 500
                bodies = backend.bodies("AUTHORIZE")
                groups = {parse_contract(unb64(body["contract"])).group for body in bodies}
                assert groups == {ended.group}
            async with Pos(load_device(folder)) as pos:
                await pos.connected(5)
                await asyncio.sleep(0.1)
                assert backend.bodies("REVERSE") == [], "nor does the next run take it back"

    run(scenario())


@pytest.mark.parametrize("lost", [False, True])
def test_a_share_that_is_refused_or_lost_takes_the_others_back(
    authority: Authority, run: Run, lost: bool
) -> None:
    async def scenario() -> None:
        async with (
            FakeBackend(authority) as backend,
            Pos(load_device(authority.device("pos"))) as pos,
        ):
            await pos.connected(5)
            last = Share(500, TRACK2, drop_answer=True) if lost else Share(1_500, TRACK2)
            ended = await split(pos, [Share(400, TRACK2), Share(300, TRACK2), last])
            assert not ended.approved
            assert set(ended.reversals.values()) == {"reversed"}
            assert len(ended.reversals) == (3 if lost else 2)
            assert backend.balance_cents == 2_000
            assert split_in_words(ended)[-1] == (
                "NOT PAID $12.00: every share was taken back" if lost
                else "NOT PAID $22.00: every share was taken back"
            )  # fmt: skip
            assert "approved" not in [bill.state for bill in pos.bills.latest(5)]

    run(scenario())


def test_a_swipe_that_cannot_be_read_costs_no_other_card_anything(
    authority: Authority, run: Run
) -> None:
    async def scenario() -> None:
        async with (
            FakeBackend(authority) as backend,
            Pos(load_device(authority.device("pos"))) as pos,
        ):
            await pos.connected(5)
            with pytest.raises(StripeError):
                await split(pos, [Share(400, TRACK2), Share(300, "noise")])
            assert not backend.bodies("AUTHORIZE")
            assert backend.balance_cents == 2_000
            with pytest.raises(AmountError):
                await split(pos, [Share(400, TRACK2)])
            with pytest.raises(AmountError):
                await split(pos, [Share(400, TRACK2), Share(0, TRACK2)])

    run(scenario())


def test_after_a_power_cut_an_incomplete_bill_is_taken_back(authority: Authority, run: Run) -> None:
    """The journal as a dead POS leaves it: a share was approved, the next was not asked for."""

    async def scenario() -> None:
        async with FakeBackend(authority) as backend:
            folder = authority.device("pos")
            async with Pos(load_device(folder)) as pos:
                await pos.connected(5)
                terms = Terms(group=UUID(int=7))
                first = await pos.sale(600, TRACK2, terms=terms)
                assert first.approved
                await asyncio.sleep(0.1)
                assert backend.bodies("REVERSE") == [], "it waits for the other shares"
                device = load_device(folder)
                assert [each.counter for each in Journal(folder, device.keystore).pending()] == [
                    first.counter
                ]
            async with Pos(load_device(folder)) as pos:
                assert await pos.reversals.finished(5)
                await until(lambda: backend.balance_cents == 2_000)
                assert pos.bills.latest(1)[0].state == "reversed"

    run(scenario())


def test_part_of_an_amount_is_approved_and_billed_as_such(authority: Authority, run: Run) -> None:
    async def scenario() -> None:
        async with (
            FakeBackend(authority) as backend,
            Pos(load_device(authority.device("pos"))) as pos,
        ):
            await pos.connected(5)
            backend.decision = {"code": "10", "reason": "partial", "approved_cents": 500}
            outcome = await pos.sale(1_250, TRACK2, terms=Terms(partial=True))
            assert (outcome.approved, outcome.approved_cents) == (True, 500)
            assert pos.bills.latest(1)[0].amount_cents == 500
            backend.decision = {"approved_cents": 99_999}
            outcome = await pos.sale(100, TRACK2, terms=Terms(partial=True))
            assert (outcome.approved, outcome.code) == (False, "96"), "more than was asked for"

    run(scenario())


def test_the_words_for_part_of_an_amount_say_what_is_left() -> None:
    partly = Outcome(True, "10", "partial", "", 1_250, "card", approved_cents=500)
    assert outcome_in_words(partly) == "APPROVED $5.00 of $12.50 · $7.50 left to pay another way"


def test_the_signature_is_over_the_bytes_that_were_sent(authority: Authority, run: Run) -> None:
    async def scenario() -> None:
        async with (
            FakeBackend(authority) as backend,
            Pos(load_device(authority.device("pos"))) as pos,
        ):
            await pos.connected(5)
            await pos.adjustments.ask("VOID", PAYMENT)
            (body,) = backend.bodies("VOID")
            (one,) = [each for each in backend.connections if each.session]
            assert one.session is not None
            peer = one.session.peer
            raw = unb64(body["request"])
            verify_detached(raw, body["signature"], TYP_ADJUST, peer.public_key, peer.kid)

    run(scenario())
