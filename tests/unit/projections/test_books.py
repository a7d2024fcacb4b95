"""The books' projection over tables in memory: marks, and what the bank is expected to show."""

import random
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from domain.aggregates import closing, reconciliation
from domain.aggregates.account import Account
from domain.aggregates.reconciliation import MatchedLine
from domain.books.bank import Expected
from domain.books.chart import BANK, CARDHOLDERS, COMPANY_FUNDS
from domain.books.days import TIMEZONE, clock_day, next_day
from domain.books.running import Running
from domain.event import Event
from projections.books import Books
from projections.ports import Entry
from tests.integration.ledger.town import Town, busy_day

DAY_US = 86_400_000_000


class MemoryTables:
    """`projections.books.BookTables`; refuses what a database would."""

    def __init__(self) -> None:
        self.marks: dict[int, Running] = {}
        self.expected: dict[int, Expected] = {}
        self.matched: dict[int, int | None] = {}

    def last(self) -> Running:
        return self.marks[max(self.marks)].copied() if self.marks else Running()

    def put_marks(self, marks: Sequence[Running]) -> None:
        for mark in marks:
            self.marks.setdefault(mark.position, mark.copied())

    def drop_mark(self, position: int) -> None:
        del self.marks[position]

    def movements(self, positions: Sequence[int]) -> Mapping[int, Expected]:
        return {at: self.expected[at] for at in positions if at in self.expected}

    def put_movements(self, movements: Sequence[tuple[Expected, int | None]]) -> None:
        for movement, matched in movements:
            self.expected[movement.position] = movement
            self.matched[movement.position] = matched


def entries(events: Sequence[Event], first: int = 1) -> list[Entry]:
    return [Entry(at, each) for at, each in enumerate(events, first) if each.TOPIC in Books.topics]


def project(
    parts: Sequence[Sequence[Entry]], *, forget: bool = False, mark_every: int = 5
) -> MemoryTables:
    tables = MemoryTables()
    projection = Books(tables, mark_every)
    for part in parts:
        projection.project(part)
        if forget:
            projection.forget()
    return tables


def matched(town: Town, at: int, cents: int) -> Event:
    line = MatchedLine(
        entry=f"entry {at}", day="2026-11-19", amount_cents=cents, expected_position=at,
        clears=COMPANY_FUNDS, how="reference",
    )  # fmt: skip
    before = town.states.get(reconciliation.RECONCILIATION_ID)
    return town.happened(
        reconciliation.match_statement(
            town.context(), before, statement="1", file_sha256="", lines=(line,)
        )
    )[0]


def days(count: int = 3) -> list[Event]:
    """Several busy days of a town, with a refill that came in at the bank."""
    town = Town()
    events: list[Event] = []
    for _ in range(count):
        events += busy_day(town, payments=12)
        town.now_us += DAY_US
    position = next(n for n, event in enumerate(events, 1) if event.TOPIC == "refill.credited/1")
    return [*events, matched(town, position, 100_000)]


EVENTS = days()
ENTRIES = entries(EVENTS)


@given(st.lists(st.integers(0, len(ENTRIES)), max_size=6), st.booleans())
def test_however_the_log_is_cut_it_comes_to_the_same(cuts: list[int], forget: bool) -> None:
    edges = [0, *sorted(cuts), len(ENTRIES)]
    parts = [ENTRIES[a:b] for a, b in pairwise(edges)]
    tables, whole = project(parts, forget=forget), project([ENTRIES])
    assert tables.expected == whole.expected
    assert tables.matched == whole.matched
    assert tables.last() == whole.last()
    assert tables.marks == whole.marks


def test_a_mark_ends_every_day_and_stands_every_few_postings() -> None:
    tables = project([[each] for each in ENTRIES], mark_every=1_000)
    found = [tables.marks[at].day for at in sorted(tables.marks)]
    first = clock_day(Town().now_us)
    second = next_day(first)
    assert found == [first, second, next_day(second), next_day(next_day(second))]
    many = project([[each] for each in ENTRIES], mark_every=5)
    assert len(many.marks) > 10
    assert any(mark.events % 5 == 0 for mark in many.marks.values())


def test_what_came_in_at_the_bank_is_matched() -> None:
    tables = project([ENTRIES[:-1], ENTRIES[-1:]])
    (settled,) = [each for each in tables.expected.values() if each.entry]
    assert tables.matched[settled.position] == len(EVENTS)
    assert tables.last().balances[BANK] == 100_000


def test_it_stands_still_where_money_was_matched_that_nobody_expects() -> None:
    with pytest.raises(LookupError, match=str(len(EVENTS))):
        project([ENTRIES[-1:]])


class Ledger(RuleBasedStateMachine):
    """Any life of a small town; after every step the books hold what the accounts hold."""

    @initialize(seed=st.integers(0, 1_000), mark_every=st.sampled_from([1, 3, 1_000]))
    def begin(self, seed: int, mark_every: int) -> None:
        self.luck = random.Random(seed)
        self.town = Town()
        self.tables = MemoryTables()
        self.books = Books(self.tables, mark_every)
        self.position = 0
        self.payments: list[Any] = []
        self.closed = ""
        self.of_closed: dict[str, int] = {}
        self.company, events = self.town.company()
        shop, more = self.town.shop()
        self.till, tills = self.town.terminal(shop)
        self.happened([*events, *more, *tills])
        self.cards = []
        for _ in range(2):
            (card,), more = self.town.person(self.company)
            self.cards.append(card)
            self.happened(more)

    def happened(self, events: list[Event]) -> None:
        self.books.project(entries(events, self.position + 1))
        self.position += len(events)

    @rule(cents=st.integers(1, 10_000))
    def refill(self, cents: int) -> None:
        self.happened(self.town.refill(self.company, self.luck.choice(self.cards), cents))

    @rule(cents=st.integers(1, 10_000))
    def pay(self, cents: int) -> None:
        card = self.luck.choice(self.cards)
        id, events = self.town.payment(self.till, card, cents)
        self.payments.append(id)
        self.happened(events)

    @rule()
    def reverse(self) -> None:
        if self.payments:
            self.happened(self.town.reversal(self.luck.choice(self.payments), self.till))

    @rule(cents=st.integers(0, 5_000))
    def correct(self, cents: int) -> None:
        for id in self.payments:
            state = self.town.states[id]
            if state.status == "approved" and state.net_cents > cents:
                self.happened(self.town.correction(id, cents))
                return

    @rule(hours=st.integers(-30, 30))
    def clock(self, hours: int) -> None:
        self.town.now_us += hours * 3_600_000_000

    @rule()
    def close(self) -> None:
        before = self.tables.last()
        if not before.events or before.day <= self.closed:
            return
        self.closed, self.of_closed = before.day, before.of_chart()
        self.happened([
            closing.close(
                self.town.context(), None, day=before.day, timezone=TIMEZONE,
                position=before.position, postings=before.events, balances=self.of_closed,
                text="", note="",
            )
        ])  # fmt: skip

    @rule()
    def begin_anew(self) -> None:
        self.books.forget()

    @invariant()
    def the_sum_is_zero(self) -> None:
        assert all(mark.sum_cents == 0 for mark in self.tables.marks.values())

    @invariant()
    def the_books_hold_what_the_accounts_hold(self) -> None:
        held = [each for each in self.town.states.values() if isinstance(each, Account)]
        owed = -self.tables.last().of_chart()[CARDHOLDERS]
        assert owed == sum(account.balance_cents for account in held)

    @invariant()
    def a_closed_day_stays_as_it_is(self) -> None:
        of_day = [each for each in self.tables.marks.values() if each.day <= self.closed]
        if of_day:
            assert max(of_day, key=lambda each: each.position).of_chart() == self.of_closed

    @invariant()
    def days_grow_with_positions(self) -> None:
        found = [self.tables.marks[at].day for at in sorted(self.tables.marks)]
        assert found == sorted(found)


TestLedger = Ledger.TestCase
