"""What one person orders alone for a company within 24 hours stays within the limit for one."""

from typing import Any

import pytest
from msgspec.structs import replace

from domain.aggregates.lone_refill import WINDOW_US, LoneRefillOrdered
from domain.aggregates.refill import RefillOrdered
from tests.unit.application.happened import ACCOUNT, OTHER_COMPANY
from tests.unit.application.ledger_double import NOW_US, Ledger, origin
from tests.unit.application.refilling import (
    BY_CARD,
    FOREIGN,
    OTHER_PERSON,
    PAID,
    SECOND,
    SMALL,
    balance,
    ledger,
    order,
    refill_of,
)

LIMIT = SMALL.alone_most_cents
SAME_PERSON_AGAIN = origin().actor.rpartition(":")[0] + ":2a"


def ordered(place: Ledger, number: int, cents: int, by: str = "", **facts: Any) -> dict[str, Any]:
    """The answer to an order of that many cents."""
    command = order((facts.pop("account", ACCOUNT), cents), number=number, terms=SMALL, **facts)
    if by:
        command.origin = replace(command.origin, actor=by)
    answer, _ = place.when(command)
    assert isinstance(answer, dict)
    return answer


def test_two_orders_just_below_the_limit_are_one_above_it() -> None:
    place = ledger()
    first = ordered(place, 1, LIMIT - 100)
    second = ordered(place, 2, LIMIT - 100)
    assert (first["status"], first["alone_before_cents"]) == ("credited", 0)
    assert (second["status"], second["alone_before_cents"]) == ("awaiting-approval", LIMIT - 100)
    assert balance(place) == LIMIT - 100
    assert refill_of(place, second).alone_before_cents == LIMIT - 100
    assert ordered(place, 2, LIMIT - 100)["alone_before_cents"] == LIMIT - 100, "told again"


@pytest.mark.parametrize("payment", [PAID, BY_CARD])
def test_what_another_has_to_approve_counts_nothing(payment: Any) -> None:
    place = ledger()
    assert ordered(place, 1, LIMIT + 1, payment=payment)["alone_before_cents"] == 0
    assert ordered(place, 2, LIMIT - 1, payment=payment)["alone_before_cents"] == 0
    assert ordered(place, 3, 2, payment=payment)["alone_before_cents"] == LIMIT - 1
    assert ordered(place, 4, 1, payment=payment)["alone_before_cents"] == 0, "up to the limit"
    assert ordered(place, 5, 1, payment=payment)["alone_before_cents"] == LIMIT


@pytest.mark.parametrize(
    ("facts", "before_cents"),
    [
        ({}, LIMIT),
        ({"by": SAME_PERSON_AGAIN}, LIMIT),
        ({"account": SECOND}, LIMIT),
        ({"by": OTHER_PERSON}, 0),
        ({"account": FOREIGN, "company_id": OTHER_COMPANY}, 0),
    ],
)
def test_each_person_has_the_limit_for_each_company(
    facts: dict[str, Any], before_cents: int
) -> None:
    place = ledger()
    ordered(place, 1, LIMIT)
    answer = ordered(place, 2, LIMIT, **facts)
    assert answer["alone_before_cents"] == before_cents
    assert answer["status"] == ("awaiting-approval" if before_cents else "credited")


@pytest.mark.parametrize(("later_us", "two"), [(WINDOW_US - 1, True), (WINDOW_US, False)])
def test_the_window_rolls_and_is_what_is_kept(later_us: int, two: bool) -> None:
    place = ledger()
    ordered(place, 1, LIMIT)
    place.now_us = NOW_US + later_us
    place.states.drop()
    assert (ordered(place, 2, 1)["status"] == "awaiting-approval") == two


def test_what_counts_is_stored_with_the_order() -> None:
    place = ledger()
    answer = ordered(place, 1, LIMIT)
    order_, lone = (
        each for each in place.log.events if isinstance(each, RefillOrdered | LoneRefillOrdered)
    )
    assert isinstance(lone, LoneRefillOrdered)
    assert (str(lone.refill_id), lone.total_cents) == (answer["id"], LIMIT)
    assert lone.command_id == order_.command_id
