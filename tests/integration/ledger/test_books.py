"""The books on real PostgreSQL: any position and day, closed days, the bank, attackers."""

import csv
import io
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from adapters.audit.note import Signer
from adapters.backend.operator_ports import Denied
from adapters.ledger_books import LedgerBooks
from adapters.ledger_views import LedgerViews
from application.close_day import CloseDay
from application.command import Command, Origin, Refused
from application.match_statement import MatchStatement
from application.ports import Rebuilding
from application.states import States
from domain.aggregates.account import Account
from domain.aggregates.closing import CLOSINGS_ID
from domain.aggregates.reconciliation import RECONCILIATION_ID, MatchedLine
from domain.books.chart import BANK, CARDHOLDERS, COMPANY_FUNDS, SHOPS
from domain.books.days import clock_day, next_day
from domain.books.matching import match
from domain.books.running import TOPICS, Running
from domain.books.statement import entries
from domain.event import Event
from projections.books import NAME
from tests.integration.ledger.databases import LedgerDatabase
from tests.integration.ledger.town import ISSUER, NOW_US, OPERATOR, Town, busy_day

DAY_US = 86_400_000_000
FIRST = clock_day(NOW_US)
SECOND = next_day(FIRST)
KEY = Ed25519PrivateKey.generate()


class Issuer:
    """Two days of a town in a ledger, its books, and a desk at which commands are carried out."""

    def __init__(self, ledger: LedgerDatabase) -> None:
        self.ledger = ledger
        self.town = Town()
        self.events: list[Event] = []
        self.now_us_ = NOW_US + 3 * DAY_US
        self.commands = 0
        self.happened(busy_day(self.town))
        self.town.now_us += DAY_US
        self.happened(busy_day(self.town))
        self.views = LedgerViews(
            ledger.dsn, ledger.keys, ledger.mapper, self, lambda: ledger.log.recorder.position
        )
        self.views.start()
        self.books = LedgerBooks(
            self.views.books,
            self.views.guarded,
            lambda: self.views.caught_up(NAME, 5.0),
            self,
            ISSUER,
            lambda: [Signer(KEY.public_key(), KEY.sign)],
        )

    def now_us(self) -> int:
        return self.now_us_

    def happened(self, events: list[Event]) -> None:
        self.ledger.append(events)
        self.events += events

    def origin(self) -> Origin:
        self.commands += 1
        command = UUID(int=(self.commands << 64) | (8 << 76) | (2 << 62))
        return Origin(
            command_id=command, issued_ms=self.now_us_ // 1000, actor=OPERATOR, issuer_id=ISSUER
        )

    def carry_out(self, command: Command) -> Any:
        outcome = command.decide(States(self.ledger.log), self.now_us_)
        if outcome.events:
            self.happened(list(outcome.events))
        return outcome.answer

    def close(self, day: str, **changes: Any) -> Any:
        found = self.books.open_day(date.fromisoformat(day))
        if found is None:
            return None
        facts = found._asdict() | changes
        note = self.books.sign(found.text)
        return self.carry_out(CloseDay(self.origin(), 0, note=note, **facts))

    def slow(self, upto: int) -> Running:
        """Every event in turn; nothing is remembered in between."""
        books = Running()
        for position, event in enumerate(self.events[:upto], 1):
            if event.TOPIC in TOPICS:
                books.take(position, event, books.day_of(event))
        return books

    def attack(self, statement: str) -> None:
        with self.ledger.as_attacker() as connection:
            connection.execute(statement.encode())

    def balances(self, at: int | date | None = None) -> dict[str, int]:
        shown = self.books.trial_balance(at)
        assert shown["sum_cents"] == 0
        return {each["code"]: each["balance_cents"] for each in shown["accounts"]}


@pytest.fixture
def issuer(ledger: LedgerDatabase) -> Iterator[Issuer]:
    made = Issuer(ledger)
    yield made
    made.views.stop()


def test_at_every_position_they_are_what_a_slow_replay_gives(issuer: Issuer) -> None:
    assert issuer.views.caught_up(NAME, 10)
    for position in (*range(0, len(issuer.events), 4), len(issuer.events)):
        expected = issuer.slow(position)
        assert issuer.balances(position) == expected.of_chart()
        assert issuer.books.trial_balance(position)["day"] == expected.day
    with pytest.raises(Denied, match="no-such-position"):
        issuer.balances(len(issuer.events) + 1)


def test_now_is_as_new_as_the_log_even_where_the_projection_is_behind(issuer: Issuer) -> None:
    issuer.views.runner.stop()
    company, more = issuer.town.company()
    (card,), person = issuer.town.person(company)
    before = issuer.balances()[CARDHOLDERS]
    issuer.happened(more + person + issuer.town.refill(company, card, 4_200))
    assert issuer.balances()[CARDHOLDERS] == before - 4_200


def test_cardholders_balances_are_those_of_the_accounts(issuer: Issuer) -> None:
    accounts = [each for each in issuer.town.states.values() if isinstance(each, Account)]
    assert -issuer.balances()[CARDHOLDERS] == sum(each.balance_cents for each in accounts) > 0


def test_a_day_is_what_was_recorded_until_its_end(issuer: Issuer) -> None:
    last = max(
        at for at, event in enumerate(issuer.events, 1) if clock_day(event.recorded_at_us) == FIRST
    )
    first = date.fromisoformat(FIRST)
    assert issuer.balances(first) == issuer.balances(last)
    assert issuer.balances(first - timedelta(days=1)) == Running().of_chart()
    assert issuer.balances(first + timedelta(days=9)) == issuer.balances()


@pytest.mark.parametrize("which", ["true", "position % 2 = 0", "position < 50"])
def test_a_mark_that_is_missing_changes_no_answer(issuer: Issuer, which: str) -> None:
    assert issuer.views.caught_up(NAME, 10)
    issuer.attack(f"DELETE FROM book_marks WHERE {which}")
    for position in (20, 61, len(issuer.events)):
        assert issuer.balances(position) == issuer.slow(position).of_chart()


def test_without_its_newest_row_it_is_built_anew(issuer: Issuer) -> None:
    assert issuer.views.caught_up(NAME, 10)
    issuer.attack("DELETE FROM book_marks")
    projection = next(
        place.projection for place in issuer.views.runner._places if place.projection.name == NAME
    )
    projection.forget()
    (card,) = [id for id, state in issuer.town.states.items() if type(state).__name__ == "Card"][:1]
    company = issuer.town.company()
    issuer.happened(company[1] + issuer.town.refill(company[0], card, 100))
    assert issuer.views.caught_up(NAME, 10)
    head = len(issuer.events)
    assert issuer.balances(head) == issuer.slow(head).of_chart()


def test_a_mark_that_was_changed_is_noticed_and_mended(issuer: Issuer) -> None:
    assert issuer.views.caught_up(NAME, 10)
    issuer.attack("UPDATE book_marks SET position = position + 1")
    with pytest.raises(Rebuilding):
        issuer.balances()
    assert issuer.views.caught_up(NAME, 10)
    assert issuer.balances() == issuer.slow(len(issuer.events)).of_chart()


def test_profit_is_what_income_accounts_came_to(issuer: Issuer) -> None:
    found = issuer.books.profit(date.fromisoformat(FIRST), date.fromisoformat(SECOND))
    assert found["profit_cents"] == 0
    assert {each["name"] for each in found["income"]} == {"Commission", "Company fees", "Breakage"}


@pytest.mark.parametrize("day", [date.min, date.max])
def test_the_ends_of_the_calendar_are_days_like_others(issuer: Issuer, day: date) -> None:
    assert issuer.books.profit(day, day)["profit_cents"] == 0
    assert len("".join(issuer.books.journal(day, day)).splitlines()) == 1
    waited_for = issuer.books.expected(day, day)[1]
    assert bool(waited_for) == (day == date.max), "all that is open until that day"


def test_the_journal_is_every_posting_and_names_what_is_corrected(issuer: Issuer) -> None:
    days = date.fromisoformat(FIRST), date.fromisoformat(SECOND)
    rows = list(csv.DictReader(io.StringIO("".join(issuer.books.journal(*days)))))
    books: dict[str, int] = {}
    for row in rows:
        amount = round(100 * (float(row["debit"] or 0) - float(row["credit"] or 0)))
        books[row["account"]] = books.get(row["account"], 0) + amount
    assert books == {code: cents for code, cents in issuer.balances().items() if cents}
    corrected = [row for row in rows if row["topic"] == "account.debit_corrected/1"]
    assert corrected
    assert all(len(row["corrects"].split(":")[0]) == 36 for row in corrected)
    first_only = "".join(issuer.books.journal(days[0], days[0]))
    assert SECOND not in first_only
    assert 10 < len(first_only.splitlines()) < len(rows)


# Closing


def test_days_close_in_order_and_once(issuer: Issuer) -> None:
    with pytest.raises(Denied) as early:
        issuer.close(SECOND)
    assert early.value.code == "out-of-order"
    assert FIRST in early.value.text
    assert issuer.close(FIRST)["day"] == FIRST
    assert issuer.close(FIRST) is None
    assert issuer.close(SECOND)["day"] == SECOND
    found = issuer.books.closings()
    assert [each["day"] for each in found] == [FIRST, SECOND]
    assert [each["fault"] for each in found] == ["", ""]
    assert f"\nprevious {found[0]['sha256']}\n" in found[1]["note"]
    assert issuer.books.trial_balance(date.fromisoformat(FIRST))["closed"]


def test_a_day_without_postings_closes_too(issuer: Issuer) -> None:
    third = next_day(SECOND)
    for day in (FIRST, SECOND, third):
        assert issuer.close(day)["day"] == day
    assert issuer.balances(date.fromisoformat(third)) == issuer.balances()


@pytest.mark.parametrize("hours", [-24, 0, 4])
def test_a_day_that_is_not_over_stays_open(issuer: Issuer, hours: int) -> None:
    """It ends at 05:00 UTC; five minutes are left for a clock that is set back."""
    issuer.now_us_ = NOW_US // DAY_US * DAY_US + DAY_US + hours * 3_600_000_000
    with pytest.raises(Denied, match="day-not-over"):
        issuer.close(FIRST)
    issuer.now_us_ = NOW_US // DAY_US * DAY_US + DAY_US + 5 * 3_600_000_000 + 299_000_000
    with pytest.raises(Denied, match="day-not-over"):
        issuer.close(FIRST)
    issuer.now_us_ += 2_000_000
    assert issuer.close(FIRST)["day"] == FIRST


def test_two_who_close_at_once_close_once(issuer: Issuer) -> None:
    found = issuer.books.open_day(date.fromisoformat(FIRST))
    assert found is not None
    note = issuer.books.sign(found.text)
    one, other = (CloseDay(issuer.origin(), 0, note=note, **found._asdict()) for _ in range(2))
    assert issuer.carry_out(one)["position"]
    assert issuer.carry_out(other) == {"day": FIRST, "closed_before": True}
    stale = CloseDay(issuer.origin(), 0, note=note, **{**found._asdict(), "day": SECOND})
    refused = issuer.carry_out(stale)
    assert isinstance(refused, Refused)
    assert refused.code == "closed-meanwhile"
    assert len(issuer.books.closings()) == 1
    another = CloseDay(one.origin, 0, note=note, **{**found._asdict(), "day": SECOND})
    states = States(issuer.ledger.log)
    assert one.repeated(states, CLOSINGS_ID)["repeated"]
    assert another.repeated(states, CLOSINGS_ID).code == "command-id-used"


def test_what_does_not_add_up_is_not_closed(issuer: Issuer) -> None:
    refused = issuer.close(FIRST, balances={CARDHOLDERS: -1})
    assert isinstance(refused, Refused)
    assert refused.code == "not-balanced"
    assert issuer.books.closings() == []


@pytest.mark.parametrize("set_back_us", [0, 2 * DAY_US])
def test_a_correction_after_the_close_is_of_a_later_day(issuer: Issuer, set_back_us: int) -> None:
    issuer.close(FIRST)
    issuer.close(SECOND)
    of_first, of_second = (issuer.balances(date.fromisoformat(day)) for day in (FIRST, SECOND))
    payment = next(
        id for id, state in issuer.town.states.items() if getattr(state, "net_cents", 0) > 500
    )
    issuer.town.now_us -= set_back_us
    issuer.happened(issuer.town.correction(payment, 400))
    assert issuer.balances(date.fromisoformat(FIRST)) == of_first
    assert issuer.balances(date.fromisoformat(SECOND)) == of_second
    later = next_day(SECOND)
    assert issuer.balances(date.fromisoformat(later))[SHOPS] > of_second[SHOPS]
    (row, _) = csv.DictReader(
        io.StringIO("".join(issuer.books.journal(*[date.fromisoformat(later)] * 2)))
    )
    assert (row["day"], row["topic"]) == (later, "account.debit_corrected/1")
    assert row["reference"] == str(payment)
    assert row["corrects"]
    assert [each["fault"] for each in issuer.books.closings()] == ["", ""]


def test_a_straggler_between_the_look_and_the_record_is_of_the_next_day(issuer: Issuer) -> None:
    found = issuer.books.open_day(date.fromisoformat(SECOND)) if issuer.close(FIRST) else None
    assert found is not None
    (card,) = [id for id, state in issuer.town.states.items() if type(state).__name__ == "Card"][:1]
    company, made = issuer.town.company()
    issuer.happened(made + issuer.town.refill(company, card, 100))
    issuer.carry_out(
        CloseDay(issuer.origin(), 0, note=issuer.books.sign(found.text), **found._asdict())
    )
    day = date.fromisoformat(SECOND)
    assert issuer.balances(day) == found.balances
    assert issuer.books.closings()[1]["fault"] == ""
    of_day = "".join(issuer.books.journal(day, day))
    next_ = "".join(issuer.books.journal(day + timedelta(days=1), day + timedelta(days=1)))
    assert str(len(issuer.events) - 1) not in {row.split(",")[1] for row in of_day.splitlines()}
    assert str(len(issuer.events) - 1) in {row.split(",")[1] for row in next_.splitlines()}


def test_a_closing_that_was_made_up_is_told(issuer: Issuer) -> None:
    found = issuer.books.open_day(date.fromisoformat(FIRST))
    assert found is not None
    wrong = {**found.balances, CARDHOLDERS: found.balances[CARDHOLDERS] - 7, BANK: 7}
    facts = {**found._asdict(), "balances": wrong}
    issuer.carry_out(CloseDay(issuer.origin(), 0, note=issuer.books.sign(found.text), **facts))
    assert issuer.books.closings()[0]["fault"] == "the signed record says something else"


def test_before_any_money_there_is_nothing_to_close(ledger: LedgerDatabase) -> None:
    town = Town()
    ledger.append(town.company()[1])
    views = LedgerViews(ledger.dsn, ledger.keys, ledger.mapper, _Clock(), lambda: 1)
    books = LedgerBooks(views.books, views.guarded, lambda: True, _Clock(), ISSUER, list[Signer])
    with pytest.raises(Denied, match="no-postings"):
        books.open_day(date.fromisoformat(FIRST))
    assert books.trial_balance(None)["sum_cents"] == 0
    views._pool.close()


class _Clock:
    def now_us(self) -> int:
        return NOW_US + 3 * DAY_US


# The bank


def test_money_on_a_statement_is_posted_once(issuer: Issuer) -> None:
    day = date.fromisoformat(FIRST)
    version, expected = issuer.books.expected(day, day)
    assert version == 0
    assert len(expected) == 4
    rows = [(FIRST, each.amount_cents, each.reference, "") for each in expected[:2]]
    found = match(entries("a", rows), expected)
    lines = tuple(
        MatchedLine(
            entry=each.entry.key, day=each.entry.day, amount_cents=each.entry.amount_cents,
            expected_position=each.expected.position, clears=each.expected.clears, how=each.how,
        )
        for each in found.matched
    )  # fmt: skip
    before = issuer.balances()

    def matching() -> MatchStatement:
        return MatchStatement(
            issuer.origin(), 0, seen_version=version, statement="1", file_sha256="", lines=lines
        )

    done = matching()
    assert issuer.carry_out(done) == {"matched": 2}
    states = States(issuer.ledger.log)
    assert done.repeated(states, RECONCILIATION_ID) == {"repeated": True}
    other = MatchStatement(
        done.origin, 0, seen_version=1, statement="2", file_sha256="ff", lines=lines
    )
    assert other.repeated(states, RECONCILIATION_ID).code == "command-id-used"
    refused = issuer.carry_out(matching())
    assert isinstance(refused, Refused)
    assert refused.code == "reconciled-meanwhile"
    after = issuer.balances()
    assert after[BANK] == sum(row[1] for row in rows)
    assert after[COMPANY_FUNDS] == before[COMPANY_FUNDS] - after[BANK]
    version, expected = issuer.books.expected(day, day)
    again = match(entries("a", rows), expected)
    assert version == 1
    assert (len(again.before), len(again.matched), len(again.missing)) == (2, 0, 0)
    issuer.views.runner.rebuild(NAME)
    assert issuer.views.caught_up(NAME, 10)
    assert issuer.books.expected(day, day) == (version, expected)
