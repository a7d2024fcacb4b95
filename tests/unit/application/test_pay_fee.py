"""The fee that a company owes since a chargeback is paid: in parts, never more than is owed."""

from typing import Any
from uuid import UUID

import pytest

from application.pay_fee import PayFee
from application.payment_processor import DISPUTED, WON
from application.refill import Terms
from domain.aggregates.refill import Refill
from domain.aggregates.refill_undone import RefillFeePaid
from domain.books.bank import reference_of
from domain.books.chart import COMPANY_FUNDS, FEES_RECEIVABLE, PROCESSOR_CLEARING
from domain.books.mapping import EXPECTED
from domain.books.matching import BY_REFERENCE, match
from domain.books.statement import entries
from tests.unit.application.ledger_double import DEADLINE_US, Ledger, origin
from tests.unit.application.refilling import LINES, credited_by_card, state, step_back
from tests.unit.application.test_charge_back import books_of
from tests.unit.application.test_charge_back_won import give_back, told

FEE = Terms(fee_cents=250)
SUM = 11_250


def charged_back(cents: int = SUM) -> tuple[Ledger, UUID]:
    place, id = credited_by_card(FEE)
    told(place, id, 3, DISPUTED, cents)
    place.when(step_back(state(place, id), LINES))
    return place, id


def pay(place: Ledger, id: UUID, number: int, cents: int) -> Any:
    command = PayFee(origin(number), DEADLINE_US, refill_id=id, amount_cents=cents, text="WIRE-9")
    return place.when(command)[0]


def owed(place: Ledger, id: UUID) -> tuple[int, int]:
    refill: Refill = state(place, id)
    return refill.receivable_cents, refill.fee_receivable_cents


def test_it_is_paid_in_parts_and_each_part_once() -> None:
    place, id = charged_back()
    assert books_of(place)[FEES_RECEIVABLE] == 250
    assert pay(place, id, 4, 100)["fee_receivable_cents"] == 150
    assert pay(place, id, 4, 100)["repeated"]
    assert pay(place, id, 4, 90).code == "command-id-used"
    refused = pay(place, id, 5, 151)
    assert (refused.code, "$1.50" in refused.text) == ("more-than-owed", True)
    assert owed(place, id) == (150, 150)
    pay(place, id, 6, 150)
    assert owed(place, id) == (0, 0)
    assert FEES_RECEIVABLE not in books_of(place)
    assert books_of(place)[PROCESSOR_CLEARING] == 250
    assert pay(place, id, 7, 1).code == "no-fee-owed"


@pytest.mark.parametrize("cents", [0, 11_000])
def test_where_no_fee_is_owed_none_is_paid(cents: int) -> None:
    place, id = charged_back(cents) if cents else credited_by_card(FEE)
    assert pay(place, id, 4, 1).code == "no-fee-owed"


def test_its_entry_on_a_statement_is_found_by_the_refills_reference() -> None:
    place, id = charged_back()
    pay(place, id, 4, 250)
    (event,) = (event for event in place.log.events if isinstance(event, RefillFeePaid))
    expected = EXPECTED[RefillFeePaid](9, "2026-09-21", event)
    assert expected is not None
    found = match(entries("x", [("2026-09-23", 250, reference_of(id), "")]), [expected])
    ((_, line, how),) = found.matched
    assert (line.clears, how) == (PROCESSOR_CLEARING, BY_REFERENCE)


@pytest.mark.parametrize("paid_cents", [100, 250])
def test_a_fee_that_was_paid_twice_is_due_back_once(paid_cents: int) -> None:
    place, id = charged_back()
    pay(place, id, 4, paid_cents)
    assert told(place, id, 5, WON, SUM) == "won"
    place.when(give_back(place, id))
    refill = state(place, id)
    assert (refill.refund_cents, refill.fee_receivable_cents, refill.fee_paid_cents) == (
        paid_cents, 0, 0,
    )  # fmt: skip
    books = books_of(place)
    assert (FEES_RECEIVABLE in books, books[COMPANY_FUNDS]) == (False, -paid_cents)
