"""Every answer is explained by the rules as they stood: the first refusal is the stored one."""

from collections.abc import Iterator

import pytest

from application.audit_history import HistoryLine, card_history
from domain import authorization
from domain.aggregates import watch as watches
from domain.aggregates.card import CardIssued
from domain.aggregates.transaction import Authorized, Declined
from domain.event import Event
from domain.suspicion import Watch
from tests.integration.ledger.databases import LedgerDatabase
from tests.integration.ledger.town import Town, busy_day
from tests.integration.ledger.views import Views


@pytest.fixture
def views(ledger: LedgerDatabase) -> Iterator[Views]:
    views = Views(ledger)
    yield views
    views.close()


def lines(ledger: LedgerDatabase, views: Views, events: list[Event]) -> dict[int, HistoryLine]:
    ledger.append(events)
    views.catch_up()
    cards = [event.originator_id for event in events if isinstance(event, CardIssued)]
    found = [line for card in cards for line in card_history(views.reader, views.streams, card)]
    return {line.position: line for line in found}


def test_every_answer_has_its_reasons(ledger: LedgerDatabase, views: Views) -> None:
    town = Town()
    # The town's cards pay as no person does, and its decisions were made without this watch.
    lenient = Watch(step_up_from=1_000, refuse_from=1_000)
    watch = watches.set_rules(town.context(), None, rules=lenient, why="tests")
    events = [watch, *busy_day(town, people=4, payments=60)]
    told = lines(ledger, views, events)
    declined = 0
    for position, event in enumerate(events, 1):
        if position not in told:
            continue
        rules = told[position].rules
        if not isinstance(event, Authorized | Declined):
            assert rules == []
            continue
        assert [each.rule for each in rules] == [rule.__name__ for rule in authorization.RULES]
        first = next((each for each in rules if each.passed is False), None)
        if isinstance(event, Authorized):
            assert first is None, first
        else:
            declined += 1
            assert first is not None
            assert (first.code, first.reason) == (event.code, event.reason)
    assert declined > 3


def test_figures_are_those_of_then(ledger: LedgerDatabase, views: Views) -> None:
    town = Town()
    company, events = town.company()
    shop, more = town.shop("Deli")
    events += more
    till, more = town.terminal(shop)
    events += more
    (card,), more = town.person(company)
    events += more + town.refill(company, card, 3_000)
    for _ in range(2):
        _, more = town.payment(till, card, 1_000)
        events += more
    told = lines(ledger, views, events)
    said = [
        next(rule.why for rule in line.rules if rule.rule == "within_balance")
        for _, line in sorted(told.items())
        if line.rules
    ]
    assert said == ["$10.00 of a balance of $30.00.", "$10.00 of a balance of $20.00."]
