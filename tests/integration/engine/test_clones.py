"""A card used as no person uses one: its PIN is wanted, an alert raised, the owner asked."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from msgspec.structs import replace

from application.alerts import AnswerAlert, CloseAlert
from application.command import Origin, Refused
from application.place_shop import PlaceShop
from application.states import States
from application.watching import SetWatch, rehearse
from domain.aggregates.account import Account, AccountDebited
from domain.aggregates.alert import Alert, AlertRaised, alert_id
from domain.aggregates.card import Card, CardBlocked
from domain.aggregates.transaction import Authorized, Declined
from domain.event import Context
from domain.ids import make_id
from domain.suspicion import DEFAULTS, Place, Use, Watch
from tests.integration.engine.world import Database, World

CHICAGO, NEW_YORK = Place(41_882_600, -87_622_600), Place(40_712_800, -74_006_000)


@pytest.fixture
def world(database: Database) -> Iterator[World]:
    """Watched by the first rules."""
    database.empty()
    world = World(database, watched=True)
    yield world
    world.close()


WITH_PIN: dict[str, Any] = {"pin_references": (b"right",)}


def context(world: World, number: int) -> Context:
    now_us = world.clock.now_us()
    id = make_id(now_us // 1000, 0, number)
    return Context(
        occurred_at_us=now_us, recorded_at_us=now_us, actor="card:x:1",
        command_id=id, correlation_id=id, issuer_id=world.shop,
    )  # fmt: skip


def origin(world: World, number: int) -> Origin:
    now_us = world.clock.now_us()
    return Origin(
        command_id=make_id(now_us // 1000, 0, number), issued_ms=now_us // 1000,
        actor="operator:x:1", issuer_id=world.shop,
    )  # fmt: skip


def deadline(world: World) -> int:
    return world.clock.now_us() + 5_000_000


def burst(world: World, card: int = 0) -> None:
    """As many payments as are not suspicious yet."""
    for counter in range(1, DEFAULTS.burst_count):
        assert world.ask(counter=counter, card=card, amount_cents=123).approved


def recent(world: World) -> tuple[Use, ...]:
    account = States(world.log).get(world.accounts[0], Account)
    assert account is not None
    return account.recent


def raised(world: World) -> list[AlertRaised]:
    return [event for event in world.events() if isinstance(event, AlertRaised)]


def the_alert(world: World, card: int = 0) -> Alert:
    at_us = raised(world)[-1].recorded_at_us
    alert = States(world.log).get(alert_id(world.accounts[card], at_us), Alert)
    assert alert is not None
    return alert


def test_many_payments_need_the_pin_and_raise_an_alert(world: World) -> None:
    burst(world)
    no = world.ask(counter=50, amount_cents=123)
    assert (no.code, no.reason) == ("55", "step-up")
    again = world.ask(counter=51, amount_cents=123)
    assert again.reason == "step-up"
    alert = the_alert(world)
    assert (alert.times, alert.reasons, alert.action) == (2, ("burst",), "step-up")
    assert alert.card_id == world.cards[0]
    assert [event.transaction_id for event in raised(world)] == [
        no.transaction_id,
        again.transaction_id,
    ]
    assert world.ask(counter=52, card=1, amount_cents=123).approved, "nobody else is suspicious"


def test_a_lost_answer_does_not_ask_for_the_pin(world: World) -> None:
    lost = world.payment(counter=40, amount_cents=123)
    assert world.submit(lost)[0].approved
    world.submit(world.reversal(counter=40, ms=lost.ask.ms))
    burst(world)
    assert [use.amount_cents for use in recent(world)] == [0] + [123] * 7
    strict = replace(DEFAULTS, burst_count=8)
    assert rehearse(world.events(), strict, 0).step_ups == 0
    assert world.ask(counter=50, amount_cents=123).reason == "step-up"


def test_a_wrong_pin_is_counted_and_no_alert(world: World) -> None:
    burst(world)
    no = world.ask(counter=50, amount_cents=123, **WITH_PIN)
    assert no.reason == "wrong-pin"
    assert raised(world) == []


def test_it_is_remembered_after_a_restart(world: World) -> None:
    burst(world)
    world.restart()
    assert world.ask(counter=50, amount_cents=123).reason == "step-up"
    world.restart()
    assert world.ask(counter=51, amount_cents=123).reason == "step-up"
    assert the_alert(world).times == 2


def test_the_same_message_again_raises_nothing(world: World) -> None:
    burst(world)
    payment = world.payment(counter=50, amount_cents=123)
    again = world.payment(counter=50, ms=payment.ask.ms, amount_cents=123)
    first, second = world.submit(payment, again)
    assert (first.reason, second.reason, second.duplicate) == ("step-up", "step-up", True)
    assert len(raised(world)) == 1


def test_where_and_how_it_was_used_is_in_the_debit(world: World) -> None:
    assert world.ask(counter=1).approved
    (debited,) = [event for event in world.events() if isinstance(event, AccountDebited)]
    assert debited.use is not None
    assert (debited.use.shop_id, debited.use.kind) == (world.shop, "stripe")


def test_far_away_within_moments_is_refused_whatever_the_pin(world: World) -> None:
    """Two shops a thousand kilometres apart within seconds: far and parallel."""
    other_shop, other_till = world.another_shop()
    for number, shop, place in ((1, world.shop, CHICAGO), (2, other_shop, NEW_YORK)):
        command = PlaceShop(origin(world, number), deadline(world), shop_id=shop, place=place)
        world.submit(command)
    assert world.ask(counter=1).approved
    there = {"shop_id": other_shop, "terminal_id": other_till}
    no = world.ask(counter=2, **there, **WITH_PIN)
    assert (no.code, no.reason) == ("63", "suspicion")
    assert the_alert(world).reasons == ("far", "parallel")
    assert world.ask(counter=3).approved, "at home it goes on"


def test_not_mine_blocks_the_stripe(world: World) -> None:
    burst(world)
    world.ask(counter=50, amount_cents=123)
    alert = the_alert(world)

    def answer(card: int, mine: bool, id: UUID) -> Any:
        work = AnswerAlert(
            context(world, 7), deadline(world), card_id=world.cards[card], alert_id=id, mine=mine
        )
        return world.submit(work)[0]

    assert isinstance(answer(1, False, alert.id), Refused), "another account's"
    assert isinstance(answer(0, False, world.shop), Refused)
    assert answer(0, True, alert.id)["answer"] == "mine"
    assert answer(0, False, alert.id)["blocked"] == "508900******1234"
    blocked = [event for event in world.events() if isinstance(event, CardBlocked)]
    assert [event.originator_id for event in blocked] == [world.cards[0]]
    answer(0, False, alert.id)
    assert len([event for event in world.events() if isinstance(event, CardBlocked)]) == 1
    assert world.ask(counter=60, amount_cents=123).code == "62"
    card = States(world.log).get(world.cards[0], Card)
    assert card is not None
    assert card.status == "blocked"


def test_an_operator_closes_once_and_a_new_use_opens_it_again(world: World) -> None:
    burst(world)
    world.ask(counter=50, amount_cents=123)
    alert = the_alert(world)

    def close(number: int) -> Any:
        return world.submit(
            CloseAlert(origin(world, number), deadline(world), alert_id=alert.id,
                       verdict="harmless", why="team lunch")
        )[0]  # fmt: skip

    assert close(1)["verdict"] == "harmless"
    assert isinstance(close(2), Refused)
    world.ask(counter=51, amount_cents=123)
    assert the_alert(world).status == "open"


def test_other_rules_hold_from_their_setting_on(world: World) -> None:
    burst(world)
    rules = replace(DEFAULTS, burst_weight=0)
    (set_,) = world.submit(SetWatch(origin(world, 3), deadline(world), rules=rules, why="holidays"))
    assert set_["version"] == 1
    assert world.ask(counter=50, amount_cents=123).approved
    (same,) = world.submit(SetWatch(origin(world, 4), deadline(world), rules=rules, why="again"))
    assert isinstance(same, Refused)


def test_a_rehearsal_says_what_rules_would_have_done(world: World) -> None:
    burst(world)
    events = world.events()
    approved = [event for event in events if isinstance(event, Authorized)]
    strict = replace(DEFAULTS, burst_count=3)
    found = rehearse(events, strict, 0)
    assert (found.payments, found.step_ups, found.refusals, found.people) == (
        len(approved),
        5,
        0,
        1,
    )
    assert found.by_signal == {"burst": 5}
    assert rehearse(events, DEFAULTS, 0).step_ups == 0
    later = rehearse(events, strict, approved[-1].recorded_at_us)
    assert (later.payments, later.step_ups) == (1, 1), "what came before leads up to it"
    refusing = Watch(burst_count=3, refuse_from=50)
    assert rehearse(events, refusing, 0).refusals == 5
    assert not [event for event in events if isinstance(event, Declined)]
