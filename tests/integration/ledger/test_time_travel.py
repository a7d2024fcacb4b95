"""An account at every moment of its past is what its events had come to by then."""

from collections.abc import Iterator

import pytest

from application.states import EVOLVE
from application.time_travel import account_at
from domain.aggregates.account import Account, AccountOpened
from projections.ports import Unreadable
from tests.integration.ledger.databases import LedgerDatabase
from tests.integration.ledger.town import Town, busy_day
from tests.integration.ledger.views import Views


@pytest.fixture
def views(ledger: LedgerDatabase) -> Iterator[Views]:
    views = Views(ledger)
    yield views
    views.close()


def test_at_every_event_and_moment(ledger: LedgerDatabase, views: Views) -> None:
    events = busy_day(Town(), people=3, payments=20)
    ledger.append(events)
    for opened in [event for event in events if isinstance(event, AccountOpened)]:
        account: Account | None = None
        for position, event in enumerate(events, 1):
            if event.originator_id == opened.originator_id:
                account = EVOLVE[type(event)](account, event)
            by_event = account_at(views.reader, opened.originator_id, position=position)
            by_time = account_at(
                views.reader, opened.originator_id, at_us=events[position - 1].recorded_at_us
            )
            assert (by_event.account if by_event else None) == account
            assert (by_time.account if by_time else None) is not None or account is None
        now = account_at(views.reader, opened.originator_id)
        assert now is not None
        assert (now.account, now.later) == (account, 0)
        assert (
            account_at(views.reader, opened.originator_id, at_us=opened.recorded_at_us - 1) is None
        )


def test_what_came_later_is_counted(ledger: LedgerDatabase, views: Views) -> None:
    events = busy_day(Town(), people=1, payments=6)
    ledger.append(events)
    (opened,) = [event for event in events if isinstance(event, AccountOpened)]
    of_account = [event for event in events if event.originator_id == opened.originator_id]
    past = account_at(views.reader, opened.originator_id, at_us=of_account[1].recorded_at_us)
    assert past is not None
    assert past.events + past.later == len(of_account)
    assert past.at_us == of_account[past.events - 1].recorded_at_us


def test_other_streams_are_no_accounts(ledger: LedgerDatabase, views: Views) -> None:
    events = busy_day(Town(), people=1, payments=2)
    ledger.append(events)
    others = {e.originator_id for e in events if not e.TOPIC.startswith("account.")}
    assert all(account_at(views.reader, id) is None for id in others)


def test_a_changed_row_is_not_passed_over(ledger: LedgerDatabase, views: Views) -> None:
    events = busy_day(Town(), people=1, payments=4)
    ledger.append(events)
    (opened,) = [event for event in events if isinstance(event, AccountOpened)]
    with ledger.as_attacker() as connection:
        connection.execute(
            "UPDATE events SET state = overlay(state PLACING '\\x00' FROM 40 FOR 1)"
            " WHERE originator_id = %s AND originator_version = 2",
            (opened.originator_id,),
        )
    with pytest.raises(Unreadable):
        account_at(views.reader, opened.originator_id)
