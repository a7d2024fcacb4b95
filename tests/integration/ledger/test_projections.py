"""Projections over a real database: what they hold, that they lose and repeat nothing, rebuilds."""

import random
import time
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import psycopg
import pytest
from msgspec.structs import replace

from application.states import EVOLVE
from domain.aggregates.account import Account
from domain.aggregates.card import Card
from domain.event import Event
from projections.directory import PIN_IS_SET
from tests.integration.ledger.databases import LedgerDatabase
from tests.integration.ledger.town import Town, busy_day
from tests.integration.ledger.views import TABLES, Views

MakeViews = Callable[..., Views]


@pytest.fixture
def views_of(ledger: LedgerDatabase) -> Iterator[MakeViews]:
    made: list[Views] = []

    def make(**options: Any) -> Views:
        made.append(Views(ledger, **options))
        return made[-1]

    yield make
    for views in made:
        views.close()


@pytest.fixture
def town() -> Town:
    return Town()


@pytest.fixture
def events(ledger: LedgerDatabase, town: Town) -> list[Event]:
    events = busy_day(town)
    ledger.append(events)
    return events


def test_settlements_hold_what_the_transactions_came_to(
    views_of: MakeViews, town: Town, events: list[Event]
) -> None:
    views = views_of()
    views.catch_up()
    payments = {each.transaction_id: each for each in views.settlements.changes(0, 999).payments}
    expected = {
        id: state
        for id, state in town.states.items()
        if type(state).__name__ == "Transaction" and state.account_id and state.code == "00"
    }
    assert payments.keys() == expected.keys()
    for id, state in expected.items():
        payment = payments[id]
        assert payment.net_cents == state.net_cents
        assert payment.authorized_cents == state.amount_cents
        assert (payment.status == "reversed") == (state.status == "reversed")
        assert (payment.shop_id, payment.card_id) == (state.shop_id, state.card_id)
        assert payment.terminal_label in ("Till 1", "Till 2")
        assert payment.kind == town.states[state.card_id].kind
    assert {each.status for each in payments.values()} == {"approved", "reversed", "corrected"}


def test_a_business_day_is_the_shops(ledger: LedgerDatabase, views_of: MakeViews) -> None:
    late = Town(1_795_069_800_000_000)  # 06:30 UTC: 01:30 in New York, 00:30 in Chicago, …
    company, events = late.company()
    (card,), more = late.person(company)
    events += more + late.refill(company, card)
    for zone in ("America/New_York", "America/Los_Angeles"):  # … and the day before in Los Angeles
        shop, more = late.shop(f"Shop in {zone}", zone)
        till, tills = late.terminal(shop)
        events += more + tills + late.payment(till, card)[1]
    ledger.append(events)
    views = views_of()
    views.catch_up()
    days = [each.local_date for each in views.settlements.changes(0, 99).payments]
    assert days == ["2026-11-19", "2026-11-18"]


def test_the_directory_holds_the_current_states(
    views_of: MakeViews, town: Town, events: list[Event]
) -> None:
    views = views_of()
    views.catch_up()
    listed: dict[UUID, Any] = {}
    for states in views.content()["directory"].values():
        listed |= {state.id: state for state in states}
    for id, state in town.states.items():
        if type(state).__name__ == "Transaction":
            assert id not in listed
        elif isinstance(state, Card):
            assert listed[id].status == state.status
            assert listed[id].pin_reference == (PIN_IS_SET if state.pin_reference else b"")
        elif isinstance(state, Account):
            assert listed[id] == replace(state, recent=(), gone=())
        else:
            assert listed[id] == state


def test_lists_are_by_owner_and_in_pages(
    views_of: MakeViews, town: Town, events: list[Event]
) -> None:
    views = views_of()
    views.catch_up()
    (company,) = next(views.directory.pages("company"))
    pages = list(views.directory.pages("card", company.id, size=3))
    assert [len(page) for page in pages] == [3, 1]
    account = pages[0][0].account_id
    assert len(next(views.directory.pages("card", account))) == 2
    assert len(next(views.directory.pages("account", company.id))) == 2
    assert list(views.directory.pages("card", UUID(int=9))) == []
    found = views.directory.get(account)
    assert found is not None
    assert found.company_id == company.id
    assert views.directory.get(UUID(int=9)) is None


def test_an_erased_person_is_in_no_list(
    ledger: LedgerDatabase, views_of: MakeViews, events: list[Event]
) -> None:
    views = views_of()
    views.catch_up()
    people = next(views.directory.pages("cardholder"))
    with ledger.pooled() as connection:
        connection.execute("DELETE FROM data_keys WHERE subject = %s", (people[0].id,))
    ledger.keys.__init__(ledger.connect, ledger.keys._hsm)  # type: ignore[misc]
    assert next(views.directory.pages("cardholder")) == people[1:]
    views.runner.rebuild("directory/1")
    views.catch_up()
    assert next(views.directory.pages("cardholder")) == people[1:]
    assert views.progress()["directory"].stuck == ""


def test_a_dump_shows_no_name_no_number_no_amount(
    ledger: LedgerDatabase, views_of: MakeViews, events: list[Event]
) -> None:
    views = views_of()
    views.catch_up()
    for table in TABLES:
        with ledger.pooled() as connection, connection.cursor() as cursor:
            with cursor.copy(f"COPY {table} TO STDOUT".encode()) as copy:
                text = b"".join(bytes(data) for data in copy)
            with cursor.copy(f"COPY {table} TO STDOUT (FORMAT BINARY)".encode()) as copy:
                text += b"".join(bytes(data) for data in copy)
        assert len(text) > 500
        for secret in (b"Wilhelmina", b"Feather", b"Diner", b"Acme", b"636012", b"Till", b"acme."):
            assert secret not in text
            assert secret.hex().encode() not in text


@pytest.mark.parametrize("batch", [1, 3, 7, 5_000])
def test_any_batches_come_to_the_same(
    ledger: LedgerDatabase, views_of: MakeViews, batch: int
) -> None:
    events = busy_day()
    views = views_of(batch=batch)
    for at in range(0, len(events), 9):
        ledger.append(events[at : at + 9])
        views.catch_up()
    live = views.content()
    for progress in views.progress().values():
        views.runner.rebuild(progress.name)
    views.catch_up()
    assert views.content() == live


def test_a_projection_that_is_behind_does_not_hold_up_the_others(
    views_of: MakeViews, events: list[Event]
) -> None:
    views = views_of(batch=5)
    views.catch_up()
    views.runner.rebuild("settlements/2")
    views.runner.run_once()
    progress = views.progress()
    assert progress["settlements"].position < progress["directory"].position == 61
    assert progress["directory"].as_of_us > 0 == progress["settlements"].as_of_us
    views.catch_up()
    assert views.progress()["settlements"].position == 61


def test_a_second_runner_stands_by_and_takes_over(
    ledger: LedgerDatabase, views_of: MakeViews, events: list[Event]
) -> None:
    first, second = views_of(), views_of()
    first.catch_up()
    second.runner.run_once()
    assert not any(each.ours for each in second.progress().values())
    before = first.content()
    first.close()
    ledger.append(busy_day(Town(1_796_000_000_000_000)))
    second.catch_up()
    assert all(each.ours for each in second.progress().values())
    assert second.content()["tracking"] != before["tracking"]


def test_a_runner_that_lost_its_lock_unnoticed_stores_nothing(
    ledger: LedgerDatabase, views_of: MakeViews, events: list[Event]
) -> None:
    views = views_of()
    views.catch_up()
    with ledger.pooled() as connection:  # as if another runner had moved on
        connection.execute("UPDATE projections SET position = 50")
    ledger.append(busy_day(Town(1_796_000_000_000_000)))
    before = views.rows("SELECT count(*) FROM settlements")
    with pytest.raises(Exception, match="somebody else moved"):
        views.runner.run_once()
    assert views.rows("SELECT count(*) FROM settlements") == before


def test_it_survives_lost_connections(ledger: LedgerDatabase, views_of: MakeViews) -> None:
    """Killed again and again in the middle of its work, it loses and repeats nothing."""
    views = views_of(batch=4, poll_s=0.05, coalesce_s=0.0)
    views.runner.start()
    luck = random.Random(7)
    with ledger.as_attacker() as connection:
        for day in range(6):
            ledger.append(busy_day(Town(1_796_000_000_000_000 + day * 86_400_000_000)))
            views.runner.wake()
            for _ in range(3):
                time.sleep(luck.random() * 0.03)
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE usename = 'ledger_backend' AND query NOT LIKE 'COPY events%'"
                    " AND datname = current_database() AND query ~ 'projections|directory|settle'"
                )
    assert views.runner.wait_for("directory/1", 366, 20)
    assert views.runner.wait_for("settlements/2", 366, 20)
    assert views.runner.wait_for("card_streams/1", 366, 20)
    live = views.content()
    views.close()
    again = views_of()
    for progress in again.progress().values():
        again.runner.rebuild(progress.name)
    again.catch_up()
    assert again.content() == live


def test_a_changed_row_stops_only_those_that_want_it(
    ledger: LedgerDatabase, views_of: MakeViews, events: list[Event]
) -> None:
    at = next(n for n, event in enumerate(events, 1) if event.TOPIC.startswith("account.debited/"))
    with ledger.as_attacker() as connection:
        connection.execute(
            "UPDATE events SET state = set_byte(state, 60, get_byte(state, 60) # 1)"
            " WHERE position = %s",
            (at,),
        )
    views = views_of()
    views.catch_up()
    progress = views.progress()
    assert progress["settlements"].position == progress["card_streams"].position == 61
    assert progress["directory"].position == at - 1
    assert progress["directory"].stuck == f"event {at} does not open"


def test_a_payload_moved_to_another_row_does_not_open(
    ledger: LedgerDatabase, views_of: MakeViews, events: list[Event]
) -> None:
    from projections.ports import ReadModelChanged

    views = views_of()
    views.catch_up()
    with ledger.as_attacker() as connection:
        connection.execute("UPDATE settlements SET local_date = local_date + 1")
    with pytest.raises(ReadModelChanged):
        views.settlements.changes(0, 99)


def test_wait_for_tells_whether_it_is_there(
    ledger: LedgerDatabase, views_of: MakeViews, events: list[Event]
) -> None:
    views = views_of(coalesce_s=0.0)
    assert not views.runner.wait_for("directory/1", 61, 0.05)
    views.runner.start()
    assert views.runner.wait_for("directory/1", 61, 10)
    with pytest.raises(KeyError):
        views.runner.rebuild("no such projection")


def test_the_roles_may_do_what_they_must_and_no_more(ledger: LedgerDatabase) -> None:
    with ledger.pooled() as connection:
        for table in TABLES:
            connection.execute(f"DELETE FROM {table}".encode())
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("DELETE FROM events")
    with psycopg.connect(ledger.auditor_dsn) as auditor:
        auditor.execute("SELECT count(*) FROM events")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            auditor.execute("SELECT count(*) FROM settlements")


def test_evolve_is_what_the_town_used(town: Town) -> None:
    """The comparisons above mean something only if the town's states are the domain's."""
    events = busy_day(town)
    states: dict[UUID, object] = {}
    for event in events:
        states[event.originator_id] = EVOLVE[type(event)](states.get(event.originator_id), event)
    assert states == town.states
