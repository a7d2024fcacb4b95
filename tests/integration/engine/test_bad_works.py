"""A work that breaks the engine's own steps gets 96, and gets it alone."""

from typing import Any

import pytest

from application.work import ERROR
from domain.aggregates.account import AccountDebited
from tests.integration.engine.world import World, until

NO_TIME = 1 << 50
"""Milliseconds that no id can hold."""
NO_TEXT = "\ud800"
"""Half of a surrogate pair: no event with it can be sealed."""


@pytest.mark.parametrize("fault", [{"ms": NO_TIME}, {"masked_pan": NO_TEXT}])
def test_who_shares_a_batch_with_it_is_decided_as_ever(world: World, fault: dict[str, Any]) -> None:
    works = [world.payment(counter=n) for n in range(1, 4)]
    works[1:1] = [world.payment(counter=9, **fault)]
    answers = world.submit(*works)
    assert answers[1] == ERROR
    assert [answer.code for answer in answers] == ["00", "96", "00", "00"]
    _three_were_debited(world)


def test_reversals_that_break_it_harm_no_payment(world: World) -> None:
    answers = world.submit(
        world.payment(counter=1),
        world.reversal(counter=-1, ms=1),
        world.payment(counter=2),
        world.reversal(counter=1, ms=NO_TIME),
        world.payment(counter=3),
    )
    assert [getattr(answer, "code", "") for answer in answers] == ["00", "96", "00", "96", "00"]
    _three_were_debited(world)


def test_alone_it_costs_the_next_one_nothing(world: World) -> None:
    for number in range(1, 4):
        assert world.failure(counter=9, masked_pan=NO_TEXT) == ERROR
        assert world.ask(counter=number).approved
    _three_were_debited(world)


def test_a_database_that_was_started_again_is_used_at_once(world: World) -> None:
    """Whatever connections were kept: the first works after it is back are decided."""
    world.ask(counter=1)
    for number in range(2, 5):
        world.database.stop()
        assert world.failure(counter=90 + number).code == "91"
        world.database.start()
        until(lambda: world.engine.available, 1.5)
        world.states.drop()  # so that everything is read again
        assert world.ask(counter=number).approved


def _three_were_debited(world: World) -> None:
    debits = [event for event in world.events() if isinstance(event, AccountDebited)]
    assert len(debits) == 3
