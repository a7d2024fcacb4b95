"""A company's past again under other terms, read from a real log beside other companies' events."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest

from adapters.backend.operator_ports import Denied, Tried
from adapters.postgres.log_reader import SealedLogReader
from adapters.rehearsals import Rehearsals
from domain.event import Event
from tests.integration.ledger.databases import LedgerDatabase
from tests.integration.ledger.town import Town
from tests.integration.ledger.views import Views

DAY_US = 24 * 3600 * 1_000_000
LUNCHES = 5


class Past:
    """Five days: Ann has one lunch of $12.50 a day, Bob two of $8.00; so do others elsewhere."""

    def __init__(self) -> None:
        self.town = Town()
        self.events: list[Event] = []
        self.shop = self._made(self.town.shop())
        self.till = self._made(self.town.terminal(self.shop))
        self.company = self._made(self.town.company())
        other = self._made(self.town.company("Other Corp"))
        self.ann, self.bob, stranger = (
            self._card(company) for company in (self.company, self.company, other)
        )
        self.payments: list[UUID] = []
        for _ in range(LUNCHES):
            self.town.now_us += DAY_US
            self.pay(self.ann, 1_250)
            for card in (self.bob, stranger, self.bob, stranger):
                self.pay(card, 800)

    def pay(self, card: UUID, cents: int, **more: Any) -> UUID:
        id: UUID = self._made(self.town.payment(self.till, card, cents, **more))
        self.payments.append(id)
        return id

    def _made(self, made: tuple[Any, list[Event]]) -> Any:
        self.events += made[1]
        return made[0]

    def _card(self, company: UUID) -> UUID:
        (card,) = self._made(self.town.person(company))
        self.events += self.town.refill(company, card)
        found: UUID = card
        return found

    def account(self, card: UUID) -> str:
        return str(self.town.states[card].account_id)


@pytest.fixture
def views(ledger: LedgerDatabase) -> Iterator[Views]:
    views = Views(ledger)
    yield views
    views.close()


def rehearse(
    ledger: LedgerDatabase, views: Views, past: Past, days: int = 30, **changes: Any
) -> list[dict[str, Any]]:
    """The rows of a rehearsal a minute after the last event."""
    rehearsals = Rehearsals(
        lambda: SealedLogReader(ledger.connect, ledger.mapper),
        views.directory,
        views.streams,
        lambda: past.town.now_us + 60_000_000,
        rest=lambda seconds: None,
    )
    told: list[tuple[int, int]] = []
    tried = Tried(company_id=past.company, days=days, changes=changes, from_standard=False)
    rows = rehearsals.rehearse(tried, lambda done, of: told.append((done, of)))
    assert told == [(0, 2), (1, 2)]
    return rows


def test_what_a_tighter_limit_would_have_refused(ledger: LedgerDatabase, views: Views) -> None:
    past = Past()
    past.events += past.town.reversal(past.payments[0], past.till)
    ledger.append(past.events)
    views.catch_up()
    summary, rule, *people = rehearse(ledger, views, past, per_day_cents=1_000)
    lunches, refused = 3 * LUNCHES, 2 * LUNCHES
    assert (summary["approved"], summary["declined"]) == (lunches, 0)
    assert (summary["would_refuse"], summary["would_refuse_cents"]) == (refused, 5 * 2_050)
    assert summary["cost_before_cents"] == 5 * (1_250 + 1_600) - 1_250, "one was taken back"
    assert summary["cost_after_cents"] == 5 * 800
    assert (rule["rule"], rule["reason"]) == ("within_daily_limit", "daily-limit")
    assert [(row["account"], row["refused"]) for row in people] == [
        (past.account(past.ann), LUNCHES),
        (past.account(past.bob), LUNCHES),
    ]


def test_only_the_days_that_were_asked_for_count(ledger: LedgerDatabase, views: Views) -> None:
    past = Past()
    ledger.append(past.events)
    views.catch_up()
    (summary, *_) = rehearse(ledger, views, past, days=2, per_payment_cents=1)
    assert (summary["approved"], summary["would_refuse"]) == (6, 6)


def test_a_limit_of_a_month_counts_what_was_paid_before(
    ledger: LedgerDatabase, views: Views
) -> None:
    past = Past()
    ledger.append(past.events)
    views.catch_up()
    unchanged = rehearse(ledger, views, past)
    assert unchanged[0]["would_refuse"] == 0
    assert len(unchanged) == 1
    (summary, *_) = rehearse(ledger, views, past, days=1, per_month_cents=100_000)
    assert summary["would_refuse"] == 0
    (summary, *_) = rehearse(ledger, views, past, days=1, per_month_cents=2_000)
    assert summary["would_refuse"] == 3, "what was spent before those days counts too"


def test_what_was_refused_may_have_passed(ledger: LedgerDatabase, views: Views) -> None:
    past = Past()
    past.pay(past.ann, 3_000, pin_right=None)  # 55 pin-required
    past.pay(past.ann, 900_000)  # more than anybody has
    ledger.append(past.events)
    views.catch_up()
    (summary, *rest) = rehearse(ledger, views, past, pin_free_cents=5_000)
    assert (summary["declined"], summary["would_allow"]) == (2, 1)
    assert summary["would_allow_cents"] == 3_000
    assert summary["cost_after_cents"] - summary["cost_before_cents"] == 3_000
    assert [row["allowed"] for row in rest] == [1]
    (summary, *_) = rehearse(ledger, views, past, pin_free_cents=1_000)
    assert (summary["would_ask_pin"], summary["would_allow"]) == (LUNCHES, 0)


def test_a_company_that_is_not_there_is_refused(ledger: LedgerDatabase, views: Views) -> None:
    past = Past()
    past.company = past.town.new_id()
    with pytest.raises(Denied, match="no-such-company"):
        rehearse(ledger, views, past)
