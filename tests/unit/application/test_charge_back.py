"""A chargeback of a refill takes back its own money, and never what is of another."""

from collections import Counter
from typing import Any
from uuid import UUID

import pytest

from application.correct import CorrectAmounts
from application.corrections import Agreement, Correction, Credited, Seen
from application.decide_refill import CancelRefill, ChargeBack, ConfirmRefundByTwo
from application.expired_funds import BookExpiry, DecideExpired, Donate, Reactivate, Return
from application.payment_processor import DISPUTED, PAID, RecordRefund, RefundLookedFor
from application.refill import Terms
from domain.aggregates.account import Account
from domain.books.chart import COMPANY_FEES, COMPANY_FUNDS, FEES_RECEIVABLE, PROCESSOR_CLEARING
from domain.books.mapping import postings
from tests.unit.application.happened import ACCOUNT
from tests.unit.application.ledger_double import DEADLINE_US, ISSUER, Ledger, origin
from tests.unit.application.refilling import (
    BY_CARD,
    FOREIGN,
    SECOND,
    balance,
    charged,
    credited_by_card,
    ledger,
    order,
    refill_of,
    state,
    step,
    step_back,
)
from tests.unit.application.refilling import LINES as ORDERED

DAY_US = 86_400_000_000
LAST_DAY, LATER, LATEST = "2026-09-30", "2026-10-20", "2026-12-31"  # it is 2026-09-21
LINES = ((ACCOUNT, 5_000),)


def after_expiry(*, of: str = LAST_DAY) -> tuple[Ledger, dict[str, Any]]:
    """A first refill that has expired since, and its answer."""
    place = ledger()
    first, _ = place.when(order(*LINES, last_day=of))
    place.now_us += 15 * DAY_US
    return place, first


def decided(place: Ledger, cls: type[DecideExpired], number: int, **facts: Any) -> None:
    """All expired money of the account, $50.00 of it."""
    given: dict[str, Any] = {"expired_day": "", "amount_cents": 5_000, "why": "x"} | facts
    answer, _ = place.when(cls(origin(number), DEADLINE_US, account_ids=[ACCOUNT], **given))
    assert answer["amount_cents"] == 5_000


def charged_back(place: Ledger, refill: dict[str, Any]) -> tuple[int, int]:
    """What was taken back, and what is owed."""
    place.when(ChargeBack(origin(90), DEADLINE_US, refill_id=UUID(refill["id"]), text="x"))
    after, _ = place.when(step_back(refill_of(place, refill), LINES))
    return after.taken_cents, after.receivable_cents


@pytest.mark.parametrize("gone", ["unbooked", "held", "returned", "donated"])
def test_other_money_is_not_taken_for_what_has_expired(gone: str) -> None:
    place, first = after_expiry()
    if gone == "held":
        booking: Any = BookExpiry((ACCOUNT,), ISSUER, DEADLINE_US)
        place.when(booking)
    elif gone == "returned":
        decided(place, Return, 2)
    elif gone == "donated":
        decided(place, Donate, 2, cause="City Food Bank")
    place.when(order(*LINES, number=3))
    assert charged_back(place, first) == (0, 5_000)
    assert balance(place) == (10_000 if gone == "unbooked" else 5_000)


def test_what_was_reactivated_is_taken_back() -> None:
    place, first = after_expiry()
    decided(place, Reactivate, 2, last_day=LATER)
    place.when(order(*LINES, number=3))
    assert charged_back(place, first) == (5_000, 0)
    assert balance(place) == 5_000


def test_what_was_reactivated_and_expired_again_is_gone() -> None:
    place, first = after_expiry()
    decided(place, Reactivate, 2, last_day=LATER)
    place.now_us += 30 * DAY_US
    decided(place, Return, 3)
    place.when(order(*LINES, number=4))
    assert charged_back(place, first) == (0, 5_000)
    assert balance(place) == 5_000


def test_a_refill_with_a_later_day_is_taken_back_though_an_earlier_one_expired() -> None:
    place, _ = after_expiry()
    decided(place, Return, 2)
    other, _ = place.when(order(*LINES, number=3, last_day=LATEST))
    assert charged_back(place, other) == (5_000, 0)
    assert balance(place) == 0


@pytest.mark.parametrize(("to_cents", "refused"), [(0, True), (4_999, True), (5_001, False)])
def test_a_credit_is_not_corrected_to_less_than_has_expired_of_it(
    to_cents: int, refused: bool
) -> None:
    place, first = after_expiry()
    decided(place, Return, 2)
    place.when(order(*LINES, number=3))
    answer, events = put_right(place, first, to_cents)
    if refused:
        assert (answer.code, events) == ("expired-credit", [])
        assert "$50.00 of that credit expired" in answer.text
    assert balance(place) == (5_000 if refused else 5_001)


@pytest.mark.parametrize(
    ("disputed_cents", "taken"),
    [(1, (0, 0)), (3_300, (1_800, 1_500)), (10_999, (5_999, 4_999)), (20_000, (6_000, 5_000))],
)
def test_a_dispute_over_a_part_takes_its_part_of_each_line(
    disputed_cents: int, taken: tuple[int, int]
) -> None:
    place, id = credited_by_card()
    charged(place, id, 3, DISPUTED, disputed_cents)
    after, _ = place.when(step_back(state(place, id), ORDERED))
    assert (balance(place), balance(place, SECOND)) == (6_000 - taken[0], 5_000 - taken[1])
    assert (after.taken_cents, after.receivable_cents) == (sum(taken), 0)


@pytest.mark.parametrize(
    ("refunded_first", "disputed_cents", "left"),
    [(False, 5_000, 6_000), (False, 6_000, 5_000), (True, 6_000, 0)],
)
def test_money_that_was_never_credited_bears_a_dispute_first(
    refunded_first: bool, disputed_cents: int, left: int
) -> None:
    place = ledger()
    lines = ((ACCOUNT, 6_000), (FOREIGN, 5_000))
    answer, _ = place.when(order(*lines, payment=BY_CARD, checked=True))
    id = UUID(answer["id"])
    charged(place, id, 2, PAID)
    place.when(step(place, state(place, id), lines))
    if refunded_first:
        place.when(
            RecordRefund(
                origin(3), DEADLINE_US, refill_id=id, processor="sandbox", reference="re_1",
                amount_cents=5_000,
            )
        )  # fmt: skip
    charged(place, id, 4, DISPUTED, disputed_cents)
    place.when(step_back(state(place, id), lines[:1]))
    assert balance(place) == left


FEE = Terms(fee_cents=250)


def books_of(place: Ledger) -> dict[str, int]:
    """What stands on each account of the chart that is not zero."""
    sums: Counter[str] = Counter()
    for event in place.log.events:
        for each in postings(event):
            sums[each.code] += each.amount_cents
    return {code: cents for code, cents in sums.items() if cents}


@pytest.mark.parametrize(
    ("disputed_cents", "fee_cents"), [(11_250, 250), (11_100, 100), (11_000, 0)]
)
def test_our_fee_of_what_is_charged_back_is_owed(disputed_cents: int, fee_cents: int) -> None:
    place, id = credited_by_card(FEE)
    charged(place, id, 3, DISPUTED, disputed_cents)
    after, _ = place.when(step_back(state(place, id), ORDERED))
    assert (after.taken_cents, after.receivable_cents, after.fee_receivable_cents) == (
        11_000, fee_cents, fee_cents,
    )  # fmt: skip
    owed = {FEES_RECEIVABLE: fee_cents, PROCESSOR_CLEARING: 11_250 - disputed_cents}
    left = {code: cents for code, cents in owed.items() if cents}
    assert books_of(place) == {**left, COMPANY_FEES: -250}


def test_no_fee_is_owed_for_an_order_that_was_given_up() -> None:
    place = ledger()
    terms = Terms(alone_most_cents=0, fee_cents=250)
    answer, _ = place.when(order(*LINES, payment=BY_CARD, terms=terms))
    id = UUID(answer["id"])
    charged(place, id, 2, PAID, 5_250)
    place.when(CancelRefill(origin(3), DEADLINE_US, refill_id=id, text="x"))
    charged(place, id, 4, DISPUTED, 5_250)
    assert (state(place, id).receivable_cents, books_of(place)) == (0, {})


def part_failed(disputed_cents: int = 0) -> tuple[Ledger, UUID]:
    """$60.00 credited and $50.00 not, all paid by card, and perhaps charged back."""
    place = ledger()
    lines = ((ACCOUNT, 6_000), (FOREIGN, 5_000))
    answer, _ = place.when(order(*lines, payment=BY_CARD, checked=True))
    id = UUID(answer["id"])
    charged(place, id, 2, PAID)
    place.when(step(place, state(place, id), lines))
    if disputed_cents:
        charged(place, id, 3, DISPUTED, disputed_cents)
    return place, id


def refunded(place: Ledger, id: UUID, number: int, reference: str, cents: int = 5_000) -> None:
    """The processor gave money back."""
    place.when(
        RecordRefund(
            origin(number), DEADLINE_US, refill_id=id, processor="sandbox", reference=reference,
            amount_cents=cents,
        )
    )  # fmt: skip


@pytest.mark.parametrize("refunded_first", [False, True])
@pytest.mark.parametrize(
    ("disputed_cents", "taken_cents", "owed_cents"),
    [(3_000, 0, 3_000), (6_000, 1_000, 5_000), (11_000, 6_000, 5_000)],
)
def test_a_refund_that_a_chargeback_overtook_is_owed(
    refunded_first: bool, disputed_cents: int, taken_cents: int, owed_cents: int
) -> None:
    place, id = part_failed(disputed_cents)
    back = step_back(state(place, id), ((ACCOUNT, 6_000),))
    if not refunded_first:
        place.when(back)
    refunded(place, id, 4, "re_1")
    refunded(place, id, 5, "re_1")
    if refunded_first:
        place.when(back)
    refill = state(place, id)
    assert (refill.taken_cents, refill.receivable_cents) == (taken_cents, owed_cents)
    assert (refill.refunded_cents, refill.refund_cents) == (5_000, 0)
    assert books_of(place).get(COMPANY_FUNDS, 0) == owed_cents
    assert sum(books_of(place).values()) == 0


def test_a_refund_after_one_by_hand_is_owed() -> None:
    place, id = part_failed()
    refunded(place, id, 3, "re_1")
    refunded(place, id, 4, "re_2")
    refill = state(place, id)
    assert (refill.refunded_cents, refill.receivable_cents) == (10_000, 5_000)
    assert books_of(place)[COMPANY_FUNDS] == 5_000


@pytest.mark.parametrize(("to_cents", "refused"), [(0, True), (5_000, None)])
def test_a_chargeback_leaves_an_earlier_credit_to_expire_as_its_own(
    to_cents: int, refused: bool | None
) -> None:
    """Else a correction of the earlier one would later take the money of a third."""
    place = ledger()
    first, _ = place.when(order(*LINES, last_day=LAST_DAY))
    second, _ = place.when(order(*LINES, number=2, last_day=LATER))
    place.when(order(*LINES, number=3, last_day=LATEST))
    assert charged_back(place, second) == (5_000, 0)
    place.now_us += 40 * DAY_US
    decided(place, Return, 4)
    assert balance(place) == 5_000
    answer, events = put_right(place, first, to_cents)
    assert (answer.code, events) == ("expired-credit" if refused else "no-change", [])
    assert balance(place) == 5_000, "the third refill's money"


def test_a_correction_takes_first_what_that_refill_brought() -> None:
    place = ledger()
    place.when(order(*LINES, last_day=LAST_DAY))
    second, _ = place.when(order(*LINES, number=2, last_day=LATER))
    put_right(place, second, 1_000)
    account = place.states.get(ACCOUNT, Account)
    assert account is not None
    assert [(lot.last_day, lot.cents) for lot in account.lots] == [
        (LAST_DAY, 5_000), (LATER, 1_000),
    ]  # fmt: skip


def put_right(place: Ledger, refill: dict[str, Any], to_cents: int) -> tuple[Any, list[Any]]:
    """The answer to a correction of the account's credit, and its events."""
    id = UUID(refill["id"])
    asked = Correction(
        refill_id=id,
        account_id=ACCOUNT,
        to_cents=to_cents,
        why="typed wrong",
        evidence="list 4",
        seen=Seen(0, 5_000),
    )
    command = CorrectAmounts(
        origin(40),
        DEADLINE_US,
        asked=[asked],
        credited={(id, ACCOUNT): Credited(5_000, 2)},
        agreement=Agreement(UUID(int=71), UUID(int=72)),
    )
    answer, events = place.when(command)
    return answer, list(events)


@pytest.mark.parametrize(("disputed_cents", "due_cents"), [(3_000, 2_000), (5_000, 0), (11_000, 0)])
def test_what_a_dispute_leaves_of_uncredited_money_goes_back_by_hand(
    disputed_cents: int, due_cents: int
) -> None:
    place, id = part_failed(disputed_cents)
    place.when(step_back(state(place, id), ((ACCOUNT, 6_000),)))
    assert state(place, id).at_work, "the processor may have sent some of it"
    place.when(RefundLookedFor(origin(4), DEADLINE_US, refill_id=id))
    assert (state(place, id).at_work, state(place, id).unclaimed_cents) == (False, due_cents)
    for number in (5, 6):
        command = ConfirmRefundByTwo(origin(number), DEADLINE_US, refill_id=id, text="WIRE-8")
        answer, events = place.when(command)
        assert bool(events) is (due_cents > 0 and number == 5)
    assert answer.code == "no-refund-due"
    refill = state(place, id)
    assert (refill.refunded_cents, refill.receivable_cents) == (due_cents, 0)
    assert COMPANY_FUNDS not in books_of(place)


def test_a_correction_finds_its_credit_where_it_was_reactivated() -> None:
    place, first = after_expiry()
    decided(place, Reactivate, 2, last_day=LATER)
    place.when(order(*LINES, number=3, last_day=LATEST))
    answer, _ = put_right(place, first, 1_000)
    assert answer["balances_change_cents"] == -4_000
    account = place.states.get(ACCOUNT, Account)
    assert account is not None
    assert [(lot.last_day, lot.cents) for lot in account.lots] == [(LATER, 1_000), (LATEST, 5_000)]
