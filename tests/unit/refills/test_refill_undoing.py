"""What undoes a refill and goes on by itself, and what undoes that; also after an interruption."""

import asyncio
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import pytest

from adapters.backend.webhooks import Webhooks
from adapters.processors.sandbox import Sandbox
from application.decide_refill import ChargeBack, ChargebackWon
from domain.aggregates import refill as refills
from tests.unit.application.ledger_double import ISSUER, NOW_MS
from tests.unit.application.refilling import balance, ledger, order, refill_of
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
