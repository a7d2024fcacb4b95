"""The books as operators and auditors ask for them, and as operators close and reconcile them."""

import asyncio
from datetime import date
from typing import Any

import pytest

from adapters.backend.book_ports import OpenDay
from adapters.backend.operator_ports import Denied
from application.ports import Rebuilding
from domain.aggregates import closing, reconciliation
from domain.aggregates.reconciliation import MatchedLine
from domain.books.bank import Expected
from domain.books.chart import BANK, CARDHOLDERS, COMPANY_FUNDS
from domain.books.days import clock_day
from tests.unit.application.ledger_double import NOW_US, context
from tests.unit.backend.operator_double import Scene
from tests.unit.domain.material import id_of

YESTERDAY = clock_day(NOW_US - 86_400_000_000)
TODAY = clock_day(NOW_US)
STATEMENT = {"account": "123456", "statement": "S-23", "file_sha256": "0" * 64}


def read(scene: Scene, **body: Any) -> dict[str, Any]:
    return asyncio.run(scene.read("BOOKS", **body))[1]


def give(scene: Scene, verb: str, body: dict[str, Any], **changed: Any) -> dict[str, Any]:
    """The result, or the error."""
    answer = asyncio.run(scene.command(verb, body, **changed))[1]
    result: dict[str, Any] = answer.get("result", answer)
    return result


@pytest.mark.parametrize(("body", "asked"), [
    ({}, None),
    ({"position": 7}, 7),
    ({"position": 0}, 0),
    ({"day": "2026-11-23"}, date(2026, 11, 23)),
])  # fmt: skip
def test_a_trial_balance_of_any_time(body: dict[str, Any], asked: Any) -> None:
    scene = Scene("auditor")
    (row,) = read(scene, what="trial-balance", **body)["rows"]
    assert row["sum_cents"] == 0
    assert scene.books.asked == asked


@pytest.mark.parametrize("body", [
    {"position": -1}, {"position": 7, "day": "2026-11-23"}, {"day": "23.11.2026"},
    {"day": "2026-02-30"},
])  # fmt: skip
def test_a_time_that_makes_no_sense_is_refused(body: dict[str, Any]) -> None:
    assert read(Scene(), what="trial-balance", **body)["code"] == "invalid"


@pytest.mark.parametrize("what", ["profit", "journal"])
def test_a_period_is_two_days(what: str) -> None:
    scene = Scene("auditor")
    answer = read(scene, what=what, **{"from": "2026-11-01", "to": "2026-11-30"})
    assert scene.books.asked == (date(2026, 11, 1), date(2026, 11, 30))
    if what == "profit":
        assert answer["rows"][0]["profit_cents"] == 990
    else:
        assert "2026-09-21,7" in answer["chunk"]
    turned = read(scene, what=what, **{"from": "2026-11-30", "to": "2026-11-01"})
    assert turned["code"] == "invalid"
    assert read(scene, what=what)["code"] == "invalid"


def test_closed_days_are_rows() -> None:
    assert read(Scene("auditor"), what="closings")["rows"] == []
    assert read(Scene("auditor"), what="everything")["code"] == "bad-body"


def test_books_that_are_being_built_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene()

    def rebuilding(at: object) -> Any:
        raise Rebuilding("books/1")

    monkeypatch.setattr(scene.books, "trial_balance", rebuilding)
    assert read(scene, what="trial-balance")["code"] == "rebuilding"


# Closing


def open_day(day: str = YESTERDAY, cents: int = 500) -> OpenDay:
    balances = {COMPANY_FUNDS: 500, CARDHOLDERS: -cents}
    text = closing.record(
        "ticketrestaurant/closing/x", day=day, timezone="America/New_York", position=7, postings=3,
        balances=balances, previous=closing.NONE_BEFORE,
    )  # fmt: skip
    return OpenDay(day, 7, 3, balances, closing.NONE_BEFORE, text)


def test_a_day_is_closed_with_its_signed_record() -> None:
    scene = Scene()
    scene.books.day = open_day()
    told = give(scene, "CLOSE", {"day": YESTERDAY})
    (event,) = scene.ledger.log.events
    assert isinstance(event, closing.DayClosed)
    assert (event.day, event.position, event.postings) == (YESTERDAY, 7, 3)
    assert event.note == told["note"] == scene.books.day.text + "\n— signed\n"
    assert event.sha256 == closing.hash_of(scene.books.day.text)
    assert {each.code: each.balance_cents for each in event.balances} == scene.books.day.balances


def test_closing_again_changes_nothing() -> None:
    scene = Scene()
    scene.books.day = open_day()
    give(scene, "CLOSE", {"day": YESTERDAY})
    assert give(scene, "CLOSE", {"day": YESTERDAY}) == {"day": YESTERDAY, "closed_before": True}
    scene.books.day = None
    assert give(scene, "CLOSE", {"day": YESTERDAY}) == {"day": YESTERDAY, "closed_before": True}
    assert len(scene.ledger.log.events) == 1


def test_the_engine_itself_knows_when_a_day_is_over_and_what_comes_next() -> None:
    scene = Scene()
    scene.books.day = open_day(TODAY)
    assert give(scene, "CLOSE", {"day": TODAY})["code"] == "day-not-over"
    scene.books.day = open_day(cents=499)
    assert give(scene, "CLOSE", {"day": YESTERDAY})["code"] == "not-balanced"
    scene.books.day = open_day("2026-01-01")
    give(scene, "CLOSE", {"day": "2026-01-01"})
    (event,) = scene.ledger.log.events
    assert isinstance(event, closing.DayClosed)
    scene.books.day = open_day(YESTERDAY)._replace(previous=event.sha256)
    assert give(scene, "CLOSE", {"day": YESTERDAY})["code"] == "out-of-order"
    assert len(scene.ledger.log.events) == 1


@pytest.mark.parametrize("day", ["", "yesterday", "2026-13-01", None, 7])
def test_a_day_that_is_none_closes_nothing(day: Any) -> None:
    scene = Scene()
    scene.books.day = open_day()
    assert give(scene, "CLOSE", {"day": day})["code"] == "invalid"


@pytest.mark.parametrize("verb", ["CLOSE", "RECONCILE"])
def test_an_auditor_closes_and_matches_nothing(verb: str) -> None:
    scene = Scene("auditor")
    assert give(scene, verb, {"day": YESTERDAY})["code"] == "forbidden"
    assert not scene.ledger.log.events


# The bank


def expected(position: int = 7, cents: int = 24_000) -> Expected:
    return Expected(
        position=position, day=YESTERDAY, id=id_of(position), topic="refill.credited/1",
        amount_cents=cents, clears=COMPANY_FUNDS,
    )  # fmt: skip


def statement(*cents: int, **changes: Any) -> dict[str, Any]:
    entries = [{"day": YESTERDAY, "amount_cents": each, "text": "x"} for each in cents]
    return {**STATEMENT, "entries": entries, **changes}


def test_what_matches_is_recorded_and_what_does_not_is_told() -> None:
    scene = Scene()
    scene.books.expectations = [expected(), expected(8, 5)]
    told = give(scene, "RECONCILE", statement(24_000, -300))
    (event,) = scene.ledger.log.events
    assert isinstance(event, reconciliation.StatementMatched)
    assert event.statement == "S-23"
    (line,) = event.lines
    assert (line.amount_cents, line.expected_position, line.clears) == (24_000, 7, COMPANY_FUNDS)
    assert [each["position"] for each in told["matched"]] == [7]
    assert [each["amount_cents"] for each in told["unmatched_bank"]] == [-300]
    assert [each["position"] for each in told["unmatched_books"]] == [8]
    assert line.entry == told["matched"][0]["entry"]
    assert BANK not in told


@pytest.mark.parametrize(("body", "waiting"), [
    (statement(24_000, preview=True), [expected()]),
    (statement(24_000), []),
])  # fmt: skip
def test_without_a_match_nothing_is_stored(body: dict[str, Any], waiting: list[Expected]) -> None:
    scene = Scene()
    scene.books.expectations = waiting
    told = give(scene, "RECONCILE", body)
    assert not scene.ledger.log.events
    assert told.get("preview", False) == body.get("preview", False)


def other_statement() -> reconciliation.StatementMatched:
    line = MatchedLine(
        entry="e", day=YESTERDAY, amount_cents=1, expected_position=1, clears=BANK, how="amount"
    )
    return reconciliation.match_statement(
        context(), None, statement="other", file_sha256="", lines=(line,)
    )


def test_another_statement_meanwhile_is_looked_at_before_anything_is_matched() -> None:
    scene = Scene()
    scene.ledger.given(other_statement())
    looks = []

    def look(first: date, last: date) -> tuple[int, list[Expected]]:
        looks.append(first)
        return len(looks) - 1, [expected()]

    scene.books.expected = look  # type: ignore[method-assign]
    assert len(give(scene, "RECONCILE", statement(24_000))["matched"]) == 1
    assert len(looks) == 2
    scene.books.expected = lambda first, last: (99, [expected()])  # type: ignore[method-assign]
    assert give(scene, "RECONCILE", statement(24_000))["code"] == "reconciled-meanwhile"


@pytest.mark.parametrize("change", [
    {"entries": []},
    {"entries": [{"day": YESTERDAY, "amount_cents": 0}]},
    {"entries": [{"day": YESTERDAY, "amount_cents": 1.5}]},
    {"entries": [{"day": YESTERDAY, "amount_cents": 10**15}]},
    {"entries": [{"day": "tomorrow", "amount_cents": 1}]},
    {"entries": [{"day": YESTERDAY, "amount_cents": 1, "text": "a\nb"}]},
    {"entries": [{"day": YESTERDAY, "amount_cents": 1, "text": "a" * 281}]},
    {"entries": [{"day": YESTERDAY, "amount_cents": 1}] * 3_001},
    {"entries": ["x"]},
    {"file_sha256": "xyz"},
    {"account": ""},
    {"statement": None},
])  # fmt: skip
def test_a_statement_at_fault_is_refused_whole(change: dict[str, Any]) -> None:
    scene = Scene()
    scene.books.expectations = [expected()]
    assert give(scene, "RECONCILE", statement(24_000) | change)["code"] == "invalid"
    assert not scene.ledger.log.events


def test_every_fault_is_named_and_no_value() -> None:
    rows = [{"day": "Featherstone", "amount_cents": 1}, {"day": YESTERDAY, "amount_cents": 0}]
    text = give(Scene(), "RECONCILE", {**STATEMENT, "entries": rows})["text"]
    assert "Entry 1" in text
    assert "Entry 2" in text
    assert "Featherstone" not in text


def test_a_refusal_of_the_books_is_passed_on() -> None:
    scene = Scene()

    def refuse(day: date) -> OpenDay | None:
        raise Denied("out-of-order", "Days close in order.")

    scene.books.open_day = refuse  # type: ignore[method-assign]
    assert give(scene, "CLOSE", {"day": YESTERDAY})["code"] == "out-of-order"
