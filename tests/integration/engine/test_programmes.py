"""The engine under a company's programme: in force at its time, counted through restarts."""

from typing import Any
from uuid import uuid4

from application.command import Origin
from application.programme import SetProgramme
from domain.aggregates.transaction import Authorized, Declined
from tests.integration.engine.world import World


def set_terms(world: World, **changes: Any) -> dict[str, Any]:
    """A programme from now on."""
    now_us = world.clock.now_us()
    origin = Origin(
        command_id=uuid4(), issued_ms=now_us // 1000, actor="operator:x:1", issuer_id=world.shop
    )
    (answer,) = world.submit(
        SetProgramme(
            origin,
            now_us + 5_000_000,
            company_id=world.company,
            changes=changes,
            from_standard=False,
            effective=None,
            why="test",
        )
    )
    assert isinstance(answer, dict), answer
    return answer


def test_terms_hold_from_the_next_payment_on_and_every_answer_names_them(world: World) -> None:
    assert world.ask(counter=1, amount_cents=2_000).approved
    assert set_terms(world, per_payment_cents=1_500)["version"] == 1
    refused = world.ask(counter=2, amount_cents=2_000)
    assert (refused.code, refused.reason, refused.would_pass_cents) == (
        "61",
        "payment-limit",
        1_500,
    )
    assert world.ask(counter=3, amount_cents=1_500).approved
    answers = [each for each in world.events() if isinstance(each, Authorized | Declined)]
    assert [each.programme_version for each in answers] == [0, 1, 1]


def test_counts_and_amounts_are_known_after_a_restart(world: World) -> None:
    set_terms(world, payments_per_week=2, per_month_cents=2_500)
    assert world.ask(counter=1, amount_cents=2_000).approved
    world.restart()
    over = world.ask(counter=2, amount_cents=600)
    assert (over.reason, over.would_pass_cents) == ("monthly-limit", 500)
    assert over.passes_at_us is not None
    assert over.passes_at_us > world.clock.now_us()
    assert world.ask(counter=3, amount_cents=500).approved
    world.restart()
    assert world.ask(counter=4, amount_cents=1).reason == "weekly-count"


def test_the_same_answer_again_says_the_same_moment(world: World) -> None:
    set_terms(world, payments_per_day=1)
    ms = world.clock.now_us() // 1000
    assert world.ask(counter=1).approved
    first = world.ask(counter=2, ms=ms)
    world.restart()
    again = world.ask(counter=2, ms=ms)
    assert again.duplicate
    assert (again.text, again.passes_at_us) == (first.text, first.passes_at_us)
    assert first.passes_at_us is not None


def test_payments_of_one_batch_are_counted_one_by_one(world: World) -> None:
    set_terms(world, payments_per_day=2)
    answers = world.submit(*(world.payment(counter=n) for n in range(1, 5)))
    assert [answer.code for answer in answers] == ["00", "00", "65", "65"]
