"""Voids, refunds, tips and disputes over a real PostgreSQL: of two that race, one outcome."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from application.adjust import Adjust, AdjustAsk, Adjustment
from application.authorize import Decision
from application.command import Origin, Refused
from application.contest import Contest, ContestAsk, DecideDispute, GiveEvidence, dispute_id
from domain.aggregates.after_payment import TermsAgreed
from domain.aggregates.dispute import Dispute
from domain.aggregates.transaction import Authorized
from domain.answers import Refusal
from domain.event import Event
from domain.signed_request import SignedRequest
from domain.terms import LEGAL_DAY_CENTS
from tests.integration.engine.world import World

FULL_CENTS = 1_000_000
_DAY_US = 86_400_000_000


def paid(world: World, amount_cents: int = 1_000, **changes: Any) -> Decision:
    return world.ask(counter=900, amount_cents=amount_cents, **changes)


def adjust(
    world: World, payment: UUID, action: str, cents: int = 0, *, counter: int = 1, by: Any = None,
    mark: bytes = b"h",
) -> Adjust:  # fmt: skip
    ask = AdjustAsk(
        terminal_id=by or world.terminal,
        transaction_id=payment,
        action=action,
        counter=counter,
        ms=1_795_000_000_000,
        amount_cents=cents,
        why="x",
        signed=SignedRequest(request=b"{}", request_hash=mark * 32, signature="a..b"),
        actor="pos",
        issuer_id=world.shop,
    )
    return Adjust(ask, world.clock.now_us() + 5_000_000)


def one(world: World, *works: Any) -> Any:
    return world.submit(*works)[0]


def contest(world: World, payment: UUID, card: int = 0) -> Contest:
    ask = ContestAsk(
        card_id=world.cards[card],
        transaction_id=payment,
        ms=1_795_000_000_000,
        amount_cents=0,
        text="not mine",
        document_sha256=b"",
        signed=SignedRequest(request=b"{}", request_hash=b"d" * 32, signature="a..b"),
        actor="card",
        issuer_id=world.shop,
    )
    return Contest(ask, world.clock.now_us() + 5_000_000)


def origin(world: World) -> Origin:
    now_ms = world.clock.now_us() // 1000
    return Origin(command_id=uuid4(), issued_ms=now_ms, actor="operator", issuer_id=world.shop)


def decide(world: World, dispute: UUID, cents: int | None) -> DecideDispute:
    return DecideDispute(
        origin(world), world.clock.now_us() + 5_000_000, dispute_id=dispute,
        credited_cents=cents, why="y", operator_id=uuid4(),
    )  # fmt: skip


def topics(events: list[Event], payment: UUID) -> list[str]:
    return [each.TOPIC for each in events if each.originator_id == payment]


def test_the_same_refund_twice_moves_the_money_once_also_after_a_restart(world: World) -> None:
    payment = paid(world).transaction_id
    refund = adjust(world, payment, "REFUND", 400)
    first, second = world.submit(refund, adjust(world, payment, "REFUND", 400))
    assert (first.done, first.net_cents, first.duplicate) == (True, 600, False)
    assert (second.done, second.amount_cents, second.duplicate) == (True, 400, True)
    world.restart()
    assert one(world, adjust(world, payment, "REFUND", 400)).duplicate
    other = one(world, adjust(world, payment, "REFUND", 401, mark=b"i"))
    assert (other.done, other.code) == (False, "94")
    assert world.account().balance_cents == FULL_CENTS - 600


@pytest.mark.parametrize("void_first", [True, False])
def test_of_a_void_and_a_reversal_one_gives_the_money_back(world: World, void_first: bool) -> None:
    asked = world.payment(counter=3, amount_cents=700)
    (decision,) = world.submit(asked)
    void = adjust(world, decision.transaction_id, "VOID")
    back = world.reversal(counter=3, ms=asked.ask.ms)
    answers = world.submit(*((void, back) if void_first else (back, void)))
    voided, reversed_ = answers if void_first else answers[::-1]
    assert voided.done is void_first
    assert (reversed_.state, reversed_.amount_cents) == ("reversed", 0 if void_first else 700)
    if not void_first:
        assert (voided.code, voided.reason) == ("12", "already-reversed")
    assert world.account().balance_cents == FULL_CENTS
    # Nor is it paid by the same contract again.
    assert world.ask(counter=3, ms=asked.ask.ms, amount_cents=700).code == "05"


def test_a_tip_after_the_day_is_closed_is_refused_and_changes_nothing(world: World) -> None:
    payment = paid(world).transaction_id
    world.engine._clock = _Later(world, 2 * _DAY_US)
    before = len(world.events())
    answers = [
        one(world, _at(adjust(world, payment, action, 100, counter=n), 2 * _DAY_US))
        for n, action in enumerate(("TIP", "VOID"), 1)
    ]
    assert [answer.reason for answer in answers] == ["day-closed", "day-closed"]
    assert len(world.events()) == before
    refund = one(world, _at(adjust(world, payment, "REFUND", 1_000, counter=9), 2 * _DAY_US))
    assert refund.done


class _Later:
    def __init__(self, world: World, by_us: int) -> None:
        self._clock, self._by_us = world.clock, by_us

    def now_us(self) -> int:
        return self._clock.now_us() + self._by_us


def _at(work: Any, later_us: int) -> Any:
    work.deadline_us += later_us
    return work


def test_a_tip_is_debited_and_refunds_of_all_never_exceed_it(world: World) -> None:
    payment = paid(world).transaction_id
    tip = one(world, adjust(world, payment, "TIP", 200, counter=1))
    assert (tip.done, tip.net_cents) == (True, 1_200)
    works = [adjust(world, payment, "REFUND", 500, counter=n) for n in range(2, 7)]
    done = [answer for answer in world.submit(*works) if answer.done]
    assert len(done) == 2
    assert world.account().balance_cents == FULL_CENTS - 200


@pytest.mark.parametrize("refund_first", [True, False])
def test_a_refund_while_a_dispute_is_decided_gives_the_money_once(
    world: World, refund_first: bool
) -> None:
    payment = paid(world).transaction_id
    opened = one(world, contest(world, payment))
    assert isinstance(opened, Dispute)
    assert opened.id == dispute_id(payment)
    assert one(world, contest(world, payment)) == opened, "asking again tells how it stands"
    heard = GiveEvidence(
        origin(world), world.clock.now_us() + 5_000_000, dispute_id=opened.id, side="shop",
        text="it was", document_sha256=b"",
    )  # fmt: skip
    assert one(world, heard)["status"] == "open"
    refund = adjust(world, payment, "REFUND", 1_000)
    decision = decide(world, opened.id, 1_000)
    answers = world.submit(*((refund, decision) if refund_first else (decision, refund)))
    refunded, decided = answers if refund_first else answers[::-1]
    assert isinstance(refunded, Adjustment)
    assert refunded.done is refund_first
    assert isinstance(decided, Refused) is refund_first
    assert world.account().balance_cents == FULL_CENTS
    if refund_first:
        assert isinstance(one(world, decide(world, opened.id, None)), Refused), "nothing is left"
        assert one(world, decide(world, opened.id, 0))["status"] == "shop"
    assert isinstance(one(world, decide(world, opened.id, 0)), Refused), "decided once"
    world.restart()
    assert world.account().balance_cents == FULL_CENTS


def test_another_s_payment_is_told_from_none_by_nobody(world: World) -> None:
    payment = paid(world).transaction_id
    (foreign,) = world.submit(contest(world, payment, card=1))
    (nothing,) = world.submit(contest(world, uuid4()))
    assert foreign == nothing
    assert isinstance(foreign, Refusal)
    told = [
        one(world, adjust(world, payment, "REFUND", 1, by=uuid4())),
        one(world, adjust(world, world.accounts[0], "REFUND", 1)),
    ]
    assert {(each.code, each.reason) for each in told} == {("25", "unknown-transaction")}
    assert world.account().balance_cents == FULL_CENTS - 1_000


def test_part_of_a_payment_is_approved_and_answered_again_the_same(world: World) -> None:
    world.ask(counter=1, amount_cents=2_000)
    asked = world.payment(counter=2, amount_cents=200_000, partial=True)
    (no,) = world.submit(asked)
    assert no.code == "55", "part of it would need the PIN as well"
    _spend(world, LEGAL_DAY_CENTS - 2_000 - 500)
    first = world.ask(counter=77, amount_cents=1_200, partial=True, ms=asked.ask.ms)
    again = world.ask(counter=77, amount_cents=1_200, partial=True, ms=asked.ask.ms)
    assert (first.approved, first.code, first.amount_cents, first.approved_cents) == (
        True, "10", 1_200, 500,
    )  # fmt: skip
    assert (again.code, again.approved_cents, again.duplicate) == ("10", 500, True)
    assert world.account().balance_cents == FULL_CENTS - LEGAL_DAY_CENTS
    assert topics(world.events(), first.transaction_id) == [
        Authorized.TOPIC, TermsAgreed.TOPIC,
    ]  # fmt: skip


def _spend(world: World, cents: int) -> None:
    """Spends that much in payments that need no PIN."""
    works, counter = [], 1_000
    while cents:
        part = min(cents, 2_500)
        works.append(world.payment(counter=counter, amount_cents=part))
        cents, counter = cents - part, counter + 1
    assert all(answer.approved for answer in world.submit(*works))
