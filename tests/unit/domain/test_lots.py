"""Money with a last day: the oldest is spent first, and none is made or lost, whatever happens."""

import datetime as dt
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from domain import adjustment, authorization, contesting, lots
from domain import payment_life as life
from domain.adjustment import Change
from domain.aggregates import account as accounts
from domain.aggregates import dispute as disputes
from domain.aggregates import expired_money
from domain.aggregates import transaction as transactions
from domain.aggregates.account import Account, AccountCredited, AccountDebited, DebitCorrected
from domain.aggregates.transaction import Authorized, Transaction
from domain.answers import Refusal
from domain.event import Context, Event
from domain.lots import Lot
from domain.rules.instead import with_what_would_pass
from domain.rules.spending import within_balance
from domain.signed_request import SignedRequest
from domain.terms import STANDARD
from tests.unit.domain.material import (
    ACCOUNT,
    COMPANY,
    HOLDER,
    NOW_US,
    SHOP,
    TERMINAL,
    TODAY,
    account,
    context,
    id_of,
    request,
)

DAY_US = 86_400_000_000
FIRST = dt.date.fromisoformat(TODAY)

NO_REFUSAL = Refusal("", "", "")


def day(number: int) -> str:
    """A date by its distance from the first."""
    return (FIRST + dt.timedelta(days=number)).isoformat()


def with_lots(*days_and_cents: tuple[int, int], rest: int = 0) -> Account:
    """An account with lots, by the distance of their last days, and money without one."""
    state = account(rest)
    for number, cents in days_and_cents:
        credit = accounts.credit(
            context(), state, amount_cents=cents, refill_id=id_of(50), last_day=day(number)
        )
        state = accounts.evolve(state, credit)
    return state


def held(state: Account) -> list[tuple[str, int]]:
    return [(lot.last_day, lot.cents) for lot in state.lots]


def pay(state: Account, cents: int, today: int = 0) -> tuple[Event, Account]:
    """A payment that passes, and the account after it."""
    debit = accounts.debit(
        context(), state, amount_cents=cents, transaction_id=id_of(60), date=day(today)
    )
    return debit, accounts.evolve(state, debit)


def test_the_earliest_last_day_is_spent_first_and_money_without_one_last() -> None:
    state = with_lots((30, 500), (5, 300), rest=1_000)
    debit, after = pay(state, 700)
    assert isinstance(debit, AccountDebited)
    assert [(lot.last_day, lot.cents) for lot in debit.lots] == [(day(5), 300), (day(30), 400)]
    assert (held(after), after.balance_cents) == ([(day(30), 100)], 1_100)
    debit, after = pay(after, 1_100)
    assert isinstance(debit, AccountDebited)
    assert lots.total(debit.lots) == 100
    assert (held(after), after.balance_cents) == ([], 0)


def test_credits_with_the_same_last_day_are_one_lot_named_by_the_first() -> None:
    state = with_lots((5, 300), (5, 200), (6, 1))
    assert state.lots == (Lot(day(5), 500, 2), Lot(day(6), 1, 4))


def test_an_account_without_last_days_has_no_lots_and_its_events_none() -> None:
    debit, after = pay(account(1_000), 400)
    assert isinstance(debit, AccountDebited)
    assert (debit.lots, after.lots, after.balance_cents) == ((), (), 600)


def test_money_is_gone_at_the_local_midnight_without_any_job() -> None:
    state = with_lots((0, 500), rest=200)
    midnight_us = 1_795_500_000_000_000  # 2026-11-24 06:00 UTC, midnight in Chicago
    for at_us, left in ((midnight_us - 1, 700), (midnight_us, 200)):
        today, _ = authorization.dates(at_us, state)
        assert state.available_cents(today) == left
        asked = {"account": state, "local_date": today}
        assert (within_balance(request(amount_cents=left + 1, **asked)) or NO_REFUSAL).code == "51"
        assert within_balance(request(amount_cents=left, **asked)) is None


@pytest.mark.parametrize("booked", [False, True])
def test_a_refusal_says_what_is_left_and_that_money_expired(booked: bool) -> None:
    state = with_lots((-3, 500), (-1, 100), rest=200)
    for event in expired_money.expire(context(), state, TODAY) if booked else ():
        state = accounts.evolve(state, event)
    asked = request(amount_cents=700, account=state)
    refused = within_balance(asked)
    assert refused is not None
    no = with_what_would_pass(refused, asked)
    assert (no.code, no.would_pass_cents) == ("51", 200)
    assert f"Money on it could be spent until {day(-1)}. $2.00 would pass" in no.text
    assert authorization.explain(asked)[-1].why.endswith("$7.00 of a balance of $2.00.")
    never = within_balance(request(amount_cents=801, account=state))
    assert never is not None
    assert "until" not in never.text, "it would not have been enough either"


def test_a_reversal_gives_back_into_the_lots_it_came_from() -> None:
    before = with_lots((5, 300), (30, 500), rest=100)
    yes, debit = authorization.decide(context(), request(account=before, amount_cents=850))
    assert isinstance(yes, Authorized)
    payment, state = transactions.evolve(None, yes), accounts.evolve(before, debit)
    back = accounts.reverse_debit(
        context(), state, amount_cents=850, transaction_id=payment.id, date=TODAY,
        corrects_version=payment.debit_version, lots=payment.lots,
    )  # fmt: skip
    assert held(accounts.evolve(state, back)) == held(before)


def test_what_goes_back_after_its_last_day_is_expired_money() -> None:
    debit, state = pay(with_lots((0, 300)), 300)
    assert isinstance(debit, AccountDebited)
    back = accounts.reverse_debit(
        context(), state, amount_cents=300, transaction_id=id_of(60), date=TODAY,
        corrects_version=debit.originator_version, lots=debit.lots,
    )  # fmt: skip
    state = accounts.evolve(state, back)
    assert (state.available_cents(day(0)), state.available_cents(day(1))) == (300, 0)
    (booked,) = expired_money.expire(context(), state, day(1))
    state = accounts.evolve(state, booked)
    assert (state.balance_cents, lots.total(state.expired)) == (0, 300)


def test_a_correction_gives_back_what_was_taken_last() -> None:
    parts = (Lot(day(1), 300, 2), Lot(day(9), 500, 3))
    assert lots.to_give_back(parts, 900, 100) == ()
    assert lots.to_give_back(parts, 900, 250) == (Lot(day(9), 150, 3),)
    assert lots.to_give_back(parts, 900, 700) == (Lot(day(1), 100, 2), Lot(day(9), 500, 3))


def test_a_part_is_approved_of_what_can_be_spent_today_and_not_of_what_expired() -> None:
    state = with_lots((-1, 500), (0, 300), rest=100)
    yes, debit, *_ = authorization.decide(
        context(), request(account=state, amount_cents=850, partial=True)
    )
    assert isinstance(yes, Authorized)
    assert (yes.amount_cents, held(accounts.evolve(state, debit))) == (400, [(day(-1), 500)])


def test_a_lot_is_never_overdrawn() -> None:
    with pytest.raises(ValueError, match="no lot of"):
        lots.remove((Lot(day(1), 300, 2),), (Lot(day(1), 301, 2),))
    with pytest.raises(ValueError, match="no lot of"):
        lots.remove((), (Lot(day(1), 1, 2),))


class AnAccount(RuleBasedStateMachine):
    """Everything that can happen to an account, in any order, over some weeks."""

    @initialize()
    def opened(self) -> None:
        event = accounts.open(
            context(), ACCOUNT, company_id=COMPANY, cardholder_id=HOLDER,
            timezone="America/Chicago", daily_limit_cents=10**9, currency="USD",
        )  # fmt: skip
        self.log: list[Event] = [event]
        self.state = accounts.evolve(None, event)
        self.today = 0
        self.payments: dict[UUID, Transaction] = {}
        self.credited = self.returned = self.donated = 0

    def now(self) -> Context:
        return context(recorded_at_us=NOW_US + self.today * DAY_US)

    def store(self, *events: Event) -> None:
        for event in events:
            assert event.originator_version == self.state.version + 1
            self.log.append(event)
            self.state = accounts.evolve(self.state, event)

    @rule(cents=st.integers(1, 2_000), last_day=st.none() | st.integers(0, 12))
    def credit(self, cents: int, last_day: int | None) -> None:
        until = "" if last_day is None else day(self.today + last_day)
        self.store(
            accounts.credit(
                self.now(), self.state, amount_cents=cents, refill_id=id_of(50), last_day=until
            )
        )
        self.credited += cents

    @rule(cents=st.integers(1, 3_000))
    def pay(self, cents: int) -> None:
        today, before = day(self.today), self.state
        number = id_of(1_000 + len(self.log))
        asked = request(
            transaction_id=number, account=before, amount_cents=cents, pin_right=True,
            local_date=today,
        )  # fmt: skip
        events = authorization.decide(self.now(), asked)
        assert (len(events) > 1) == (cents <= before.available_cents(today))
        if len(events) == 1:
            return
        yes, debit = events[:2]
        assert isinstance(yes, Authorized)
        assert isinstance(debit, AccountDebited)
        assert yes.lots == debit.lots
        self.store(debit)
        self.payments[number] = transactions.evolve(None, yes)
        left = [lot.last_day for lot in self.state.lots if lot.last_day >= today]
        assert not left or all(part.last_day <= left[0] for part in debit.lots), "oldest first"
        without = cents - lots.total(debit.lots)
        assert not (without and left), "money without a last day is spent last"

    @precondition(lambda self: self.payments)
    @rule(data=st.data())
    def reverse(self, data: Any) -> None:
        number = data.draw(st.sampled_from(sorted(self.payments)))
        payment = self.payments.pop(number)
        if payment.net_cents:
            self.store(
                accounts.reverse_debit(
                    self.now(),
                    self.state,
                    amount_cents=payment.net_cents,
                    transaction_id=number,
                    date=payment.local_date,
                    corrects_version=payment.debit_version,
                    lots=payment.lots,
                )
            )

    @precondition(lambda self: self.payments)
    @rule(data=st.data(), to_cents=st.integers(0, 4_000))
    def correct(self, data: Any, to_cents: int) -> None:
        number = data.draw(st.sampled_from(sorted(self.payments)))
        payment = self.payments[number]
        corrected = transactions.correct(
            self.now(), payment, to_cents=to_cents, why="x", account_version=self.state.version
        )
        if isinstance(corrected, Refusal):
            return
        moved = accounts.correct_debit(
            self.now(), self.state, change_cents=payment.net_cents - to_cents,
            transaction_id=number, date=payment.local_date,
            corrects_version=payment.debit_version, why="x",
            spent_cents=payment.net_cents, lots=payment.lots,
        )  # fmt: skip
        if isinstance(moved, DebitCorrected):
            self.store(moved)
            told = transactions.with_lots(corrected, payment.lots, moved.lots)
            self.payments[number] = transactions.evolve(payment, told)

    @precondition(lambda self: self.payments)
    @rule(
        data=st.data(),
        action=st.sampled_from([life.REFUND, life.REFUND, life.TIP, life.VOID]),
        cents=st.integers(1, 2_000),
    )
    def adjust(self, data: Any, action: str, cents: int) -> None:
        number = data.draw(st.sampled_from(sorted(self.payments)))
        payment, before = self.payments[number], self.state.lots
        if action == life.TIP:
            cents = min(cents, payment.authorized_cents // 5)
        change = Change(
            id=id_of(5_000 + len(self.log)), action=action, amount_cents=cents, why="x",
            terminal_id=TERMINAL, terminal_active=True, terminal_shop_id=SHOP, closed=False,
            today=day(self.today), agreed=STANDARD, terms=STANDARD,
            signed=SignedRequest(request=b"{}", request_hash=b"h" * 32, signature="a..b"),
        )  # fmt: skip
        decided = adjustment.decide(self.now(), payment, self.state, change)
        if not isinstance(decided, Refusal):
            self.payments[number] = transactions.evolve(payment, decided[0])
            self.store(decided[1])
            if action == life.TIP:
                spent = lots.to_spend(before, cents, day(self.today))
                assert self.state.lots == lots.remove(before, spent)
            if action == life.VOID:
                assert self.state.lots == lots.add(before, payment.lots)

    @precondition(lambda self: self.payments)
    @rule(data=st.data(), cents=st.integers(0, 2_000))
    def dispute(self, data: Any, cents: int) -> None:
        number = data.draw(st.sampled_from(sorted(self.payments)))
        payment = self.payments[number]
        opened = contesting.contest(
            self.now(), payment, id_of(99_999), amount_cents=0, closed=False, text="no",
            document_sha256=b"", opened_by=None,
        )  # fmt: skip
        if isinstance(opened, Refusal):
            return
        made, payment = disputes.evolve(None, opened[0]), transactions.evolve(payment, opened[1])
        decided = contesting.settle(
            self.now(), made, payment, self.state, credited_cents=min(cents, payment.net_cents),
            why="y", decided_by=id_of(5),
        )  # fmt: skip
        assert not isinstance(decided, Refusal)
        self.payments[number] = transactions.evolve(payment, decided[1])
        self.store(*decided[2:])

    @rule(days=st.integers(1, 6))
    def time_passes(self, days: int) -> None:
        self.today += days

    @rule()
    def book(self) -> None:
        today = day(self.today)
        available = self.state.available_cents(today)
        self.store(*expired_money.expire(self.now(), self.state, today))
        assert self.state.available_cents(today) == self.state.balance_cents == available
        assert not expired_money.expire(self.now(), self.state, today), "booked once"

    @precondition(lambda self: self.state.expired)
    @rule(data=st.data(), later=st.integers(0, 9), what=st.sampled_from(["re", "back", "away"]))
    def decide(self, data: Any, later: int, what: str) -> None:
        which = data.draw(st.sampled_from(["", *(lot.last_day for lot in self.state.expired)]))
        some = expired_money.held(self.state, which)
        now, state, cents = self.now(), self.state, lots.total(some)
        if what == "re":
            until = day(self.today + later)
            self.store(*expired_money.reactivate(now, state, some, last_day=until, why="x"))
        elif what == "back":
            self.store(*expired_money.return_(now, state, some, why="x"))
            self.returned += cents
        else:
            self.store(*expired_money.donate(now, state, some, cause="y", why="x"))
            self.donated += cents

    @invariant()
    def every_cent_is_somewhere(self) -> None:
        spent = sum(payment.net_cents for payment in self.payments.values())
        held_apart = lots.total(self.state.expired)
        elsewhere = held_apart + spent + self.returned + self.donated
        assert self.credited == self.state.balance_cents + elsewhere

    @invariant()
    def lots_are_the_balance(self) -> None:
        state, today = self.state, day(self.today)
        assert 0 <= lots.total(state.lots) <= state.balance_cents
        assert 0 <= state.available_cents(today) <= state.balance_cents
        gone = lots.total(lots.expired(state.lots, today))
        assert state.available_cents(today) == state.balance_cents - gone
        for some in (state.lots, state.expired):
            days = [lot.last_day for lot in some]
            assert days == sorted(set(days)), "one for a day, in order"
            assert all(lot.cents > 0 for lot in some)

    @invariant()
    def a_lot_is_named_by_a_credit(self) -> None:
        for lot in (*self.state.lots, *self.state.expired):
            credit = self.log[lot.credit - 1]
            assert isinstance(credit, AccountCredited)
            assert credit.last_day

    @invariant()
    def derived_is_kept(self) -> None:
        again = None
        for event in self.log:
            again = accounts.evolve(again, event)
        assert again == self.state

    @invariant()
    def a_payment_holds_no_more_of_lots_than_it_is_worth(self) -> None:
        for payment in self.payments.values():
            assert lots.total(payment.lots) <= payment.net_cents


TestAnAccount = AnAccount.TestCase
TestAnAccount.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def test_the_state_of_an_account_without_lots_is_as_small_as_before() -> None:
    fields = msgspec.to_builtins(account())
    assert not {"lots", "expired"} & fields.keys()
