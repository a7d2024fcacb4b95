"""Counters of what was spent: as if every payment of a period were added up each time."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from domain.aggregates import account as accounts
from domain.aggregates.account import Account, AccountDebited, DebitCorrected, DebitReversed
from domain.event import Event, stamp
from domain.local_time import day_after
from domain.spending import NO_SPENDING, Spent, periods
from tests.unit.domain.material import account, context, id_of

FIRST = "2026-11-24"  # a Tuesday; the month ends in its week

# What happens, one after the other: a payment some days later, or one of those before is taken
# back or put right.
_steps = st.lists(
    st.one_of(
        st.tuples(st.just("pay"), st.integers(0, 9), st.integers(1, 5_000)),
        st.tuples(st.just("reverse"), st.integers(0, 30), st.just(0)),
        st.tuples(st.just("correct"), st.integers(0, 30), st.integers(0, 5_000)),
    ),
    max_size=40,
)


class Book:
    """Every payment by itself, with what it is worth now; None: taken back."""

    def __init__(self) -> None:
        self.state: Account = account(1_000_000)
        self.payments: list[tuple[str, int | None]] = []
        self.date = FIRST

    def play(self, what: str, which: int, cents: int) -> None:
        if what == "pay":
            self.date = day_after(self.date, which)
            self.payments.append((self.date, cents))
            self._happened(AccountDebited, amount_cents=cents, local_date=self.date)
        elif which < len(self.payments):
            date, worth = self.payments[which]
            if worth is None:
                return
            if what == "reverse":
                self.payments[which] = date, None
                self._happened(
                    DebitReversed, amount_cents=worth, local_date=date, corrects_version=1
                )
            else:
                self.payments[which] = date, cents
                self._happened(
                    DebitCorrected,
                    change_cents=worth - cents,
                    local_date=date,
                    corrects_version=1,
                    why="",
                )

    def _happened(self, cls: Any, **facts: Any) -> None:
        event: Event = cls(
            **stamp(context(), self.state.id, self.state.version + 1),
            transaction_id=id_of(61),
            **facts,
        )
        self.state = accounts.evolve(self.state, event)

    def added_up(self, period: int) -> Spent:
        now = periods(self.date)[period]
        these = [w for d, w in self.payments if periods(d)[period] == now and w is not None]
        return Spent(sum(these), len(these))


@given(_steps)
def test_the_counters_are_what_the_payments_of_each_period_come_to(steps: Any) -> None:
    book = Book()
    for step in steps:
        book.play(*step)
        kept = book.state.spending
        if kept is not NO_SPENDING:
            assert kept.on_day(book.date) == book.added_up(0)
            assert kept.in_week_of(book.date) == book.added_up(1)
            assert kept.in_month_of(book.date) == book.added_up(2)


def test_a_week_begins_on_monday_and_may_lie_in_two_months() -> None:
    assert periods("2026-11-30") == ("2026-11-30", "2026-11-30", "2026-11")
    assert periods("2026-12-06") == ("2026-12-06", "2026-11-30", "2026-12")
    spent = NO_SPENDING.moved("2026-11-30", 100, 1).moved("2026-12-01", 50, 1)
    assert spent.in_week_of("2026-12-01") == Spent(150, 2)
    assert spent.in_month_of("2026-12-01") == Spent(50, 1)


def test_a_payment_counts_to_the_latest_day_where_the_clock_was_put_back() -> None:
    state = account()
    assert accounts.business_date(state, "2026-11-23") == "2026-11-23"
    debit = accounts.debit(
        context(), state, amount_cents=1, transaction_id=id_of(60), date="2026-11-24"
    )
    assert accounts.business_date(accounts.evolve(state, debit), "2026-11-23") == "2026-11-24"
