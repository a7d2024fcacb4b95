"""The settlement projection over tables in memory: what one batch comes to, and what stops it."""

from collections.abc import Collection, Iterable, Sequence
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.aggregates.account import Account
from domain.event import Event
from domain.local_time import local_date
from projections.ports import Entry
from projections.settlements import Adjustment, Payment, SettledShop, Settlements
from tests.integration.ledger.town import Town, busy_day, eventful_day


class MemoryTables:
    """`projections.settlements.SettlementTables`; refuses what a database would."""

    def __init__(self) -> None:
        self.known_shops: dict[UUID, SettledShop] = {}
        self.known_payments: dict[UUID, Payment] = {}
        self.adjustments: dict[int, Adjustment] = {}

    def shops(self, ids: Collection[UUID]) -> dict[UUID, SettledShop]:
        return {id: self.known_shops[id] for id in ids if id in self.known_shops}

    def put_shops(self, shops: Iterable[SettledShop]) -> None:
        self.known_shops |= {shop.id: shop for shop in shops}

    def payments(self, ids: Collection[UUID]) -> dict[UUID, Payment]:
        return {id: self.known_payments[id] for id in ids if id in self.known_payments}

    def add_payments(self, payments: Sequence[Payment]) -> None:
        for payment in payments:
            assert payment.transaction_id not in self.known_payments
            self.known_payments[payment.transaction_id] = payment

    def change_payments(self, payments: Sequence[Payment]) -> None:
        for payment in payments:
            assert payment.transaction_id in self.known_payments
            self.known_payments[payment.transaction_id] = payment

    def add_adjustments(self, adjustments: Sequence[Adjustment]) -> None:
        for adjustment in adjustments:
            assert adjustment.position not in self.adjustments
            self.adjustments[adjustment.position] = adjustment


def entries(events: Sequence[Event], first: int = 1) -> list[Entry]:
    return [
        Entry(at, event)
        for at, event in enumerate(events, first)
        if event.TOPIC in Settlements.topics
    ]


def project(
    parts: Sequence[Sequence[Entry]], *, forget: bool = False, keep_shops: int = 20_000
) -> MemoryTables:
    tables = MemoryTables()
    projection = Settlements(tables, keep_shops)
    for part in parts:
        projection.project(part)
        if forget:
            projection.forget()
    return tables


EVENTS = entries(busy_day(payments=30))


@given(st.lists(st.integers(0, len(EVENTS)), max_size=6), st.booleans())
def test_however_the_log_is_cut_it_comes_to_the_same(cuts: list[int], forget: bool) -> None:
    edges = [0, *sorted(cuts), len(EVENTS)]
    parts = [EVENTS[a:b] for a, b in pairwise(edges)]
    tables, whole = project(parts, forget=forget), project([EVENTS])
    assert tables.known_payments == whole.known_payments
    assert tables.known_shops == whole.known_shops
    assert tables.adjustments == whole.adjustments


def test_a_batch_may_name_more_shops_than_it_remembers() -> None:
    town = Town()
    shops = [town.shop(f"Shop {n}") for n in range(3)]
    events = [event for _, made in shops for event in made]
    for label in ("Till 1", "Till 2"):
        for shop, _ in shops:
            events += town.terminal(shop, label)[1]
    tables = project([entries(events)], keep_shops=1)
    for shop, _ in shops:
        assert list(tables.known_shops[shop].terminals.values()) == ["Till 1", "Till 2"]


def test_what_shops_are_owed_is_what_accounts_paid() -> None:
    """Double entry: the debits of all accounts and the credits of all shops are one sum."""
    town = Town()
    events = busy_day(town, payments=40)
    tables = project([entries(events)])
    owed = sum(payment.worth_cents for payment in tables.known_payments.values())
    credits: list[Any] = [event for event in events if event.TOPIC == "account.credited/1"]
    credited = sum(event.amount_cents for event in credits)
    left = sum(state.balance_cents for state in town.states.values() if isinstance(state, Account))
    assert owed > 0
    assert owed == credited - left


def test_whatever_becomes_of_payments_shops_are_owed_what_accounts_paid() -> None:
    town = Town()
    _, events = eventful_day(town)
    tables = project([[entry] for entry in entries(events)], forget=True)
    payments = list(tables.known_payments.values())
    assert [(each.status, each.net_cents) for each in payments] == [
        ("tipped", 1_200), ("voided", 0), ("refunded", 652), ("refunded", 503),
        ("approved", 1_004), ("approved", 1_005),
    ]  # fmt: skip
    (left,) = (s.balance_cents for s in town.states.values() if isinstance(s, Account))
    assert sum(each.net_cents for each in payments) == 100_000 - left


DAY_US = 24 * 3600 * 1_000_000


def test_what_becomes_of_a_payment_of_a_settled_day_is_a_row_of_its_own() -> None:
    town = Town()
    company, events = town.company()
    (card,), person = town.person(company)
    shop, more = town.shop()
    till, terminal = town.terminal(shop)
    events += person + town.refill(company, card) + more + terminal
    refunded, first = town.payment(till, card, 1_000)
    lost, second = town.payment(till, card, 2_000)
    won, third = town.payment(till, card, 500)
    events += first + second + third
    town.now_us += DAY_US
    next_day = local_date(town.now_us, "America/Chicago")
    events += town.adjusted(refunded, till, "REFUND", 300)
    events += town.disputed(lost, 0) + town.disputed(won, 450)
    tables = project([entries(events)])

    payments = tables.known_payments
    assert [payments[id].net_cents for id in (refunded, lost, won)] == [1_000, 2_000, 500]
    assert [payments[id].worth_cents for id in (refunded, lost, won)] == [700, 2_000, 50]
    assert [payments[id].status_now for id in (refunded, lost, won)] == [
        "refunded", "approved", "refunded",
    ]  # fmt: skip
    late = [each for each in tables.adjustments.values() if each.late]
    assert [(each.kind, each.change_cents, each.local_date) for each in late] == [
        ("refunded", -300, next_day), ("disputed", -450, next_day),
    ]  # fmt: skip


def test_a_settled_day_stays_and_the_change_is_a_row_of_the_day_it_is_made_on() -> None:
    town = Town()
    company, events = town.company()
    (card,), more = town.person(company)
    events += more + town.refill(company, card)
    shop, more = town.shop()
    till, tills = town.terminal(shop)
    events += more + tills
    same_day, more = town.payment(till, card, 1_000)
    events += more + town.correction(same_day, 900)
    late, more = town.payment(till, card, 2_000)
    events += more
    taken, more = town.payment(till, card, 500)
    events += more
    day = local_date(town.now_us, "America/Chicago")
    town.now_us += DAY_US
    next_day = local_date(town.now_us, "America/Chicago")
    events += town.correction(late, 1_500) + town.correction(late, 1_600)
    events += town.reversal(taken, till)
    tables = project([entries(events)])

    payments = tables.known_payments
    assert (payments[same_day].net_cents, payments[same_day].status) == (900, "corrected")
    assert (payments[late].net_cents, payments[late].status) == (2_000, "approved")
    assert (payments[late].worth_cents, payments[late].status_now) == (1_600, "corrected")
    assert (payments[taken].net_cents, payments[taken].worth_cents) == (500, 0)
    assert payments[taken].status_now == "reversed"
    assert {each.local_date for each in payments.values()} == {day}

    folded, first, second, back = (tables.adjustments[at] for at in sorted(tables.adjustments))
    assert (folded.late, folded.local_date) == (False, day)
    assert [each.late for each in (first, second, back)] == [True] * 3
    assert [each.change_cents for each in (first, second, back)] == [-500, 100, -500]
    assert {each.local_date for each in (first, second, back)} == {next_day}
    assert (first.transaction_id, first.payment_date) == (late, day)
    assert len({first.id, second.id, back.id}) == 3


def test_a_late_terminal_does_not_make_its_shop_news_again() -> None:
    town = Town()
    shop, events = town.shop()
    events += town.terminal(shop, "Till 9")[1]
    tables = project([entries(events)])
    assert tables.known_shops[shop].position == 1
    assert list(tables.known_shops[shop].terminals.values()) == ["Till 9"]


def test_a_reversal_that_came_first_is_no_payment() -> None:
    town = Town()
    shop, events = town.shop()
    till, more = town.terminal(shop)
    events += more + town.reversal(town.next_payment(till), till)
    assert project([entries(events)]).known_payments == {}


@pytest.mark.parametrize("topic", ["transaction.authorized/2", "transaction.reversed/1"])
def test_it_stands_still_rather_than_keep_wrong_books(topic: str) -> None:
    lone = next(
        entry
        for entry in EVENTS
        if topic == entry.event.TOPIC and getattr(entry.event, "corrects_version", True)
    )
    with pytest.raises(LookupError, match=str(lone.position)):
        project([[lone]])
