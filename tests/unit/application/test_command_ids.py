"""An id that another kind of command was carried out under is refused, whatever that one made."""

from collections.abc import Callable

import pytest

from application.block import BlockCard
from application.command import Command, Refused
from application.menu import SetMenu
from application.register import RegisterShop
from application.set_pin import SetPin
from domain.aggregates.shop import MenuItem
from tests.unit.application import happened
from tests.unit.application.ledger_double import DEADLINE_US, Ledger, origin


def menu() -> Command:
    return SetMenu(origin(), DEADLINE_US, shop_id=happened.SHOP, items=(
        MenuItem(item="soup", name="Soup", price_cents=650),))  # fmt: skip


def shop() -> Command:
    return RegisterShop(
        origin(),
        DEADLINE_US,
        partition=3,
        name="Deli",
        category="5812",
        timezone="America/Chicago",
        email="d@e.example",
        activation_sha256=b"a" * 32,
    )


def pin() -> Command:
    return SetPin(origin(), DEADLINE_US, card_id=happened.CARD, reference=b"r" * 32)


def block() -> Command:
    return BlockCard(origin(), DEADLINE_US, card_id=happened.CARD, status="lost", why="called in")


PAIRS = [(menu, shop), (pin, block), (block, pin), (block, menu), (shop, block)]


@pytest.mark.parametrize("forgotten", [False, True], ids=["at once", "after a restart"])
@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_another_command_under_the_same_id(
    first: Callable[[], Command], second: Callable[[], Command], forgotten: bool
) -> None:
    place = Ledger().given(happened.card_issued(), happened.shop_registered())
    assert place.when(first())[1]
    if forgotten:
        place.states.drop()
    answer, events = place.when(second())
    assert isinstance(answer, Refused)
    assert (answer.code, events) == ("command-id-used", [])
    answer, events = place.when(first())
    assert (answer["repeated"], events) == (True, [])
