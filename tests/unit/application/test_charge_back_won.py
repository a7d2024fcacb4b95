"""A chargeback that was won is undone: accounts, company and books are as they were before it."""

from typing import Any
from uuid import UUID

import pytest

from application.correct import CorrectAmounts
from application.corrections import Agreement, Correction, Credited, Seen
from application.credit_refill import GiveBackLines, step_origin, taken_lines
from application.decide_refill import CancelRefill, ChargeBack, ChargebackWon, ConfirmRefundByTwo
from application.payment_processor import (
    DISPUTED,
    PAID,
    WON,
    Charge,
    RecordCharge,
    RecordRefund,
)
from application.refill import Terms
from domain import lots as lots_
from domain.aggregates.account import Account
from domain.aggregates.after_credit import CreditGivenBack
from domain.aggregates.refill_undone import RefillChargedBack, RefillTakenBack
from domain.books.chart import CARDHOLDERS
from domain.event import decode, encode
from tests.unit.application.happened import ACCOUNT, debited
from tests.unit.application.ledger_double import DEADLINE_US, ISSUER, NOW_MS, Ledger, origin
from tests.unit.application.refilling import (
    BY_CARD,
    DUE,
    LINES,
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
from tests.unit.application.test_charge_back import (
    DAY_US,
    FEE,
    LAST_DAY,
    LATER,
    books_of,
    part_failed,
)

SUM = DUE + 250


def told(
    place: Ledger, id: UUID, number: int, kind: str, cents: int = DUE, dispute: str = "du_1"
) -> str:
    """What the processor's word about a dispute came to."""
    charge = Charge(reference="pi_1", state=kind, amount_cents=cents, reason="x", dispute=dispute)
    command = RecordCharge(
        origin(number), DEADLINE_US, refill_id=id, processor="sandbox", charge=charge
    )
    outcome: str = place.when(command)[0]["outcome"]
    return outcome


def give_back(place: Ledger, id: UUID) -> GiveBackLines:
    """The step that gives back all that is to be given."""
    refill = state(place, id)
    stream = place.log.load([id])[id]
    return GiveBackLines(
        step_origin(refill, "give-back", refill.given_lines, NOW_MS, ISSUER), DEADLINE_US,
        refill_id=id, place=refill.given_lines,
        lines=taken_lines(refill, stream)[refill.given_lines :],
    )  # fmt: skip


def lots_of(place: Ledger) -> list[tuple[str, int]]:
    account = place.states.get(ACCOUNT, Account)
    assert account is not None
    return [(lot.last_day, lot.cents) for lot in account.lots]


@pytest.mark.parametrize("spent_cents", [0, 4_000])
@pytest.mark.parametrize("disputed_cents", [SUM, SUM - 100, 5_000])
def test_all_is_as_it_was_before_the_chargeback(spent_cents: int, disputed_cents: int) -> None:
    place, id = credited_by_card(FEE)
    if spent_cents:
        place.given(debited(spent_cents, version=3))
    before, books = state(place, id), books_of(place)
    told(place, id, 3, DISPUTED, disputed_cents)
    place.when(step_back(state(place, id), LINES))
    assert balance(place) < 6_000 - spent_cents
    assert told(place, id, 4, WON, disputed_cents) == "won"
    won = state(place, id)
    assert (won.at_work, won.giving_back, won.status) == (True, True, "credited")
    back = give_back(place, id)
    after, _ = place.when(back)
    again, none = place.when(back)
    assert (none, again.given_lines) == ([], 2), "a step is done once"
    assert (balance(place), balance(place, SECOND)) == (6_000 - spent_cents, 5_000)
    assert books_of(place) == books
    assert (after.taken_cents, after.receivable_cents, after.fee_receivable_cents) == (0, 0, 0)
    assert (after.status, after.at_work, after.refund_cents) == (before.status, False, 0)
    assert (after.held_cents, after.charged_back_cents) == (before.held_cents, 0)
    for number, kind in enumerate((WON, DISPUTED, WON), start=5):
        assert "won before" in told(place, id, number, kind, disputed_cents)


@pytest.mark.parametrize("paid", [False, True])
def test_won_may_be_told_before_the_chargeback_and_before_the_payment(paid: bool) -> None:
    place = ledger()
    answer, _ = place.when(order(*LINES, payment=BY_CARD))
    id = UUID(answer["id"])
    if paid:
        charged(place, id, 2, PAID)
        place.when(step(place, state(place, id), LINES))
    assert told(place, id, 3, WON) == "won"
    assert (state(place, id).giving_back, state(place, id).charged_back_cents) == (False, 0)
    assert told(place, id, 4, DISPUTED) == "that dispute was won before"
    assert charged(place, id, 5, PAID)["outcome"] == "it was paid before"
    if not paid:
        assert state(place, id).status == "approved"
        place.when(step(place, state(place, id), LINES))
    assert (state(place, id).status, balance(place)) == ("credited", 6_000)
    assert -books_of(place)[CARDHOLDERS] == DUE


def test_won_while_it_is_being_taken_back_stops_that() -> None:
    place, id = credited_by_card()
    told(place, id, 3, DISPUTED)
    place.when(step_back(state(place, id), LINES[:1]))
    late = step_back(state(place, id), LINES[1:])
    told(place, id, 4, WON)
    refused, events = place.when(late)
    assert (refused.code, events) == ("not-this-step", [])
    place.when(give_back(place, id))
    assert (balance(place), balance(place, SECOND)) == (6_000, 5_000)


def test_lines_that_waited_are_credited_once_the_chargeback_is_won() -> None:
    place = ledger()
    answer, _ = place.when(order(*LINES, payment=BY_CARD))
    id = UUID(answer["id"])
    charged(place, id, 2, PAID)
    place.when(step(place, state(place, id), LINES[:1]))
    told(place, id, 3, DISPUTED)
    place.when(step_back(state(place, id), LINES[:1]))
    told(place, id, 4, WON)
    place.when(give_back(place, id))
    assert state(place, id).status == "approved"
    place.when(step(place, state(place, id), LINES[1:]))
    assert (state(place, id).status, balance(place), balance(place, SECOND)) == (
        "credited", 6_000, 5_000,
    )  # fmt: skip


def test_lines_whose_money_was_sent_back_meanwhile_are_not_credited() -> None:
    place = ledger()
    answer, _ = place.when(order(*LINES, payment=BY_CARD))
    id = UUID(answer["id"])
    charged(place, id, 2, PAID)
    place.when(step(place, state(place, id), LINES[:1]))
    told(place, id, 3, DISPUTED, 2_000)
    place.when(step_back(state(place, id), LINES[:1]))
    place.when(ConfirmRefundByTwo(origin(4), DEADLINE_US, refill_id=id, text="WIRE-8"))
    assert state(place, id).refunded_cents == 3_000
    told(place, id, 5, WON, 2_000)
    refill = state(place, id)
    assert (refill.status, refill.refund_cents, refill.receivable_cents) == (
        "credited-in-part", 2_000, 0,
    )  # fmt: skip
    assert (refill.failed_lines, refill.failed_cents, refill.giving_back) == (1, 5_000, False)


def test_a_refund_that_a_chargeback_overtook_is_owed_no_more() -> None:
    place, id = part_failed(11_000)
    place.when(step_back(state(place, id), ((ACCOUNT, 6_000),)))
    place.when(
        RecordRefund(
            origin(4), DEADLINE_US, refill_id=id, processor="sandbox", reference="re_1",
            amount_cents=5_000,
        )
    )  # fmt: skip
    assert state(place, id).receivable_cents == 5_000
    told(place, id, 5, WON, 11_000, "")
    place.when(give_back(place, id))
    refill = state(place, id)
    assert (refill.status, refill.receivable_cents, refill.refund_cents) == (
        "credited-in-part", 0, 0,
    )  # fmt: skip
    assert balance(place) == 6_000


def test_the_fee_of_an_order_that_was_given_up_is_due_back_again() -> None:
    place = ledger()
    terms = Terms(alone_most_cents=0, fee_cents=250)
    answer, _ = place.when(order(*LINES, payment=BY_CARD, terms=terms))
    id = UUID(answer["id"])
    charged(place, id, 2, PAID, SUM)
    place.when(CancelRefill(origin(3), DEADLINE_US, refill_id=id, text="x"))
    books = books_of(place)
    told(place, id, 4, DISPUTED, SUM)
    told(place, id, 5, WON, SUM)
    assert (state(place, id).status, state(place, id).refund_cents) == ("cancelled", SUM)
    assert books_of(place) == books


@pytest.mark.parametrize(
    ("cents", "dispute", "said"),
    [(DUE, "du_2", "another dispute"), (DUE - 1, "du_1", "another sum")],
)
def test_what_does_not_fit_the_chargeback_is_left_to_an_operator(
    cents: int, dispute: str, said: str
) -> None:
    place, id = credited_by_card()
    told(place, id, 3, DISPUTED)
    assert said in told(place, id, 4, WON, cents, dispute)
    assert state(place, id).status == "charged-back"
    answer, _ = place.when(ChargebackWon(origin(5), DEADLINE_US, refill_id=id, text="x"))
    assert answer["status"] == "credited"


def test_what_two_operators_said_is_not_undone_by_the_processors_late_word() -> None:
    place, id = credited_by_card()
    place.when(ChargeBack(origin(3), DEADLINE_US, refill_id=id, text="x"))
    place.when(ChargebackWon(origin(4), DEADLINE_US, refill_id=id, text="x"))
    answer, events = place.when(ChargebackWon(origin(5), DEADLINE_US, refill_id=id, text="x"))
    assert (answer.code, events) == ("nothing-won", [])
    again, _ = place.when(ChargebackWon(origin(4), DEADLINE_US, refill_id=id, text="x"))
    assert again["repeated"]
    for number, kind in enumerate((DISPUTED, WON), start=6):
        assert "won before" in told(place, id, number, kind)


def test_a_further_chargeback_takes_back_again_and_may_be_won_again() -> None:
    place, id = credited_by_card()
    for number, dispute in ((10, "du_1"), (20, "du_2")):
        told(place, id, number, DISPUTED, DUE, dispute)
        after, events = place.when(step_back(state(place, id), LINES))
        assert (after.taken_cents, len(events), balance(place)) == (DUE, 3, 0)
        told(place, id, number + 1, WON, DUE, dispute)
        place.when(give_back(place, id))
        assert (balance(place), balance(place, SECOND)) == (6_000, 5_000)
    assert (state(place, id).won_cents, state(place, id).chargebacks) == (2 * DUE, 2)


def test_a_further_chargeback_waits_until_all_is_given_back() -> None:
    place, id = credited_by_card()
    told(place, id, 3, DISPUTED)
    place.when(step_back(state(place, id), LINES))
    told(place, id, 4, WON)
    told(place, id, 5, DISPUTED, DUE, "du_2")
    early, none = place.when(step_back(state(place, id), LINES))
    assert (early.code, none) == ("not-this-step", [])
    place.when(give_back(place, id))
    after, _ = place.when(step_back(state(place, id), LINES))
    assert (after.taken_cents, balance(place)) == (DUE, 0)


def dated() -> tuple[Ledger, dict[str, Any]]:
    """A refill with a last day, of which $5.00 were spent, and a later one for ever."""
    place = ledger()
    first, _ = place.when(order((ACCOUNT, 5_000), last_day=LATER))
    place.when(order((ACCOUNT, 1_000), number=2))
    before = place.states.get(ACCOUNT, Account)
    assert before is not None
    spent = lots_.to_spend(before.lots, 500, LAST_DAY)
    place.given(debited(500, version=4, lots=spent))
    return place, first


@pytest.mark.parametrize("expired", [False, True])
def test_lots_go_back_as_they_were_taken(expired: bool) -> None:
    place, first = dated()
    before, lots = balance(place), lots_of(place)
    id = UUID(first["id"])
    place.when(ChargeBack(origin(3), DEADLINE_US, refill_id=id, text="x"))
    place.when(step_back(refill_of(place, first), ((ACCOUNT, 5_000),)))
    assert (balance(place), lots_of(place)) == (500, [])
    if expired:
        place.now_us += 60 * DAY_US
    place.when(ChargebackWon(origin(4), DEADLINE_US, refill_id=id, text="x"))
    place.when(give_back(place, id))
    assert (balance(place), lots_of(place)) == (before, lots)
    account = place.states.get(ACCOUNT, Account)
    assert account is not None
    assert account.available_cents("2026-11-30") == 1_000, "expired money is expired money again"


def test_where_nobody_stored_what_was_taken_the_refills_day_counts() -> None:
    place, first = dated()
    id = UUID(first["id"])
    place.when(ChargeBack(origin(3), DEADLINE_US, refill_id=id, text="x"))
    place.when(step_back(refill_of(place, first), ((ACCOUNT, 5_000),)))
    for number, event in enumerate(place.log.events):
        if isinstance(event, RefillTakenBack):
            place.log.events[number] = decode(event.TOPIC, encode(event).replace(b"lots", b"gone"))
    place.when(ChargebackWon(origin(4), DEADLINE_US, refill_id=id, text="x"))
    _, events = place.when(give_back(place, id))
    (back,) = (event for event in events if isinstance(event, CreditGivenBack))
    assert [(lot.last_day, lot.cents) for lot in back.lots] == [(LATER, 5_000)]


def test_a_credit_that_is_being_given_back_is_not_corrected() -> None:
    place, id = credited_by_card()
    told(place, id, 3, DISPUTED)
    place.when(step_back(state(place, id), LINES))
    told(place, id, 4, WON)
    asked = Correction(
        refill_id=id, account_id=ACCOUNT, to_cents=7_000, why="x", evidence="list 4",
        seen=Seen(0, 6_000),
    )  # fmt: skip

    def correct(number: int) -> Any:
        command = CorrectAmounts(
            origin(number), DEADLINE_US, asked=[asked],
            credited={(id, ACCOUNT): Credited(6_000, 2)},
            agreement=Agreement(UUID(int=71), UUID(int=72)),
        )  # fmt: skip
        return place.when(command)[0]

    assert correct(5).code == "giving-back"
    place.when(give_back(place, id))
    assert correct(6)["balances_change_cents"] == 1_000


def test_a_chargeback_that_was_stored_before_disputes_had_names_is_read() -> None:
    place, id = credited_by_card()
    told(place, id, 3, DISPUTED, DUE, "")
    (event,) = (event for event in place.log.events if isinstance(event, RefillChargedBack))
    assert b"dispute" not in encode(event)
    assert told(place, id, 4, WON, DUE, "du_9") == "won"
