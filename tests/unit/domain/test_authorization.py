"""The decision table: one row per refusal, in order of precedence; then what yes and no store."""

from typing import Any

import pytest
from msgspec.structs import replace

from domain import authorization
from domain.aggregates import account as accounts
from domain.aggregates import card as cards
from domain.aggregates.account import AccountDebited
from domain.aggregates.card import PinAccepted, PinFailed
from domain.aggregates.transaction import Authorized, Declined
from domain.terms import PIN_FREE_CENTS
from tests.unit.domain.material import account, card, context, request, shop, terminal

FAULTS: list[tuple[str, str, dict[str, Any]]] = [
    ("12", "foreign-session", {"of_this_session": False}),
    ("12", "stale-clock", {"clock_off_us": 5 * 60_000_000 + 1}),
    ("12", "expired-contract", {"expired": True}),
    ("13", "amount", {"amount_cents": 0}),
    ("58", "terminal", {"terminal": terminal(active=False)}),
    ("63", "card-check", {"stripe_genuine": False}),
    ("05", "reversed-before", {"reversed_before": True}),
    ("14", "unknown-card", {"card": None}),
    ("62", "card-blocked", {"card": replace(card(), status="blocked")}),
    ("57", "category", {"shop": shop(category="5813")}),
    ("55", "pin-required", {"amount_cents": PIN_FREE_CENTS + 1}),
    ("61", "daily-limit", {"amount_cents": 5_001, "pin_right": True}),
    ("51", "balance", {"account": account(100)}),
]


@pytest.mark.parametrize(("code", "reason", "fault"), FAULTS, ids=[row[1] for row in FAULTS])
def test_each_rule_refuses_with_its_code(code: str, reason: str, fault: dict[str, Any]) -> None:
    no = authorization.judge(request(**fault))
    assert no is not None
    assert (no.code, no.reason) == (code, reason)


@pytest.mark.parametrize("first", range(len(FAULTS) - 1))
def test_the_earlier_rule_wins(first: int) -> None:
    code, reason, fault = FAULTS[first]
    for _, _, later in FAULTS[first + 1 :]:
        if not later.keys() & fault.keys():
            no = authorization.judge(request(**(later | fault)))
            assert no is not None
            assert (no.code, no.reason) == (code, reason)


def test_a_payment_that_every_rule_passes_is_approved() -> None:
    assert authorization.judge(request()) is None


@pytest.mark.parametrize(("status", "code"), [("lost", "41"), ("stolen", "43"), ("blocked", "62")])
def test_a_card_out_of_use_is_refused_by_its_status(status: str, code: str) -> None:
    no = authorization.judge(request(card=replace(card(), status=status)))
    assert no is not None
    assert no.code == code


def test_a_card_pays_in_the_month_of_its_expiry_and_not_after() -> None:
    last_month = request(card=replace(card(), expiry="2611"))
    assert authorization.judge(last_month) is None
    no = authorization.judge(request(card=replace(card(), expiry="2610")))
    assert no is not None
    assert no.code == "54"


def test_yes_stores_the_transaction_and_the_debit() -> None:
    yes, debit = authorization.decide(context(), request())
    assert isinstance(yes, Authorized)
    assert isinstance(debit, AccountDebited)
    assert debit.amount_cents == 1_250
    assert debit.originator_version == yes.account_version + 1
    assert accounts.evolve(account(), debit).balance_cents == 10_000 - 1_250


def test_no_stores_its_reason_and_what_would_pass() -> None:
    (no,) = authorization.decide(context(), request(account=account(1_190)))
    assert isinstance(no, Declined)
    assert (no.code, no.would_pass_cents) == ("51", 1_190)
    assert "$11.90 would pass" in no.text


def test_what_would_pass_respects_the_daily_limit_too() -> None:
    debit = authorization.decide(context(), request(amount_cents=2_000))[1]
    spent = accounts.evolve(account(), debit)
    no = authorization.judge(request(account=spent, amount_cents=3_500, pin_right=True))
    assert no is not None
    assert (no.code, no.would_pass_cents) == ("61", 3_000)


def test_a_new_day_starts_with_the_whole_limit() -> None:
    debit = authorization.decide(context(), request(amount_cents=2_000))[1]
    spent = accounts.evolve(account(), debit)
    tomorrow = request(account=spent, amount_cents=4_500, pin_right=True, local_date="2026-11-24")
    assert authorization.judge(tomorrow) is None


def _try_pin(state: cards.Card, right: bool) -> tuple[str, cards.Card]:
    events = authorization.decide(context(), request(card=state, pin_right=right))
    code = events[0].code if isinstance(events[0], Declined) else "00"
    for event in events:
        if isinstance(event, PinFailed | PinAccepted):
            state = cards.evolve(state, event)
    return code, state


def test_the_third_wrong_pin_locks_and_then_even_the_right_one_is_refused() -> None:
    codes, state = [], card()
    for right in (False, False, False, True, False):
        code, state = _try_pin(state, right)
        codes.append(code)
    assert codes == ["55", "55", "75", "75", "75"]
    assert state.pin_failures == 3


def test_the_right_pin_forgets_the_wrong_ones() -> None:
    code, state = _try_pin(card(), False)
    code, state = _try_pin(state, True)
    assert (code, state.pin_failures) == ("00", 0)


def test_a_forged_stripe_does_not_count_pins() -> None:
    events = authorization.decide(context(), request(stripe_genuine=False, pin_right=False))
    assert [type(event) for event in events] == [Declined]


@pytest.mark.parametrize("valid", [None, False])
def test_a_phone_card_needs_its_owners_signature(valid: bool | None) -> None:
    no = authorization.judge(
        request(card=card("virtual"), stripe_genuine=True, consent_valid=valid)
    )
    assert no is not None
    assert (no.code, no.reason) == ("63", "consent")


def test_a_stripe_that_a_phone_of_another_card_presents_is_refused() -> None:
    no = authorization.judge(request(consent_valid=False))
    assert no is not None
    assert (no.code, no.reason) == ("63", "consent")


def test_a_phone_card_needs_no_pin() -> None:
    big = request(card=card("virtual"), consent_valid=True, amount_cents=4_000)
    assert authorization.judge(big) is None
