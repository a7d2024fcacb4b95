"""A large refill on a real database: step by step, over restarts, while payments go on."""

from collections.abc import Iterator
from uuid import UUID

import pytest

from application.command import Origin
from application.credit_refill import CreditLines, step_origin
from application.refill import OrderRefill, Payment, Terms
from domain.aggregates import refill as refills
from domain.aggregates.refill import Refill, RefillOrdered
from domain.ids import make_id
from tests.integration.engine.world import Database, World

ACCOUNTS = 4 * refills.STEP_LINES - 20
CENTS = 100
HAD = 1_000_000


@pytest.fixture
def large(database: Database) -> Iterator[World]:
    database.empty()
    world = World(database, ACCOUNTS)
    yield world
    world.close()


def order(world: World) -> UUID:
    now_us = world.clock.now_us()
    origin = Origin(
        command_id=make_id(now_us // 1000, 0, 1), issued_ms=now_us // 1000,
        actor="operator:x:1", issuer_id=world.shop,
    )  # fmt: skip
    command = OrderRefill(
        origin, now_us + 20_000_000, company_id=world.company, checked=True,
        lines=[(account, CENTS) for account in world.accounts],
        payment=Payment(confirmed=True), terms=Terms(alone_most_cents=10**9),
    )  # fmt: skip
    (answer,) = world.submit(command)
    assert answer["status"] == "approved"
    return UUID(answer["id"])


def step(world: World, refill: Refill) -> CreditLines:
    (ordered,) = [
        event
        for event in world.log.load([refill.id])[refill.id]
        if isinstance(event, RefillOrdered)
    ]
    place = refill.done_lines
    now_us = world.clock.now_us()
    lines = ordered.lines[place : place + refills.STEP_LINES]
    return CreditLines(
        step_origin(refill, "credit", place, now_us // 1000, world.shop),
        now_us + 20_000_000,
        refill_id=refill.id,
        place=place,
        lines=lines,
        ahead=[world.states.read_ahead(line.account_id for line in lines)],
    )


def stored(world: World, id: UUID) -> Refill:
    """The refill as the log has it."""
    state = None
    for event in world.log.load([id])[id]:
        state = refills.evolve(state, event)
    assert state is not None
    return state


def test_every_account_is_credited_once_over_restarts_and_repetitions(large: World) -> None:
    id = order(large)
    counter = 0
    while (refill := stored(large, id)).status == refills.APPROVED:
        counter += 1
        work = step(large, refill)
        # Payments of an account of this very step, since it was read, before and after it, and the
        # step twice.
        card = refill.done_lines
        assert large.ask(counter=10_000 + counter, card=card).approved
        answers = large.submit(
            large.payment(counter=2 * counter, card=card),
            work,
            large.payment(counter=2 * counter + 1, card=card),
            step(large, refill),
        )
        assert [answer.code for answer in answers[::2]] == ["00", "00"]
        assert answers[1].done_lines == answers[3].done_lines == stored(large, id).done_lines
        large.restart()
    assert counter == 4
    assert (refill.status, refill.credited_cents) == ("credited", ACCOUNTS * CENTS)
    step_lines = refills.STEP_LINES
    paid = {step_lines * n for n in range(counter)}
    for number in {0, 1, step_lines - 1, step_lines, step_lines + 1, *paid, ACCOUNTS - 1}:
        spent = 300 if number in paid else 0
        assert large.account(number).balance_cents == HAD + CENTS - spent
    credited = [e for e in large.events() if type(e).TOPIC == "account.credited/1"]
    assert len(credited) == 2 * ACCOUNTS, "at the start, and by the refill"
