"""What undoes a refill and goes on by itself, and what undoes that; also after an interruption."""

import asyncio
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import pytest

from adapters.backend.webhooks import Webhooks
from adapters.processors.sandbox import Sandbox
from application.decide_refill import CancelRefill, ChargeBack, ChargebackWon
from application.payment_processor import DISPUTED, PAID, Processor
from domain.aggregates import refill as refills
from domain.books.chart import COMPANY_FUNDS, PROCESSOR_CLEARING
from tests.unit.application.ledger_double import ISSUER, NOW_MS
from tests.unit.application.refilling import balance, charged, ledger, order, refill_of, state
from tests.unit.application.test_charge_back import books_of
from tests.unit.application.test_refill_decisions import said
from tests.unit.refills.test_refill_work import SECRET, Room, by_card, many, quick


@pytest.fixture
def room(tmp_path: Path) -> Room:
    sandbox = Sandbox(tmp_path / "charges.json", SECRET, None, lambda: NOW_MS)
    return Room(ledger(), sandbox)


def test_what_a_won_chargeback_took_is_given_back_whatever_is_killed() -> None:
    place, lines = many(2 * refills.STEP_LINES + 5)
    answer, _ = place.when(order(*lines, checked=True))
    id = UUID(answer["id"])
    place.log.append = quick(place)  # type: ignore[method-assign]
    Room(place).run(id, until="credited")
    said(place, ChargeBack, id, 3)
    taken = Room(place).run(id, until="charged-back")
    assert taken is not None and (taken.taken_lines, taken.at_work) == (len(lines), False)
    said(place, ChargebackWon, id, 4)
    lives = 0
    while refill_of(place, answer).giving_back:
        room = Room(place)
        room.works_most = 3
        room.run(None, seconds=2)  # found at the start
        place.states.drop()
        lives += 1
        assert lives < 10
    assert lives >= 3
    assert [balance(place, account) for account, _ in lines] == [cents for _, cents in lines]


def test_a_dispute_that_was_won_is_found_by_asking(room: Room) -> None:
    sandbox = cast(Sandbox, room.processor)
    id = by_card(room, "pm_card_disputeWon")
    room.run(id, until="credited")
    told = []
    for kind in ("charge.dispute.created", "charge.dispute.closed"):
        sandbox.message(id, kind)  # lost on its way

        async def ask() -> Any:
            return (await room.work().poll(id))["outcome"]

        told.append(asyncio.run(ask()))
        refill = room.run(id, seconds=0.5)
    assert told == ["charged back", "won"]
    assert refill is not None and (refill.status, refill.at_work) == ("credited", False)
    assert (balance(room.place), refill.given_lines) == (500, 1)


def test_an_inquiry_takes_nothing_back(room: Room) -> None:
    sandbox = cast(Sandbox, room.processor)
    id = by_card(room, "pm_card_createDisputeInquiry")
    room.run(id, until="credited")
    body, header = sandbox.message(id, "charge.dispute.updated")

    async def tell() -> Any:
        hooks = Webhooks(room.work(), room.clock, ISSUER)
        return [(await hooks.received("sandbox", body, header))["outcome"] for _ in range(2)]

    first, again = asyncio.run(tell())
    assert ("answer it at the processor" in first, again) == (True, "seen before")
    refill = room.run(id, seconds=0.3)
    assert refill is not None and (refill.status, refill.inquiry) == ("credited", "fraudulent")
    assert balance(room.place) == 500


@pytest.mark.parametrize("sent", [False, True])
def test_a_refund_that_was_sent_and_not_recorded_is_booked_after_a_chargeback(
    room: Room, sent: bool
) -> None:
    sandbox = cast(Sandbox, room.processor)
    id = by_card(room, "pm_card_visa")
    reference = sandbox.charge(id, 500, "pm_card_visa").reference
    said(room.place, CancelRefill, id, 2)
    charged(room.place, id, 3, PAID, 500)
    if sent:
        sandbox.refund(id, reference, 500)  # and killed before it was recorded
    charged(room.place, id, 4, DISPUTED, 500)
    assert state(room.place, id).at_work
    refill = room.run(None, seconds=0.3) or state(room.place, id)
    assert (refill.at_work, refill.refund_in_doubt) == (False, False)
    assert (refill.refunded_cents, refill.receivable_cents) == ((500, 500) if sent else (0, 0))
    assert sum(each.amount_cents for each in sandbox.refunds(id, reference)) == 500 * sent
    owed = {COMPANY_FUNDS: 500, PROCESSOR_CLEARING: -500}
    assert books_of(room.place) == (owed if sent else {}), "paid once, gone twice"
    events = len(room.place.log.events)
    room.run(None, seconds=0.2)
    assert len(room.place.log.events) == events, "nobody asks for ever"


def test_a_refund_that_was_sent_and_not_recorded_is_not_sent_again(room: Room) -> None:
    class Forgets:
        """Of what it was asked a day ago it knows only what came of it."""

        name = "sandbox"
        refunded = 0

        def __getattr__(self, name: str) -> Any:
            return getattr(sandbox, name)

        def refund(self, *_: Any) -> str:
            self.refunded += 1
            return "re_again"

    sandbox = cast(Sandbox, room.processor)
    forgets = Forgets()
    room.processor = cast(Processor, forgets)
    id = by_card(room, "pm_card_visa")
    reference = sandbox.charge(id, 500, "pm_card_visa").reference
    said(room.place, CancelRefill, id, 2)
    charged(room.place, id, 3, PAID, 500)
    made = sandbox.refund(id, reference, 500)
    room.run(None, seconds=0.3)
    refill = state(room.place, id)
    assert (forgets.refunded, refill.refunded_cents, refill.refund_references) == (0, 500, (made,))
