"""PINs are set, cards and terminals are blocked, menus are replaced: each once."""

import pytest

from application.block import BlockCard, BlockTerminal
from application.command import Command
from application.menu import SetMenu
from application.set_pin import SetPin
from domain.aggregates.card import Card
from domain.aggregates.shop import MenuItem, Shop
from tests.unit.application import happened
from tests.unit.application.ledger_double import DEADLINE_US, Ledger, origin


def set_pin(number: int = 1, reference: bytes = b"r" * 32) -> SetPin:
    return SetPin(origin(number), DEADLINE_US, card_id=happened.CARD, reference=reference)


def block(status: str, number: int = 1) -> BlockCard:
    return BlockCard(
        origin(number), DEADLINE_US, card_id=happened.CARD, status=status, why="called in"
    )


def card(place: Ledger) -> Card:
    found = place.states.get(happened.CARD, Card)
    assert found is not None
    return found


def test_a_pin_is_set_and_replaced() -> None:
    place = Ledger().given(happened.card_issued())
    place.when(set_pin())
    place.when(set_pin(2, b"q" * 32))
    assert card(place).pin_reference == b"q" * 32


def test_a_pin_command_that_arrives_late_again_does_not_undo_the_next_one() -> None:
    place = Ledger().given(happened.card_issued())
    place.when(set_pin())
    place.when(set_pin(2, b"q" * 32))
    answer, events = place.when(set_pin())
    assert (answer["repeated"], events) == (True, [])


def test_a_blocked_card_gets_no_pin() -> None:
    place = Ledger().given(happened.card_issued())
    place.when(block("lost"))
    assert place.when(set_pin(2))[0].code == "card-lost"


@pytest.mark.parametrize("status", ["blocked", "lost", "stolen"])
def test_a_card_is_blocked(status: str) -> None:
    place = Ledger().given(happened.card_issued())
    answer, events = place.when(block(status))
    assert answer == {"id": str(happened.CARD), "status": status}
    assert len(events) == 1
    assert card(place).status == status


def test_a_status_can_only_say_more() -> None:
    place = Ledger().given(happened.card_issued())
    place.when(block("lost", 1))
    answer, events = place.when(block("blocked", 2))
    assert (answer["status"], answer["unchanged"], events) == ("lost", True, [])
    assert place.when(block("stolen", 3))[0]["status"] == "stolen"


def test_a_terminal_is_blocked_once() -> None:
    place = Ledger().given(happened.terminal_registered())
    for number, stored in ((1, 1), (2, 0)):
        _, events = place.when(
            BlockTerminal(
                origin(number), DEADLINE_US, terminal_id=happened.TERMINAL, why="stolen till"
            )
        )
        assert len(events) == stored


def test_a_menu_replaces_the_one_before() -> None:
    place = Ledger().given(happened.shop_registered())
    for number, count in ((1, 3), (2, 2)):
        items = tuple(
            MenuItem(item=f"i{n}", name="Soup of the day", price_cents=650) for n in range(count)
        )
        answer, _ = place.when(
            SetMenu(origin(number), DEADLINE_US, shop_id=happened.SHOP, items=items)
        )
        assert (answer["version"], answer["items"]) == (number, count)
    shop = place.states.get(happened.SHOP, Shop)
    assert shop is not None
    assert len(shop.menu) == 2


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (set_pin(), "no-such-card"),
        (block("lost"), "no-such-card"),
        (
            BlockTerminal(origin(), DEADLINE_US, terminal_id=happened.TERMINAL, why="x"),
            "no-such-terminal",
        ),
        (SetMenu(origin(), DEADLINE_US, shop_id=happened.SHOP, items=()), "no-such-shop"),
    ],
)
def test_what_does_not_exist_is_refused(command: Command, code: str) -> None:
    answer, events = Ledger().when(command)
    assert (answer.code, events) == (code, [])
