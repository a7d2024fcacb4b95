"""A rebuild that remembers little against a slow replay that is right at a glance."""

import random
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from msgspec.structs import replace

from application.ports import Unavailable
from application.states import EVOLVE
from domain.aggregates.card import Card
from domain.aggregates.certificate import CertificateIssued
from domain.aggregates.transaction import Authorized, Declined, Transaction
from domain.event import Event
from projections.directory import KINDS, PIN_IS_SET
from tests.integration.ledger.databases import LedgerDatabase
from tests.integration.ledger.town import Town
from tests.integration.ledger.views import Views

SIZES = [(1, 2), (7, 4), (40, 6), (200, 30), (5_000, 10)]
"""Rows in a batch, and aggregates remembered: fewer than a batch touches, but in the first."""


def weeks(seed: int = 11) -> list[Event]:
    """Three companies, four shops, forty cards in use all the time, in an order that luck made."""
    luck, town = random.Random(seed), Town()
    events: list[Event] = []
    cards: list[UUID] = []
    tills: list[UUID] = []
    for n in range(4):
        shop, more = town.shop(f"Shop {n}")
        events += more
        for label in ("Till 1", "Till 2"):
            till, more = town.terminal(shop, label)
            tills.append(till)
            events += more
    for n in range(3):
        company, more = town.company(f"Company {n}")
        events += more
        for _ in range(13):
            (card,), more = town.person(company, kinds=(luck.choice(("stripe", "virtual")),))
            cards.append(card)
            events += more + town.pin_set(card) + town.refill(company, card)
    for n in range(400):
        card, till = luck.choice(cards), luck.choice(tills)
        id, more = town.payment(till, card, luck.randrange(100, 9_000), pin_right=n % 9 != 0)
        events += more
        if n % 11 == 0:
            events += town.reversal(id, till)
        elif n % 13 == 0 and town.states[id].status == "approved":
            events += town.correction(id, 77)
    return events


class Replayed:
    """Every event in turn over plain dictionaries; nothing is ever forgotten."""

    def __init__(self, events: list[Event]) -> None:
        self.states: dict[UUID, Any] = {}
        self.positions: dict[UUID, int] = {}
        self.streams: list[tuple[UUID, int, UUID]] = []
        self.first: dict[UUID, Authorized] = {}
        for position, event in enumerate(events, 1):
            id = event.originator_id
            self.states[id] = EVOLVE[type(event)](self.states.get(id), event)
            self.positions[id] = position
            if isinstance(event, Authorized):
                self.first[id] = event
            if isinstance(event, (Authorized, Declined)) and event.card_id:
                self.streams.append((event.card_id, position, id))
            if isinstance(event, CertificateIssued):
                self.streams.append((event.subject_id, position, id))

    def directory(self, kind: str) -> list[Any]:
        states = [state for state in self.states.values() if type(state) is KINDS[kind]]
        if kind == "card":
            states = [_without_pin(state) for state in states]
        if kind == "account":
            states = [replace(state, recent=(), gone=()) for state in states]
        return sorted(states, key=lambda state: state.id)

    def payments(self) -> dict[UUID, tuple[Any, ...]]:
        return {
            id: (
                self.positions[id],
                self.first[id].shop_id,
                self.first[id].terminal_id,
                self.first[id].card_id,
                self.first[id].amount_cents,
                state.net_cents,
                state.status == "reversed",
            )
            for id, state in self.states.items()
            if isinstance(state, Transaction) and id in self.first
        }


def _without_pin(card: Card) -> Card:
    return replace(card, pin_reference=PIN_IS_SET) if card.pin_reference else card


def content_is(views: Views, expected: Replayed) -> None:
    content = views.content()
    for kind in KINDS:
        assert content["directory"][kind] == expected.directory(kind)
    positions = dict(views.rows("SELECT id, position FROM directory"))
    assert positions == {id: expected.positions[id] for id in positions}
    assert {
        each.transaction_id: (
            each.position,
            each.shop_id,
            each.terminal_id,
            each.card_id,
            each.authorized_cents,
            each.net_cents,
            each.reversed,
        )
        for each in content["payments"]
    } == expected.payments()
    for shop in content["shops"]:
        assert sorted(shop.terminals.values()) == ["Till 1", "Till 2"]
    assert sorted(content["streams"]) == sorted(expected.streams)


@pytest.fixture
def events(ledger: LedgerDatabase) -> list[Event]:
    events = weeks()
    ledger.append(events)
    return events


@pytest.fixture
def views(ledger: LedgerDatabase, size: tuple[int, int]) -> Iterator[Views]:
    batch, keep = size
    views = Views(ledger, batch=batch, keep=keep, keep_shops=2)
    yield views
    views.close()


@pytest.mark.parametrize("size", SIZES)
def test_it_comes_to_what_a_slow_replay_gives(views: Views, events: list[Event]) -> None:
    for _ in range(2):  # once for the live tables, once anew
        for progress in views.runner.progress():
            views.runner.rebuild(progress.name)
        while views.runner.run_once():
            assert not any(each.stuck for each in views.runner.progress())
        content_is(views, Replayed(events))


@pytest.mark.parametrize("size", SIZES[1:4])
def test_batches_that_were_not_stored_are_projected_again(
    views: Views, events: list[Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database goes away behind every third batch, when everything was written but the end."""
    luck, stored = random.Random(3), views.store.batch

    def sometimes(name: str, after: int, upto: int) -> Any:
        return stored(name, after if luck.random() < 0.7 else -1, upto)

    monkeypatch.setattr(views.store, "batch", sometimes)
    lost = 0
    while any(each.position < len(events) for each in views.runner.progress()):
        try:
            views.runner.run_once()
        except Unavailable as error:
            lost += 1
            views.runner._lost(error)
    assert lost
    content_is(views, Replayed(events))
