"""A fee that was paid twice, since a chargeback was won after all, is money beside the payment.

It is due back whatever becomes of the refill, and its return takes nothing of the payment.
"""

from typing import Any
from uuid import UUID

import pytest

from application.decide_refill import (
    CancelRefill,
    ChargeBack,
    ChargebackWon,
    ConfirmRefund,
    ConfirmRefundByTwo,
    RejectRefill,
)
from application.pay_fee import PayFee
from application.payment_processor import DISPUTED, PAID, WON, RecordRefund
from application.refill import Terms
from tests.unit.application.ledger_double import DEADLINE_US, Ledger, origin
from tests.unit.application.refilling import (
    BY_CARD,
    DUE,
    FOREIGN,
    LINES,
    balance,
    charged,
    credited_by_card,
    ledger,
    order,
    state,
    step_back,
)
from tests.unit.application.test_charge_back import books_of
from tests.unit.application.test_charge_back_won import give_back, told

FEE_CENTS = 250
SUM = DUE + FEE_CENTS
BY_ONE = Terms(fee_cents=FEE_CENTS)
BY_TWO = Terms(alone_most_cents=0, fee_cents=FEE_CENTS)


def decide(place: Ledger, id: UUID, number: int, kind: Any) -> Any:
    """The answer to a decision."""
    return place.when(kind(origin(number), DEADLINE_US, refill_id=id, text="x"))[0]


def paid_twice(place: Ledger, id: UUID) -> None:
    """Charged back, the fee paid apart, and the chargeback won."""
    by_card = bool(state(place, id).processor)
    told(place, id, 11, DISPUTED, SUM) if by_card else decide(place, id, 11, ChargeBack)
    if state(place, id).takes_back:
        place.when(step_back(state(place, id), LINES))
    pay = PayFee(origin(12), DEADLINE_US, refill_id=id, amount_cents=FEE_CENTS, text="WIRE-9")
    place.when(pay)
    told(place, id, 13, WON, SUM) if by_card else decide(place, id, 13, ChargebackWon)
    if state(place, id).giving_back:
        place.when(give_back(place, id))


def ordered(**facts: Any) -> tuple[Ledger, UUID]:
    """An order that waits for a second person."""
    place = ledger()
    return place, UUID(place.when(order(*LINES, terms=BY_TWO, **facts))[0]["id"])


@pytest.mark.parametrize("kind", [CancelRefill, RejectRefill])
@pytest.mark.parametrize("returned_first", [False, True])
def test_it_is_due_back_with_the_payment_of_an_order_that_is_given_up(
    kind: Any, returned_first: bool
) -> None:
    place, id = ordered()
    paid_twice(place, id)
    if returned_first:
        decide(place, id, 5, ConfirmRefund)
        assert state(place, id).refund_cents == 0
    decide(place, id, 6, kind)
    assert state(place, id).refund_cents == SUM + (0 if returned_first else FEE_CENTS)
    decide(place, id, 7, ConfirmRefund)
    assert (state(place, id).refunded_cents, state(place, id).refund_cents) == (SUM + FEE_CENTS, 0)
    assert books_of(place) == {}
    assert decide(place, id, 8, ChargeBack).code == "not-charged-back"


def test_a_processor_sends_back_no_more_than_it_took() -> None:
    place, id = ordered(payment=BY_CARD)
    charged(place, id, 2, PAID, SUM)
    paid_twice(place, id)
    decide(place, id, 6, CancelRefill)
    refill = state(place, id)
    assert (refill.refund_cents, refill.refund_by_processor_cents) == (SUM + FEE_CENTS, SUM)
    place.when(returned(id, 7, SUM))
    refill = state(place, id)
    assert (refill.at_work, refill.refund_by_processor_cents) == (False, 0)
    assert decide(place, id, 8, ConfirmRefund).code == "two-persons"
    decide(place, id, 9, ConfirmRefundByTwo)
    assert (state(place, id).refund_cents, books_of(place)) == (0, {})


def test_after_its_return_a_dispute_over_a_part_takes_no_more_than_that_part() -> None:
    place, id = credited_by_card(BY_ONE)
    paid_twice(place, id)
    place.when(returned(id, 5, FEE_CENTS))
    told(place, id, 6, DISPUTED, 3_300, "du_2")
    after, _ = place.when(step_back(state(place, id), LINES))
    assert (balance(place), after.taken_cents) == (6_000 - 1_800, 3_300)


def test_after_its_return_what_is_left_of_the_payment_can_be_charged_back() -> None:
    place = ledger()
    failing = order((FOREIGN, DUE), terms=BY_ONE, checked=True)
    id = UUID(place.when(failing)[0]["id"])
    paid_twice(place, id)
    decide(place, id, 4, ConfirmRefund)
    assert state(place, id).refunded_cents == SUM
    assert decide(place, id, 5, ChargeBack)["status"] == "charged-back"


def returned(id: UUID, number: int, cents: int) -> RecordRefund:
    """The processor sent so much back."""
    return RecordRefund(
        origin(number), DEADLINE_US, refill_id=id, processor="sandbox", reference=f"re_{number}",
        amount_cents=cents,
    )  # fmt: skip
