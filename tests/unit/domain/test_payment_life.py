"""What becomes of an approved payment: the table is kept, and no cent goes back twice."""

from datetime import datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from domain import adjustment, authorization, contesting
from domain import payment_life as life
from domain.adjustment import Change
from domain.aggregates import account as accounts
from domain.aggregates import dispute as disputes
from domain.aggregates import transaction as transactions
from domain.aggregates.account import Account
from domain.aggregates.transaction import Signed, Transaction
from domain.answers import TEXTS, Refusal
from domain.event import Event
from domain.settled_days import closes_us, is_settled
from domain.signed_request import SignedRequest
from domain.terms import STANDARD, Terms
from tests.unit.domain.material import (
    NOW_US,
    SHOP,
    TERMINAL,
    TODAY,
    TRANSACTION,
    account,
    context,
    id_of,
    request,
)

_SIGNED = SignedRequest(request=b"{}", request_hash=b"h" * 32, signature="a..b")
_DAY_US = 86_400_000_000


class Payment:
    """A payment with its account and its dispute, moved only by events that were decided."""

    def __init__(self, amount_cents: int = 1_250, balance_cents: int = 10_000) -> None:
        self.account: Account = account(balance_cents)
        self.transaction: Transaction | None = None
        self.dispute: disputes.Dispute | None = None
        self.credited_cents = balance_cents
        self.closed = False
        self._number = 100
        self.happened(
            *authorization.decide(
                context(), request(amount_cents=amount_cents, account=self.account)
            )
        )

    def happened(self, *events: Event) -> None:
        for event in events:
            kind = event.TOPIC.partition(".")[0]
            if kind == "transaction":
                self.transaction = transactions.evolve(self.transaction, event)
            elif kind == "account":
                self.account = accounts.evolve(self.account, event)
            else:
                self.dispute = disputes.evolve(self.dispute, event)

    @property
    def state(self) -> str:
        return life.state_of(self.transaction, closed=self.closed)

    @property
    def payment(self) -> Transaction:
        assert self.transaction is not None
        return self.transaction

    def change(self, action: str, amount_cents: int = 0, **facts: Any) -> Change:
        self._number += 1
        usual: dict[str, Any] = {
            "id": id_of(self._number),
            "action": action,
            "amount_cents": amount_cents,
            "why": "x",
            "terminal_id": TERMINAL,
            "terminal_active": True,
            "terminal_shop_id": SHOP,
            "closed": self.closed,
            "today": TODAY,
            "agreed": STANDARD,
            "terms": STANDARD,
            "signed": _SIGNED,
        }
        return Change(**(usual | facts))

    def adjust(self, action: str, amount_cents: int = 0, **facts: Any) -> Refusal | None:
        """None where it was done."""
        change = self.change(action, amount_cents, **facts)
        decided = adjustment.decide(context(), self.transaction, self.account, change)
        return self._take(decided)

    def contest(self, amount_cents: int = 0, now_us: int = NOW_US) -> Refusal | None:
        at = context(recorded_at_us=now_us)
        decided = contesting.contest(
            at, self.transaction, id_of(99_999), amount_cents=amount_cents, closed=self.closed,
            text="no", document_sha256=b"", opened_by=None,
        )  # fmt: skip
        return self._take(decided)

    def decide(self, credited_cents: int) -> Refusal | None:
        if self.dispute is None:
            return life.why_not(self.state, life.DECIDE)
        decided = contesting.settle(
            context(), self.dispute, self.payment, self.account,
            credited_cents=credited_cents, why="y", decided_by=id_of(5),
        )  # fmt: skip
        return self._take(decided)

    def reverse(self) -> None:
        taken = transactions.reverse(
            context(), self.transaction, TRANSACTION, terminal_id=TERMINAL, why="x"
        )
        if taken is None:
            return
        self.happened(taken)
        if taken.amount_cents:
            back = accounts.reverse_debit(
                context(), self.account, amount_cents=taken.amount_cents,
                transaction_id=TRANSACTION, date=TODAY, corrects_version=2,
            )  # fmt: skip
            self.happened(back)

    def correct(self, to_cents: int) -> Refusal | None:
        before = self.payment
        fix = transactions.correct(
            context(), before, to_cents=to_cents, why="x", account_version=self.account.version
        )
        if isinstance(fix, Refusal):
            return fix
        moved = accounts.correct_debit(
            context(), self.account, change_cents=before.net_cents - to_cents,
            transaction_id=TRANSACTION, date=TODAY, corrects_version=2, why="x",
        )  # fmt: skip
        if isinstance(moved, Refusal):
            return moved
        self.happened(fix, moved)
        return None

    def _take(self, decided: Any) -> Refusal | None:
        if isinstance(decided, Refusal):
            return decided
        self.happened(*decided)
        return None

    def money_is_conserved(self) -> None:
        assert self.payment.net_cents >= 0
        assert self.account.balance_cents >= 0
        assert self.account.balance_cents + self.payment.net_cents == self.credited_cents


def reason(no: Refusal | None) -> tuple[str, str] | None:
    return (no.code, no.reason) if no else None


_STEPS = st.lists(
    st.tuples(st.sampled_from([*life.STEPS, "CLOSE"]), st.integers(0, 1_500)), max_size=25
)


@settings(max_examples=300)
@given(_STEPS)
def test_whatever_is_done_the_table_is_kept_and_no_cent_goes_back_twice(
    steps: list[tuple[str, int]],
) -> None:
    made = Payment()
    for step, cents in steps:
        if step == "CLOSE":
            made.closed = True
            continue
        before, cell = made.state, life.LIFE[made.state][step]
        no = _do(made, step, cents)
        made.money_is_conserved()
        if no is not None:
            assert made.state == before, "a refusal changes nothing"
            if not isinstance(cell, frozenset) and step != life.CORRECT:
                assert reason(no) == cell
        else:
            assert isinstance(cell, frozenset), (before, step)
            assert made.state in cell or (step == life.CORRECT and before == made.state)


def _do(made: Payment, step: str, cents: int) -> Refusal | None:
    match step:
        case life.REVERSE:
            made.reverse()
            return None
        case life.DISPUTE:
            return made.contest(cents)
        case life.DECIDE:
            return made.decide(cents)
        case life.CORRECT:
            return made.correct(cents)
        case _:
            return made.adjust(step, 0 if step == life.VOID else cents)


@given(st.lists(st.integers(1, 700), max_size=30))
def test_refunds_are_never_more_than_the_original_in_sum(asked: list[int]) -> None:
    made, back = Payment(1_250), 0
    for cents in asked:
        if made.adjust(life.REFUND, cents) is None:
            back += cents
    assert back == made.payment.refunded_cents <= 1_250
    assert made.account.balance_cents == 10_000 - 1_250 + back


def test_every_refusal_of_the_table_has_its_text() -> None:
    steps = [step for row in life.LIFE.values() for step in row.values()]
    assert {step for step in steps if not isinstance(step, frozenset)} <= TEXTS.keys()
    assert all(row.keys() == set(life.STEPS) for row in life.LIFE.values())
    assert life.LIFE.keys() == set(life.STATES)


@pytest.mark.parametrize(
    ("facts", "action", "cents", "expected"),
    [
        ({"terminal_shop_id": id_of(77)}, "REFUND", 1, ("25", "unknown-transaction")),
        ({"terminal_shop_id": None}, "VOID", 0, ("25", "unknown-transaction")),
        ({"terminal_active": False}, "REFUND", 1, ("58", "terminal")),
        ({"terminal_id": id_of(78)}, "VOID", 0, ("58", "other-terminal")),
        ({"closed": True}, "VOID", 0, ("12", "day-closed")),
        ({"closed": True}, "TIP", 1, ("12", "day-closed")),
        ({}, "REFUND", 1_251, ("13", "over-original")),
        ({}, "REFUND", 0, ("13", "over-original")),
        ({}, "REFUND", -5, ("13", "over-original")),
        ({}, "TIP", 251, ("61", "tip-ceiling")),
        ({}, "TIP", -1, ("61", "tip-ceiling")),
        ({"terminal_id": id_of(78)}, "REFUND", 1, None),
        ({"terminal_id": id_of(78)}, "TIP", 250, None),
        ({"closed": True}, "REFUND", 1_250, None),
    ],
)
def test_who_may_do_what_when(
    facts: dict[str, Any], action: str, cents: int, expected: tuple[str, str] | None
) -> None:
    made = Payment()
    assert reason(made.adjust(action, cents, **facts)) == expected


def test_a_refusal_says_what_would_pass() -> None:
    made = Payment()
    no = made.adjust(life.TIP, 300)
    assert no is not None
    assert no.would_pass_cents == 250
    assert no.text.endswith("$2.50 would pass.")
    assert made.adjust(life.REFUND, 1_000) is None
    no = made.adjust(life.REFUND, 300)
    assert no is not None
    assert no.would_pass_cents == 250


def test_a_tip_needs_balance_and_daily_limit_and_comes_once() -> None:
    poor = Payment(1_250, balance_cents=1_300)
    assert reason(poor.adjust(life.TIP, 60)) == ("51", "balance")
    assert poor.adjust(life.TIP, 50) is None
    assert reason(poor.adjust(life.TIP, 1)) == ("12", "tip-given")
    assert poor.account.balance_cents == 0
    day = Payment(2_500)
    day.account = replace(day.account, daily_limit_cents=2_600)
    no = day.adjust(life.TIP, 101)
    assert no is not None
    assert (reason(no), no.would_pass_cents) == (("61", "daily-limit"), 100)
    week = Terms(per_week_cents=2_510)
    assert reason(day.adjust(life.TIP, 100, terms=week)) == ("61", "weekly-limit")
    none = Terms(tip_percent=0)
    assert reason(day.adjust(life.TIP, 100, agreed=none)) == ("61", "tip-ceiling")
    assert day.adjust(life.TIP, 100, terms=Terms(payments_per_day=1)) is None


@pytest.mark.parametrize(
    ("consent", "agreed", "ceiling"),
    [
        ("", 0, 250), ("", 100, 100), ("", 900, 250),
        ("c", 0, 0), ("c", 200, 200), ("c", 900, 250),
    ],
)  # fmt: skip
def test_only_a_cardholder_raises_the_ceiling_of_a_tip(
    consent: str, agreed: int, ceiling: int
) -> None:
    signed = Signed(contract=b"{}", contract_hash=b"h" * 32, signature="a..b", consent=consent)
    events = authorization.decide(context(), request(signed=signed, tip_most_cents=agreed))
    state: Transaction | None = None
    for event in events:
        if event.TOPIC.startswith("transaction."):
            state = transactions.evolve(state, event)
    assert state is not None
    assert adjustment.tip_ceiling_cents(state, STANDARD) == ceiling


def test_a_void_takes_back_the_tip_as_well() -> None:
    made = Payment()
    assert made.adjust(life.TIP, 250) is None
    assert made.adjust(life.VOID) is None
    assert (made.state, made.account.balance_cents) == (life.VOIDED, 10_000)


def test_a_refund_meanwhile_lowers_what_a_dispute_can_give() -> None:
    made = Payment()
    assert made.contest() is None
    assert made.adjust(life.REFUND, 1_000) is None
    assert reason(made.decide(1_250)) == ("13", "over-original")
    assert made.decide(250) is None
    assert (made.state, made.account.balance_cents) == (life.REFUNDED, 10_000)
    assert reason(made.adjust(life.REFUND, 1)) == ("12", "already-refunded")


def test_a_payment_is_disputed_once_and_for_sixty_days() -> None:
    made = Payment()
    late = made.payment.decided_us + 60 * _DAY_US
    assert reason(made.contest(now_us=late + 1)) == ("12", "too-late")
    assert made.contest(500, now_us=late) is None
    assert made.decide(0) is None
    assert made.state == life.APPROVED
    assert reason(made.contest()) == ("12", "disputed-before")


def test_a_dispute_is_decided_by_another_once_the_shop_was_heard() -> None:
    made = Payment()
    made.contest()
    assert made.dispute is not None
    opened = replace(made.dispute, opened_by=id_of(1))
    at = made.dispute.opened_us
    assert disputes.why_undecided(opened, by_id=id_of(1), now_us=at) == "same-operator"
    assert disputes.why_undecided(opened, by_id=id_of(2), now_us=at) == "shop-not-heard"
    after = opened.evidence_until_us + 1
    assert disputes.why_undecided(opened, by_id=id_of(2), now_us=after) == ""
    assert disputes.why_no_evidence(opened, after) == "evidence-closed"
    heard = disputes.evolve(
        opened,
        disputes.give_evidence(context(), opened, side="shop", text="t", document_sha256=b""),
    )
    assert disputes.why_undecided(heard, by_id=id_of(2), now_us=at) == ""
    many = replace(opened, evidence=opened.evidence * disputes.EVIDENCE_MOST)
    assert disputes.why_no_evidence(many, at) == "too-much-evidence"


@pytest.mark.parametrize(
    ("zone", "day", "closes"),
    [
        ("America/Chicago", "2026-11-23", "2026-11-24T10:00:00+00:00"),
        ("America/New_York", "2026-03-07", "2026-03-08T08:00:00+00:00"),  # the clocks go forward
        ("America/New_York", "2026-10-31", "2026-11-01T09:00:00+00:00"),  # and back
    ],
)
def test_a_day_is_closed_at_four_in_the_morning_where_the_shop_is(
    zone: str, day: str, closes: str
) -> None:
    at = int(datetime.fromisoformat(closes).timestamp()) * 1_000_000
    assert closes_us(day, zone) == at
    assert not is_settled(day, at - 1, zone)
    assert is_settled(day, at, zone)
