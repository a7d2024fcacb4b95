"""The directory over a table in memory: however the log is cut, and whatever is forgotten."""

from collections.abc import Collection, Sequence
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from application.decide_refill import ChargeBack
from application.states import EVOLVE
from domain.aggregates import account as accounts
from domain.aggregates import expired_money
from domain.aggregates.account import Account
from domain.aggregates.card import Card
from domain.event import Event
from projections.directory import PIN_IS_SET, Directory, Listed, listed
from projections.ports import Entry
from tests.integration.ledger.town import Town, busy_day
from tests.unit.application.ledger_double import DEADLINE_US, origin
from tests.unit.application.refilling import LINES, credited_by_card, state, step_back
from tests.unit.domain import material


class MemoryTable:
    """`projections.directory.DirectoryTable`; refuses what a database would."""

    def __init__(self) -> None:
        self.rows: dict[UUID, Listed] = {}

    def load(self, ids: Collection[UUID]) -> dict[UUID, Listed]:
        return {id: self.rows[id] for id in ids if id in self.rows}

    def add(self, new: Sequence[Listed]) -> None:
        for each in new:
            assert each.state.id not in self.rows
            self.rows[each.state.id] = each

    def change(self, changed: Sequence[Listed]) -> None:
        for each in changed:
            assert each.state.id in self.rows
            self.rows[each.state.id] = each


def entries(events: Sequence[Event]) -> list[Entry]:
    return [
        Entry(at, event) for at, event in enumerate(events, 1) if event.TOPIC in Directory.topics
    ]


def replayed(entries: Sequence[Entry]) -> dict[UUID, Listed]:
    """The slow way that is right at a glance: every event in turn, nothing ever forgotten."""
    states: dict[UUID, Any] = {}
    rows: dict[UUID, Listed] = {}
    for position, event in entries:
        state = EVOLVE[type(event)](states.get(event.originator_id), event)
        states[event.originator_id] = state
        if isinstance(state, Card) and state.pin_reference:
            state = replace(state, pin_reference=PIN_IS_SET)
        if isinstance(state, Account):
            state = replace(state, recent=(), gone=())
        rows[event.originator_id] = listed(position, state)
    return rows


EVENTS = entries(busy_day(people=4, payments=40))


@given(
    cuts=st.lists(st.integers(0, len(EVENTS)), max_size=8),
    keep=st.integers(1, 30),
    lost=st.sets(st.integers(0, 8)),
)
def test_however_little_it_remembers_it_comes_to_the_same(
    cuts: list[int], keep: int, lost: set[int]
) -> None:
    """`lost`: batches that were projected but not stored, and are projected again."""
    table = MemoryTable()
    projection = Directory(table, keep=keep)
    for number, (a, b) in enumerate(pairwise([0, *sorted(cuts), len(EVENTS)])):
        if number in lost:
            before = dict(table.rows)
            projection.project(EVENTS[a:b])
            table.rows = before
            projection.forget()
        projection.project(EVENTS[a:b])
    assert table.rows == replayed(EVENTS)


def test_a_batch_may_touch_more_than_it_remembers() -> None:
    """An account known when the batch begins is pushed out by others before its turn comes."""
    town = Town()
    company, _ = town.company()
    people = [town.person(company) for _ in range(5)]
    opened = [event for _, events in people for event in events]
    paid = [event for (card,), _ in people for event in town.refill(company, card)]
    accounts = [each for each in entries(opened + paid) if each.event.TOPIC.startswith("account.")]
    table = MemoryTable()
    projection = Directory(table, keep=6)
    projection.project(accounts[:5])
    projection.project(accounts[5:])
    assert table.rows == replayed(accounts)


@pytest.mark.parametrize(("kept", "read"), [(1, 2), (2, 0)])
def test_a_large_refill_is_read_again_where_it_moves_after_a_rest(
    kept: int, read: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two lines: it rests between payment and approval, and from its crediting to a dispute."""
    monkeypatch.setattr("projections.directory.LINES_KEPT", kept)
    place, id = credited_by_card()
    place.when(ChargeBack(origin(90), DEADLINE_US, refill_id=id, text="x"))
    place.when(step_back(state(place, id), LINES))
    asked: list[UUID] = []

    class Asked(MemoryTable):
        def load(self, ids: Collection[UUID]) -> dict[UUID, Listed]:
            asked.extend(ids)
            return super().load(ids)

    table = Asked()
    projection = Directory(table)
    of_refills = [each for each in entries(place.log.events) if "refill" in each.event.TOPIC]
    for each in of_refills:
        projection.project([each])
    assert asked.count(id) == read
    assert table.rows == replayed(of_refills)


@pytest.mark.parametrize("missing", [0, 1])
def test_it_stands_still_where_an_event_is_missing(missing: int) -> None:
    account = next(e.event.originator_id for e in EVENTS if e.event.TOPIC == "account.opened/1")
    of_account = [each for each in EVENTS if each.event.originator_id == account][:3]
    del of_account[missing]
    table = MemoryTable()
    with pytest.raises(LookupError, match=str(of_account[missing].position)):
        Directory(table).project(of_account)
    assert not any(isinstance(each.state, Account) for each in table.rows.values())


def test_what_only_decisions_need_is_in_no_row() -> None:
    from_the_past = material.context()
    opened = accounts.open(
        from_the_past, material.ACCOUNT, company_id=material.COMPANY, cardholder_id=material.HOLDER,
        timezone="America/Chicago", daily_limit_cents=5_000, currency="USD",
    )  # fmt: skip
    account = accounts.evolve(None, opened)
    credit = accounts.credit(
        from_the_past, account, amount_cents=500, refill_id=material.CARD, last_day="2026-01-31"
    )
    account = accounts.evolve(account, credit)
    (expired,) = expired_money.expire(from_the_past, account, material.TODAY)
    assert accounts.evolve(account, expired).gone
    table = MemoryTable()
    Directory(table).project(entries([opened, credit, expired]))
    assert table.rows[material.ACCOUNT].state.gone == ()
