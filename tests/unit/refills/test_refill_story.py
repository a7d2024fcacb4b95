"""What happened to a refill is told step by step, and shown as a page with names and times."""

from typing import Any
from uuid import UUID

import pytest

from adapters.backend.holder_names import ONE_BY_ONE, names_of_accounts
from adapters.backend.refill_story import story
from adapters.cli.refill_shown import SHOWN, page
from adapters.cli.times import moment
from application.decide_refill import CancelRefill
from application.payment_processor import REFUSED
from application.refill import Payment
from domain.aggregates.account import Account
from domain.aggregates.cardholder import Cardholder
from domain.ids import make_id
from tests.unit.application.happened import ACCOUNT, CARDHOLDER, COMPANY, OTHER_COMPANY
from tests.unit.application.ledger_double import DEADLINE_US, NOW_MS, Ledger, origin
from tests.unit.application.refilling import (
    BY_CARD,
    FOREIGN,
    LINES,
    SECOND,
    charged,
    credited_by_card,
    ledger,
    order,
    refill_of,
    state,
    step,
    step_back,
)
from tests.unit.refills.test_refill_documents import lists

OPERATOR = "00000000-0000-8000-8000-00000000000a"


def told(place: Ledger, id: UUID) -> list[dict[str, Any]]:
    return story(place.log.load([id])[id])


def shown(place: Ledger, id: UUID) -> str:
    read = lists(place)
    (row,) = read.rows("refill", id)
    steps, lines = read.rows("refill-steps", id), read.rows("refill-lines", id)
    return "\n".join(page(row, steps, lines, {OPERATOR: "operator-1"}))


def test_from_the_order_to_the_last_credit_and_back() -> None:
    place, id = credited_by_card()
    charged(place, id, 3, "charged-back")
    for line in LINES:
        place.when(step_back(state(place, id), [line]))
    rows = told(place, id)
    assert [row["what"] for row in rows] == [
        "ordered", "paid", "approved", "credited", "charged-back", "taken-back",
    ]  # fmt: skip
    assert {row["at_ms"] for row in rows} == {NOW_MS}
    assert rows[1]["by"] == "system:sandbox"
    assert (rows[-1]["lines"], rows[-1]["amount_cents"]) == (2, 11_000), "two events, one step"


def test_steps_of_crediting_are_one_step() -> None:
    place = ledger()
    answer, _ = place.when(order(*LINES, payment=BY_CARD))
    id = UUID(answer["id"])
    charged(place, id, 2, "paid")
    for line in LINES:
        place.when(step(place, state(place, id), [line]))
    assert [row.get("lines") for row in told(place, id)] == [None, None, None, 2]


@pytest.mark.parametrize(
    ("ends", "what", "why"),
    [(True, "cancelled", "ordered twice"), (False, "rejected", "The card was refused")],
)
def test_an_order_that_came_to_nothing_says_why(ends: bool, what: str, why: str) -> None:
    place = ledger()
    answer, _ = place.when(order(*LINES, payment=Payment() if ends else BY_CARD))
    refill = refill_of(place, answer)
    if ends:
        facts: dict[str, Any] = {"refill_id": refill.id, "text": "ordered twice"}
        place.when(CancelRefill(origin(2), DEADLINE_US, **facts))
    else:
        charged(place, refill.id, 2, REFUSED)
    last = told(place, refill.id)[-1]
    assert last["what"] == what and last["why"].startswith(why)


def test_the_page_names_company_people_amounts_and_times() -> None:
    place, id = credited_by_card()
    text = shown(place, id)
    assert f"Refill {id} is credited\n" in text
    assert f"Acme Widgets  {COMPANY}" in text
    assert f"when ({moment(NOW_MS).rsplit(' ', 1)[1]})" in text
    for said in ("ordered", "paid", "approved", "credited"):
        (line,) = (line for line in text.splitlines() if f"  {said}  " in line and ":" in line)
        assert line.startswith(moment(NOW_MS)[:16])
    assert "operator-1" in text and "system" in text
    assert "operator:" not in text and "_cents" not in text
    assert "$110.00" in text


def test_a_long_order_is_not_printed_whole() -> None:
    place, id = credited_by_card()
    (row,) = lists(place).rows("refill", id)
    line = {"line": 1, "account": "A", "amount_cents": 1, "outcome": "credited"}
    *_, last = page(row, [], [line] * (SHOWN + 2), {})
    assert last == "… and 2 more lines: --json shows all"


@pytest.mark.parametrize("more", [0, ONE_BY_ONE])
def test_accounts_have_the_names_of_their_holders(more: int) -> None:
    place = ledger()
    ana = Cardholder(
        id=CARDHOLDER, version=1, company_id=COMPANY, first_name="Ana", last_name="Diaz", email=""
    )
    known: dict[UUID, Any] = {CARDHOLDER: ana}
    for id in (ACCOUNT, SECOND, FOREIGN):
        known[id] = place.states.get(id, Account)

    def every(cls: Any, kind: str, company: UUID) -> Any:
        assert company == COMPANY != OTHER_COMPANY
        return (
            each for each in known.values()
            if isinstance(each, cls) and each.company_id == company
        )  # fmt: skip

    others = [make_id(NOW_MS, 7, number) for number in range(more)]
    wanted = [ACCOUNT, FOREIGN, *others]
    assert names_of_accounts(known.get, every, COMPANY, wanted) == {ACCOUNT: "Ana Diaz"}
    known[CARDHOLDER] = Cardholder(
        id=CARDHOLDER, version=2, company_id=COMPANY, first_name="", last_name="", email="",
        erased=True,
    )  # fmt: skip
    assert names_of_accounts(known.get, every, COMPANY, [ACCOUNT]) == {ACCOUNT: ""}
