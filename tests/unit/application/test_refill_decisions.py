"""What operators and processors say of a refill: who may, when, and what it changes."""

from typing import Any
from uuid import UUID

import pytest
from msgspec.structs import replace

from application import decide_refill as decide
from application.correct import CorrectAmounts
from application.corrections import Agreement, Correction, Credited, Seen
from application.payment_processor import (
    DISPUTED,
    OTHER,
    PAID,
    PENDING,
    REFUSED,
    Charge,
    Notice,
    RecordRefund,
    RecordWebhook,
)
from application.refill import Payment, Terms
from domain import lots as lots_
from domain.aggregates import after_credit
from domain.aggregates import credit as account_credits
from domain.aggregates import refill as refills
from domain.aggregates import refill_undone as undone
from domain.aggregates.account import Account
from domain.aggregates.after_credit import CreditTakenBack
from domain.aggregates.webhook import WebhookReceived
from domain.event import Event
from domain.grounds import Grounds
from tests.unit.application.happened import ACCOUNT, debited
from tests.unit.application.ledger_double import ACTOR, DEADLINE_US, NOW_MS, Ledger, context, origin
from tests.unit.application.refilling import (
    BY_CARD,
    DUE,
    LINES,
    OTHER_PERSON,
    SECOND,
    SMALL,
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


def ordered(payment: Payment, **facts: Any) -> tuple[Ledger, UUID]:
    """A place with an order above the limit."""
    place = ledger()
    answer, _ = place.when(order(*LINES, payment=payment, **({"terms": SMALL} | facts)))
    return place, UUID(answer["id"])


def said(
    place: Ledger, decision: type[decide.DecideRefill], id: UUID, number: int, by: str = ACTOR
) -> Any:
    """The answer to a decision by somebody."""
    who = replace(origin(number), actor=by)
    return place.when(decision(who, DEADLINE_US, refill_id=id, text="x"))[0]


def test_money_that_comes_later_is_confirmed_and_another_person_approves() -> None:
    place, id = ordered(Payment())
    assert said(place, decide.ApproveRefill, id, 2, OTHER_PERSON).code == "not-paid"
    assert said(place, decide.ConfirmPayment, id, 3)["status"] == "awaiting-approval"
    assert said(place, decide.ConfirmPayment, id, 4).code == "already-decided"
    assert said(place, decide.ApproveRefill, id, 5).code == "same-operator"
    renewed = ACTOR.rpartition(":")[0] + ":2b"
    assert said(place, decide.ApproveRefill, id, 6, renewed).code == "same-operator"
    assert said(place, decide.ApproveRefill, id, 7, OTHER_PERSON)["status"] == "approved"
    assert said(place, decide.ApproveRefill, id, 8, OTHER_PERSON).code == "already-decided"
    assert state(place, id).approved_by == OTHER_PERSON


@pytest.mark.parametrize("no", [decide.RejectRefill, decide.CancelRefill])
def test_what_was_paid_for_nothing_is_due_back(no: type[decide.DecideRefill]) -> None:
    place, id = ordered(Payment(confirmed=True))
    said(place, no, id, 2)
    assert state(place, id).refund_cents == DUE
    assert not state(place, id).at_work, "money of a bank goes back by hand"
    assert said(place, decide.ApproveRefill, id, 3, OTHER_PERSON).code == "already-decided"
    said(place, decide.ConfirmRefund, id, 4)
    assert state(place, id).refund_cents == 0
    assert said(place, decide.ConfirmRefund, id, 5).code == "no-refund-due"
    assert balance(place) == 0


def test_nothing_that_is_credited_can_be_rejected_or_cancelled() -> None:
    place = ledger()
    answer, _ = place.when(order((ACCOUNT, 100)))
    for number, no in enumerate((decide.RejectRefill, decide.CancelRefill), start=2):
        assert said(place, no, UUID(answer["id"]), number).code == "already-decided"


def test_a_decision_over_nothing_is_refused() -> None:
    assert said(ledger(), decide.ApproveRefill, ACCOUNT, 2).code == "no-such-refill"


def test_an_operator_cannot_say_that_a_card_was_charged() -> None:
    place, id = ordered(BY_CARD)
    assert said(place, decide.ConfirmPayment, id, 2).code == "by-processor"


def test_a_small_order_by_card_needs_nobody() -> None:
    place = ledger()
    answer, _ = place.when(order((ACCOUNT, 100), payment=BY_CARD))
    id = UUID(answer["id"])
    assert charged(place, id, 2, PAID, 100)["status"] == "approved"
    assert state(place, id).approved_by == "system:refills"


def test_a_large_order_by_card_needs_another_person() -> None:
    place, id = ordered(BY_CARD)
    assert charged(place, id, 2, PAID)["status"] == "awaiting-approval"


@pytest.mark.parametrize("other_refill", [False, True])
def test_a_decision_under_the_id_of_another_is_refused(other_refill: bool) -> None:
    place, id = ordered(Payment(confirmed=True))
    second, _ = place.when(order(*LINES, number=2, terms=SMALL))
    said(place, decide.ApproveRefill, id, 3, OTHER_PERSON)
    assert said(place, decide.ApproveRefill, id, 3, OTHER_PERSON)["repeated"]
    decision = decide.ApproveRefill if other_refill else decide.RejectRefill
    about = UUID(second["id"]) if other_refill else id
    assert said(place, decision, about, 3, OTHER_PERSON).code == "command-id-used"


# What the processor says, one after the other, in any order: the status that it comes to.
@pytest.mark.parametrize(
    ("told", "status", "paid_cents", "refund_cents"),
    [
        ([PENDING], "awaiting-payment", 0, 0),
        ([PAID, PAID], "awaiting-approval", DUE, 0),
        ([REFUSED], "rejected", 0, 0),
        ([REFUSED, REFUSED], "rejected", 0, 0),
        ([PAID, REFUSED], "awaiting-approval", DUE, 0),
        ([REFUSED, PAID], "rejected", DUE, DUE),
        ([DISPUTED], "charged-back", DUE, 0),
        ([PAID, DISPUTED, DISPUTED], "charged-back", DUE, 0),
        ([DISPUTED, PAID], "charged-back", DUE, 0),
        ([OTHER], "awaiting-payment", 0, 0),
    ],
)
def test_messages_in_any_order(
    told: list[str], status: str, paid_cents: int, refund_cents: int
) -> None:
    place, id = ordered(BY_CARD)
    for number, each in enumerate(told, start=2):
        charged(place, id, number, each)
    refill = state(place, id)
    assert (refill.status, refill.paid_cents, refill.refund_cents) == (
        status, paid_cents, refund_cents,
    )  # fmt: skip


def test_another_sum_is_not_taken_as_the_payment() -> None:
    place, id = ordered(BY_CARD)
    assert "another sum" in charged(place, id, 2, PAID, DUE - 1)["outcome"]
    assert state(place, id).status == "awaiting-payment"


def test_a_card_that_is_charged_after_the_order_was_cancelled_is_refunded() -> None:
    place, id = ordered(BY_CARD)
    said(place, decide.CancelRefill, id, 2)
    charged(place, id, 3, PAID)
    refill = state(place, id)
    assert (refill.status, refill.refund_cents, refill.at_work) == ("cancelled", DUE, True)
    assert said(place, decide.ConfirmRefund, id, 9).code == "two-persons"
    for number in (4, 5):
        place.when(
            RecordRefund(
                origin(number), DEADLINE_US, refill_id=id, processor="sandbox", reference="re_1",
                amount_cents=DUE,
            )
        )  # fmt: skip
    assert (state(place, id).refunded_cents, state(place, id).at_work) == (DUE, False)


def test_after_a_chargeback_what_is_left_is_taken_and_the_rest_is_owed() -> None:
    place, id = credited_by_card()
    place.given(debited(4_000, version=3))
    charged(place, id, 3, DISPUTED)
    refill = state(place, id)
    assert (refill.status, refill.at_work) == ("charged-back", True)
    after, events = place.when(step_back(refill, LINES))
    assert (after.taken_cents, after.receivable_cents) == (2_000 + 5_000, 4_000)
    assert after.taken_cents + after.receivable_cents == after.credited_cents
    assert (balance(place), balance(place, SECOND), after.at_work) == (0, 0, False)
    again, none = place.when(step_back(refill, LINES))
    assert (again.taken_cents, none) == (7_000, []), "a step is done once"
    assert len(events) == 3


@pytest.mark.parametrize("paid", [False, True])
def test_a_dispute_without_a_sum_takes_nothing_back(paid: bool) -> None:
    place, id = credited_by_card() if paid else ordered(BY_CARD)
    before = state(place, id)
    assert "no sum" in charged(place, id, 3, DISPUTED, 0)["outcome"]
    assert state(place, id) == before


@pytest.mark.parametrize("taken_back", [False, True])
@pytest.mark.parametrize("to_cents", [0, 7_000])
def test_a_credit_that_is_charged_back_is_not_corrected(taken_back: bool, to_cents: int) -> None:
    place, id = credited_by_card()
    place.when(order((ACCOUNT, 9_000), number=2))
    charged(place, id, 3, DISPUTED)
    if taken_back:
        place.when(step_back(state(place, id), LINES))
    before = balance(place)
    asked = Correction(
        refill_id=id,
        account_id=ACCOUNT,
        to_cents=to_cents,
        why="typed wrong",
        evidence="list 4",
        seen=Seen(0, 6_000),
    )
    command = CorrectAmounts(
        origin(4),
        DEADLINE_US,
        asked=[asked],
        credited={(id, ACCOUNT): Credited(6_000, 2)},
        agreement=Agreement(UUID(int=71), UUID(int=72)),
    )
    refused, events = place.when(command)
    assert (refused.code, events, balance(place)) == ("charged-back", [], before)


def test_a_chargeback_while_lines_are_credited_stops_them() -> None:
    place = ledger()
    answer, _ = place.when(order(*LINES, payment=BY_CARD))
    id = UUID(answer["id"])
    charged(place, id, 2, PAID)
    place.when(step(place, state(place, id), LINES[:1]))
    charged(place, id, 3, DISPUTED)
    refused, events = place.when(step(place, state(place, id), LINES[1:]))
    assert (refused.code, events) == ("not-this-step", [])
    after, _ = place.when(step_back(state(place, id), LINES[:1]))
    assert (after.taken_cents, after.at_work, balance(place)) == (6_000, False, 0)


@pytest.mark.parametrize("charged_back_before", [False, True])
def test_only_what_was_paid_is_charged_back_and_once(charged_back_before: bool) -> None:
    place, id = ordered(BY_CARD)
    if charged_back_before:
        charged(place, id, 3, DISPUTED)
    assert said(place, decide.ChargeBack, id, 4).code == "not-charged-back"


def notice(id: UUID | None, kind: str = PAID, event: str = "evt_1") -> Notice:
    charge = Charge(reference="pi_1", state=kind, amount_cents=DUE)
    return Notice(
        event=event, kind="payment_intent.succeeded", created_ms=NOW_MS, refill_id=id, charge=charge
    )


def told(place: Ledger, number: int, message: Notice) -> tuple[str, list[Any]]:
    command = RecordWebhook(origin(number), DEADLINE_US, processor="stripe", notice=message)
    answer, events = place.when(command)
    return answer["outcome"], events


def test_a_webhook_is_recorded_with_what_it_changes_and_once() -> None:
    place, id = ordered(BY_CARD)
    outcome, events = told(place, 2, notice(id))
    assert outcome == "paid"
    assert isinstance(events[0], WebhookReceived)
    assert isinstance(events[1], refills.RefillPaid)
    assert told(place, 3, notice(id)) == ("seen before", [])
    assert told(place, 4, notice(id, event="evt_2"))[0] == "it was paid before"


@pytest.mark.parametrize(
    ("message", "outcome"),
    [
        (notice(None), "no such refill"),
        (notice(ACCOUNT), "no such refill"),
        (notice(None, OTHER), "nothing to do"),
    ],
)
def test_a_webhook_about_nothing_of_ours_is_seen_and_harmless(
    message: Notice, outcome: str
) -> None:
    place, id = ordered(BY_CARD)
    found, events = told(place, 2, message)
    assert (found, len(events)) == (outcome, 1)
    assert state(place, id).status == "awaiting-payment"


def test_a_webhook_does_not_pay_what_is_not_paid_by_card() -> None:
    place, id = ordered(Payment())
    assert told(place, 2, notice(id))[0] == "the refill is not paid by card"
    assert state(place, id).status == "awaiting-payment"


def test_a_refund_of_what_was_given_up_has_the_fee_in_it() -> None:
    terms = Terms(alone_most_cents=0, fee_cents=150)
    place, id = ordered(Payment(confirmed=True), terms=terms)
    said(place, decide.RejectRefill, id, 2)
    done = said(place, decide.ConfirmRefund, id, 3)
    assert done["status"] == "rejected"
    (paid,) = (event for event in place.log.events if isinstance(event, refills.RefillPaid))
    (back,) = (event for event in place.log.events if isinstance(event, undone.RefillRefunded))
    assert (paid.amount_cents, paid.fee_cents) == (DUE + 150, 150)
    assert (back.amount_cents, back.fee_cents) == (DUE + 150, 150)
    again = place.states.get(id, refills.Refill)
    assert again is not None and (again.paid_fee_cents, again.refund_cents) == (0, 0)


def test_of_a_corrected_credit_no_more_is_taken_back_than_stands() -> None:
    place = ledger()
    answer, _ = place.when(order((ACCOUNT, 6_000), (SECOND, 5_000)))
    id = UUID(answer["id"])
    account = place.states.get(ACCOUNT, Account)
    assert account is not None
    credit = account_credits.as_credited(
        id, ACCOUNT, amount_cents=6_000, account_version=account.version
    )
    put_right = account_credits.correct(
        context(), credit, to_cents=600, why="x", account_version=account.version, grounds=Grounds()
    )
    change = after_credit.correct(
        context(), account, change_cents=-5_400, refill_id=id,
        corrects_version=account.version, why="x",
    )  # fmt: skip
    assert isinstance(put_right, Event) and isinstance(change, Event)
    place.given(put_right, change)
    place.when(order((ACCOUNT, 9_000), number=2))
    said(place, decide.ChargeBack, id, 3)
    after, _ = place.when(step_back(refill_of(place, answer), LINES))
    assert (after.taken_cents, after.receivable_cents) == (5_600, 0)
    assert balance(place) == 9_000, "the other refill's money stays"


@pytest.mark.parametrize(
    ("own_day", "other_day", "spent_cents", "taken", "left"),
    [
        ("", "2099-01-31", 0, [], [("2099-01-31", 1_000)]),
        ("2099-02-28", "2099-01-31", 0, [("2099-02-28", 6_000)], [("2099-01-31", 1_000)]),
        ("2099-01-31", "2099-02-28", 0, [("2099-01-31", 6_000)], [("2099-02-28", 1_000)]),
        # What of it was spent is taken of what expires first.
        ("", "2099-01-31", 500, [], [("2099-01-31", 500)]),
        ("2099-01-31", "2099-02-28", 500, [("2099-01-31", 5_500), ("2099-02-28", 500)],
         [("2099-02-28", 500)]),
    ],
)  # fmt: skip
def test_taken_back_is_first_what_the_refill_itself_brought(
    own_day: str,
    other_day: str,
    spent_cents: int,
    taken: list[tuple[str, int]],
    left: list[tuple[str, int]],
) -> None:
    place = ledger()
    place.when(order((ACCOUNT, 1_000), number=1, last_day=other_day))
    answer, _ = place.when(order((ACCOUNT, 6_000), number=2, last_day=own_day))
    if spent_cents:
        before = place.states.get(ACCOUNT, Account)
        assert before is not None
        spent = lots_.to_spend(before.lots, spent_cents, "2026-09-21")
        place.given(debited(spent_cents, version=4, lots=spent))
    said(place, decide.ChargeBack, UUID(answer["id"]), 3)
    _, events = place.when(step_back(refill_of(place, answer), ((ACCOUNT, 6_000),)))
    (back,) = (event for event in events if isinstance(event, CreditTakenBack))
    assert [(lot.last_day, lot.cents) for lot in back.lots] == taken
    account = place.states.get(ACCOUNT, Account)
    assert account is not None
    assert account.balance_cents == 1_000 - spent_cents
    assert [(lot.last_day, lot.cents) for lot in account.lots] == left


def test_what_has_expired_is_not_taken_back() -> None:
    place = ledger()
    place.when(order((ACCOUNT, 6_000), last_day="2099-01-31"))
    account = place.states.get(ACCOUNT, Account)
    assert account is not None
    later = replace(context(), recorded_at_us=4_102_444_800_000_000)  # 2100
    assert (
        after_credit.take_back(
            later, account, amount_cents=6_000, credited_cents=6_000, refill_id=SECOND, last_day=""
        )
        is None
    )
