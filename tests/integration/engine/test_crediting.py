"""A large refill over a real PostgreSQL: payments go on, a kill loses and doubles nothing."""

import os
import signal
import threading
from typing import Any
from uuid import UUID

from application import crediting
from application.crediting import BATCH_LINES, Order, Progress, carry_on
from domain.aggregates.account import AccountCredited
from domain.aggregates.crediting import credit_id
from domain.event import Event
from domain.ids import make_id
from tests.integration.engine.world import World

LINES = 20 * BATCH_LINES


def order(world: World, lines: int = LINES) -> Order:
    ids = world.accounts
    return Order(
        id=make_id(world.clock.now_us() // 1000, 3, 42),
        company_id=world.company,
        lines=[(ids[n % len(ids)], 1 + n % 7) for n in range(lines)],
        last_day="2099-12-31",
        actor="operator:x:1",
        issuer_id=world.shop,
    )


def credited(world: World, id: UUID) -> list[AccountCredited]:
    found: list[Event] = world.events()
    return [each for each in found if isinstance(each, AccountCredited) and each.refill_id == id]


def test_payments_are_answered_while_a_large_refill_goes_on(world: World) -> None:
    whole, heard, answered_at = order(world), list[Progress](), list[int]()
    thread = threading.Thread(
        target=lambda: carry_on(
            world.engine.submit_later, world.log.load, world.clock, whole, told=heard.append
        )
    )  # fmt: skip
    thread.start()
    counter = 0
    while thread.is_alive():
        counter += 1
        assert world.ask(counter=counter, card=counter % 3).approved
        answered_at.append(heard[-1].done if heard else 0)
    thread.join()
    assert heard[-1].finished
    assert len({done for done in answered_at if 0 < done < LINES}) > 5, "between the batches"
    assert len(credited(world, whole.id)) == LINES
    world.restart()
    for number in range(3):
        account = world.account(number)
        assert sum(lot.cents for lot in account.lots) <= account.balance_cents


def test_a_refill_killed_again_and_again_credits_each_line_once(world: World) -> None:
    whole = order(world)
    world.close()
    reached, kills = 0, 0
    while reached < LINES // 2:
        before = reached
        reached = _killed_after(world, whole, before + 2 * BATCH_LINES)
        assert reached > before
        kills += 1
    world.open()
    last = carry_on(world.engine.submit_later, world.log.load, world.clock, whole)
    assert kills
    assert (last.finished, last.credited) == (True, LINES)
    found = credited(world, whole.id)
    assert [each.command_id for each in found] == [
        credit_id(whole.id, line) for line in range(1, LINES + 1)
    ]
    assert sum(each.amount_cents for each in found) == last.credited_cents


def _killed_after(world: World, whole: Order, done: int) -> int:
    """Carries on in a process of its own, which is killed (SIGKILL) once it told of that line."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            _child(world, whole, writing)
        finally:
            os._exit(0)
    os.close(writing)
    reached = 0
    with os.fdopen(reading) as lines:
        for line in lines:
            reached = int(line)
            if reached >= done:
                break
        os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return reached


def _child(world: World, whole: Order, writing: int) -> None:
    def told(progress: Progress) -> None:
        os.write(writing, b"%d\n" % progress.done)

    world.open()
    carry_on(world.engine.submit_later, world.log.load, world.clock, whole, told=told)


def test_a_refill_outlives_the_database(world: World, monkeypatch: Any) -> None:
    monkeypatch.setattr(crediting, "AGAIN_S", 0.05)
    whole, half = order(world), threading.Event()
    result: list[Progress] = []

    def told(progress: Progress) -> None:
        if progress.done >= LINES // 4:
            half.set()

    thread = threading.Thread(
        target=lambda: result.append(
            carry_on(world.engine.submit_later, world.log.load, world.clock, whole, told=told)
        )
    )
    thread.start()
    assert half.wait(20)
    world.database.stop(signal.SIGQUIT)
    world.database.start()
    thread.join(30)
    assert result[0].credited == LINES
    world.restart()  # the pool's connections did not outlive the database
    assert len(credited(world, whole.id)) == LINES
