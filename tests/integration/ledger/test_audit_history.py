"""A card's history is complete: it is compared with a reading of the whole log."""

from collections.abc import Iterator
from uuid import UUID

import pytest

from application.audit_history import HistoryLine, card_history
from domain.aggregates.card import CardIssued
from domain.aggregates.transaction import Authorized
from domain.event import Event
from tests.integration.ledger.databases import LedgerDatabase
from tests.integration.ledger.town import OPERATOR, Town, busy_day, eventful_day
from tests.integration.ledger.views import Views


class NoIndex:
    """A read model that was lost."""

    def streams_of(self, card_id: UUID) -> list[UUID]:
        return []


@pytest.fixture
def views(ledger: LedgerDatabase) -> Iterator[Views]:
    views = Views(ledger)
    yield views
    views.close()


def history(views: Views, card: UUID) -> list[HistoryLine]:
    return card_history(views.reader, views.streams, card)


def cards_of(events: list[Event]) -> list[CardIssued]:
    return [event for event in events if isinstance(event, CardIssued)]


def expected(events: list[Event], card: CardIssued) -> list[int]:
    """The positions that concern a card, found by looking at every event."""
    of_card = {
        event.originator_id
        for event in events
        if event.TOPIC.startswith("transaction.")
        and getattr(event, "card_id", None) == card.originator_id
    }
    streams = of_card | {card.originator_id, card.account_id, card.cardholder_id}
    streams |= {
        event.originator_id
        for event in events
        if getattr(event, "subject_id", None) == card.originator_id
    }
    return [at for at, event in enumerate(events, 1) if event.originator_id in streams]


def test_it_is_complete_for_every_card(ledger: LedgerDatabase, views: Views) -> None:
    town = Town()
    events = busy_day(town, people=3, payments=24)
    more = busy_day(Town(town.now_us + 86_400_000_000))
    ledger.append([*events, *more])
    views.catch_up()
    everything = [*events, *more]
    cards = cards_of(everything)
    assert len(cards) == 10
    paid_with = {e.originator_id: e.card_id for e in everything if isinstance(e, Authorized)}
    elsewhere = 0
    for card in cards:
        lines = history(views, card.originator_id)
        assert [line.position for line in lines] == expected(everything, card)
        for line in lines:
            event = everything[line.position - 1]
            assert (line.stream, line.topic) == (event.originator_id, event.TOPIC)
            assert (line.who, line.at_us) == (event.actor, event.recorded_at_us)
            assert bool(line.label) is line.who.startswith("pos:")
            assert line.refill == getattr(event, "refill_id", None)
            other = "with another card of the account." in line.what
            payer = paid_with.get(line.transaction or line.stream, card.originator_id)
            assert other is (payer != card.originator_id)
            elsewhere += other
    assert elsewhere


def test_what_became_of_a_payment_is_told_in_words(ledger: LedgerDatabase, views: Views) -> None:
    card, events = eventful_day(Town())
    ledger.append(events)
    views.catch_up()
    lines = history(views, card)
    assert lines == card_history(views.reader, NoIndex(), card)
    shop_and_till = 4  # the company, the shop, the terminal and its certificate
    assert len(lines) == len(events) - shop_and_till - 1, "all but the refill's own event"
    assert not [line.topic for line in lines if line.what == line.topic]
    told = " ".join(line.what for line in lines)
    for words in (
        "voided the payment: $11.01",
        "refunded $3.00",
        "A tip of $2.00",
        "opened a disp",
    ):
        assert words in told


def test_what_the_account_names_is_found_without_the_index(
    ledger: LedgerDatabase, views: Views
) -> None:
    """Only refusals that never touched card or account need it."""
    events = busy_day()
    ledger.append(events)
    card = cards_of(events)[0]
    lines = card_history(views.reader, NoIndex(), card.originator_id)
    missing = set(expected(events, card)) - {line.position for line in lines}
    assert {events[at - 1].TOPIC for at in missing} <= {
        *("transaction.declined/2", "transaction.reversed/1", "certificate.issued/1"),
    }


def test_each_line_says_what_changed(ledger: LedgerDatabase, views: Views) -> None:
    town = Town()
    company, events = town.company()
    shop, more = town.shop()
    events += more
    till, more = town.terminal(shop)
    events += more
    (card,), more = town.person(company)
    events += more + town.pin_set(card) + town.refill(company, card, 5_000)
    payment, more = town.payment(till, card, 1_250)
    events += more + town.correction(payment, 1_000, "typed wrong")
    events += town.payment(till, card, 700, pin_right=False)[1]
    events += town.reversal(payment, till) + town.blocked(card)
    ledger.append(events)
    views.catch_up()
    lines = history(views, card)
    said = [
        (
            line.of,
            line.what,
            {change.what: (change.before, change.after) for change in line.changes},
        )
        for line in lines
    ]
    assert said == [
        ("cardholder", "Wilhelmina Featherstone registered.", {"registered": (None, "yes")}),
        ("account", "Account opened, company Acme Corp.", {"balance": (None, 0)}),
        (
            "card",
            f"Stripe card {town.states[card].masked_pan} issued, valid to 2029-11.",
            {
                "status": (None, "active"),
                "PIN": (None, "not set"),
                "PIN tries left": (None, 3),
            },
        ),
        ("card", "PIN set.", {"PIN": ("not set", "set")}),
        ("account", "$50.00 credited by a refill.", {"balance": (0, 5_000)}),
        (
            "transaction",
            "Payment of $12.50 approved at Joe's Diner, Till 1.",
            {"status": (None, "approved"), "amount": (None, 1_250)},
        ),
        ("account", "$12.50 debited for a payment.", {"balance": (5_000, 3_750)}),
        (
            "transaction",
            "Amount corrected from $12.50 to $10.00.",
            {"amount": (1_250, 1_000)},
        ),
        ("account", "$2.50 given back for a corrected payment.", {"balance": (3_750, 4_000)}),
        (
            "transaction",
            "Payment of $7.00 refused (55 wrong-pin) at Joe's Diner, Till 1.",
            {"status": (None, "declined"), "amount": (None, 0)},
        ),
        ("card", "Wrong PIN; 2 tries left.", {"PIN tries left": (3, 2)}),
        (
            "transaction",
            "The terminal took the payment back: $10.00 returned.",
            {"status": ("approved", "reversed"), "amount": (1_000, 0)},
        ),
        (
            "account",
            "$10.00 given back for a payment that was taken back.",
            {"balance": (4_000, 5_000)},
        ),
        ("card", "Card taken out of use: lost.", {"status": ("active", "lost")}),
    ]
    by_what = {line.what: line for line in lines}
    approved = by_what["Payment of $12.50 approved at Joe's Diner, Till 1."]
    corrected = by_what["Amount corrected from $12.50 to $10.00."]
    given_back = by_what["$10.00 given back for a payment that was taken back."]
    assert (corrected.corrects, corrected.why) == (approved.position, "typed wrong")
    assert corrected.who == OPERATOR
    assert given_back.transaction == corrected.transaction == payment
    assert given_back.corrects == by_what["$2.50 given back for a corrected payment."].position


def test_a_card_that_is_not_there_has_no_history(ledger: LedgerDatabase, views: Views) -> None:
    ledger.append(busy_day())
    assert history(views, UUID(int=9)) == []


def test_a_changed_record_is_told_and_the_rest_goes_on(
    ledger: LedgerDatabase, views: Views
) -> None:
    events = busy_day()
    ledger.append(events)
    views.catch_up()
    card = cards_of(events)[0]
    at = next(
        at for at in expected(events, card) if events[at - 1].TOPIC.startswith("account.debited/")
    )
    with ledger.as_attacker() as connection:
        connection.execute(
            "UPDATE events SET state = set_byte(state, 60, get_byte(state, 60) # 1)"
            " WHERE position = %s",
            (at,),
        )
    lines = history(views, card.originator_id)
    assert [line.position for line in lines] == expected(events, card)
    (bad,) = [line for line in lines if line.position == at]
    assert "changed after it was stored" in bad.what
    assert (bad.who, bad.changes) == ("", [])
    later = [line for line in lines if line.of == "account" and line.position > at]
    assert all(line.changes == [] for line in later), "no balance is claimed from there on"


def test_rows_are_plain_json(ledger: LedgerDatabase, views: Views) -> None:
    import json

    events = busy_day()
    ledger.append(events)
    views.catch_up()
    rows = [line.row() for line in history(views, cards_of(events)[0].originator_id)]
    assert json.loads(json.dumps(rows)) == rows
    assert {"position", "at_us", "who", "what", "changes", "corrects", "why"} <= rows[0].keys()
