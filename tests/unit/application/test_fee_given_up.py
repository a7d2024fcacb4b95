"""The fee of an order that was given up goes back with its money, whatever of it a dispute took."""

from uuid import UUID

import pytest

from application.decide_refill import CancelRefill, ConfirmRefundByTwo
from application.payment_processor import DISPUTED, PAID, WON, RecordRefund
from application.refill import Terms
from tests.unit.application.ledger_double import DEADLINE_US, Ledger, origin
from tests.unit.application.refilling import BY_CARD, LINES, charged, ledger, order, state
from tests.unit.application.test_charge_back import books_of
from tests.unit.application.test_charge_back_won import told

SUM = 11_250


def cancelled() -> tuple[Ledger, UUID]:
    """An order with a fee of $2.50 that was paid and cancelled."""
    place = ledger()
    terms = Terms(alone_most_cents=0, fee_cents=250)
    answer, _ = place.when(order(*LINES, payment=BY_CARD, terms=terms))
    id = UUID(answer["id"])
    charged(place, id, 2, PAID, SUM)
    place.when(CancelRefill(origin(3), DEADLINE_US, refill_id=id, text="x"))
    return place, id


@pytest.mark.parametrize("won", [False, True])
@pytest.mark.parametrize("disputed_cents", [1, 6_000, 11_000, 11_100, 11_249, SUM])
def test_what_a_dispute_leaves_goes_back_with_the_fee(disputed_cents: int, won: bool) -> None:
    place, id = cancelled()
    told(place, id, 4, DISPUTED, disputed_cents)
    due_cents = SUM - disputed_cents
    assert state(place, id).unclaimed_cents == due_cents
    for number in (5, 6):
        command = ConfirmRefundByTwo(origin(number), DEADLINE_US, refill_id=id, text="WIRE-8")
        place.when(command)
    refill = state(place, id)
    assert (refill.refunded_cents, refill.receivable_cents, books_of(place)) == (due_cents, 0, {})
    if won:
        told(place, id, 7, WON, disputed_cents)
        refill = state(place, id)
        assert (refill.refund_cents, refill.receivable_cents) == (disputed_cents, 0)
        place.when(
            RecordRefund(
                origin(8), DEADLINE_US, refill_id=id, processor="sandbox", reference="re_1",
                amount_cents=disputed_cents,
            )
        )  # fmt: skip
        assert (state(place, id).refund_cents, books_of(place)) == (0, {})


def test_a_whole_refund_that_a_dispute_overtook_is_owed_without_the_fee() -> None:
    place, id = cancelled()
    told(place, id, 4, DISPUTED, 6_000)
    place.when(
        RecordRefund(
            origin(5), DEADLINE_US, refill_id=id, processor="sandbox", reference="re_1",
            amount_cents=SUM,
        )
    )  # fmt: skip
    assert state(place, id).receivable_cents == 6_000
    assert sorted(books_of(place).values()) == [-6_000, 6_000]
