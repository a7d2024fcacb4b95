"""Reversals and corrections move the money back by events that name what they correct."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from domain import authorization
from domain.aggregates import account as accounts
from domain.aggregates import transaction as transactions
from domain.aggregates.account import DebitCorrected
from domain.aggregates.transaction import Authorized, Corrected, Reversed, Transaction
from domain.answers import Refusal, dollars
from tests.unit.domain.material import (
    TERMINAL,
    TODAY,
    TRANSACTION,
    account,
    context,
    id_of,
    request,
)


def approved(amount_cents: int = 1_250) -> tuple[Transaction, accounts.Account]:
    """An approved payment and the account after it."""
    yes, debit = authorization.decide(context(), request(amount_cents=amount_cents))
    return transactions.evolve(None, yes), accounts.evolve(account(), debit)


def test_a_reversal_names_the_authorization_and_zeroes_what_the_shop_is_owed() -> None:
    payment, _ = approved()
    event = transactions.reverse(
        context(), payment, TRANSACTION, terminal_id=TERMINAL, why="timeout"
    )
    assert isinstance(event, Reversed)
    assert (event.corrects_version, event.amount_cents) == (1, 1_250)
    after = transactions.evolve(payment, event)
    assert (after.status, after.net_cents) == ("reversed", 0)


def test_a_second_reversal_changes_nothing() -> None:
    payment, _ = approved()
    first = transactions.reverse(context(), payment, TRANSACTION, terminal_id=TERMINAL, why="x")
    assert first is not None
    again = transactions.evolve(payment, first)
    assert (
        transactions.reverse(context(), again, TRANSACTION, terminal_id=TERMINAL, why="x") is None
    )


def test_a_reversal_that_comes_first_is_version_one() -> None:
    event = transactions.reverse(context(), None, TRANSACTION, terminal_id=TERMINAL, why="timeout")
    assert isinstance(event, Reversed)
    assert (event.originator_version, event.corrects_version) == (1, 0)
    early = transactions.evolve(None, event)
    refused = authorization.decide(
        context(), request(reversed_before=True), next_version=early.version + 1
    )
    assert refused[0].originator_version == 2


def test_a_correction_moves_balance_and_days_spending_by_the_difference() -> None:
    payment, state = approved(1_250)
    event = accounts.correct_debit(
        context(),
        state,
        change_cents=60,
        transaction_id=TRANSACTION,
        date=TODAY,
        corrects_version=payment.debit_version,
        why="typed wrong",
    )
    assert isinstance(event, DebitCorrected)
    after = accounts.evolve(state, event)
    assert after.balance_cents == state.balance_cents + 60
    assert after.spending.day_cents == 1_190


def test_a_correction_that_the_balance_cannot_bear_is_refused() -> None:
    _, state = approved(1_250)
    answer = accounts.correct_debit(
        context(),
        state,
        change_cents=-state.balance_cents - 1,
        transaction_id=TRANSACTION,
        date=TODAY,
        corrects_version=3,
        why="x",
    )
    assert isinstance(answer, Refusal)


def test_a_second_correction_names_the_first() -> None:
    payment, state = approved()
    first = transactions.correct(
        context(), payment, to_cents=1_190, why="x", account_version=state.version
    )
    assert isinstance(first, Corrected)
    after = transactions.evolve(payment, first)
    second = transactions.correct(
        context(), after, to_cents=1_000, why="y", account_version=state.version + 1
    )
    assert isinstance(second, Corrected)
    assert (second.corrects_version, second.from_cents) == (first.originator_version, 1_190)


def test_only_an_approved_payment_can_be_corrected() -> None:
    (no,) = authorization.decide(context(), request(stripe_genuine=False))
    declined = transactions.evolve(None, no)
    answer = transactions.correct(context(), declined, to_cents=1, why="x", account_version=1)
    assert isinstance(answer, Refusal)


_STEPS = st.lists(
    st.tuples(st.sampled_from(["credit", "spend", "reverse", "correct"]), st.integers(1, 6_000)),
    max_size=40,
)


@given(_STEPS)
def test_money_is_conserved_and_the_balance_never_negative(steps: list[tuple[str, int]]) -> None:
    state, credited, owed, counter = account(0), 0, 0, 100
    payments: list[Transaction] = []
    for what, cents in steps:
        counter += 1
        if what == "credit":
            event: Any = accounts.credit(
                context(), state, amount_cents=cents, refill_id=id_of(counter)
            )
            credited += cents
        elif what == "spend":
            asked = request(
                transaction_id=id_of(counter), account=state, amount_cents=cents, pin_right=True
            )
            events = authorization.decide(context(), asked)
            if not isinstance(events[0], Authorized):
                continue
            payments.append(transactions.evolve(None, events[0]))
            owed += cents
            event = events[1]
        elif payments:
            event, change = _take_back(state, payments, what, cents)
            owed += change
            if event is None:
                continue
        else:
            continue
        state = accounts.evolve(state, event)
        assert state.balance_cents >= 0
        assert state.balance_cents + owed == credited
        assert owed == sum(payment.net_cents for payment in payments)


def _take_back(
    state: accounts.Account, payments: list[Transaction], what: str, cents: int
) -> tuple[Any, int]:
    """The account's event of taking the last payment back, and how what is owed changes."""
    payment = payments[-1]
    if what == "reverse":
        undo = transactions.reverse(context(), payment, payment.id, terminal_id=TERMINAL, why="x")
        if undo is None or undo.amount_cents == 0:
            return None, 0
        payments[-1] = transactions.evolve(payment, undo)
        back = accounts.reverse_debit(
            context(),
            state,
            amount_cents=undo.amount_cents,
            transaction_id=payment.id,
            date=TODAY,
            corrects_version=payment.debit_version,
        )
        return back, -undo.amount_cents
    fix = transactions.correct(
        context(), payment, to_cents=cents, why="x", account_version=state.version
    )
    if isinstance(fix, Refusal):
        return None, 0
    change = payment.net_cents - cents
    moved = accounts.correct_debit(
        context(),
        state,
        change_cents=change,
        transaction_id=payment.id,
        date=TODAY,
        corrects_version=payment.debit_version,
        why="x",
    )
    if isinstance(moved, Refusal):
        return None, 0
    payments[-1] = transactions.evolve(payment, fix)
    return moved, -change


def test_amounts_read_as_people_write_them() -> None:
    assert [dollars(cents) for cents in (0, 5, 123_450, -5)] == [
        "$0.00",
        "$0.05",
        "$1,234.50",
        "-$0.05",
    ]
