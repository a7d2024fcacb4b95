"""Lists show ids, masked numbers and balances; who was erased has no name."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from adapters.backend.directory_lists import DirectoryLists
from application.states import replay
from domain.aggregates import cardholder as cardholders
from domain.aggregates.card import PinFailed, PinSet
from domain.event import Event, stamp
from tests.unit.application import happened
from tests.unit.application.ledger_double import NOW_US, context


class PagesOf:
    """The states that events come to, one a page."""

    def __init__(self, **streams: list[Event]) -> None:
        self._states = {kind: replay(events) for kind, events in streams.items()}

    def get(self, id: UUID) -> Any | None:
        return next((state for state in self._states.values() if state.id == id), None)

    def ids(self, kind: str, parent: UUID) -> list[UUID]:
        return [state.id for name, state in self._states.items() if name == kind]

    def pages(self, kind: str, parent: UUID | None = None, size: int = 100) -> Iterator[list[Any]]:
        if kind in self._states:
            yield [self._states[kind]]


class Clock:
    def now_us(self) -> int:
        return NOW_US


def listed(**streams: list[Event]) -> DirectoryLists:
    return DirectoryLists(PagesOf(**streams), Clock())


def person() -> Event:
    return cardholders.register(
        context(),
        happened.CARDHOLDER,
        company_id=happened.COMPANY,
        first_name="Ana",
        last_name="Diaz",
        email="ana@example.com",
    )


def test_cards_are_listed_with_masked_numbers_and_the_state_of_their_pin() -> None:
    pin_set = PinSet(**stamp(context(), happened.CARD, 2), reference=b"r")
    failed: list[Event] = [
        PinFailed(
            **stamp(context(), happened.CARD, 3 + n),
            transaction_id=happened.PAYMENT,
            tries_left=2 - n,
        )
        for n in range(3)
    ]
    states = []
    for events in ([], [pin_set], [pin_set, *failed]):
        stream = [happened.card_issued(), *events]
        (row,) = listed(card=stream, cardholder=[person()]).cards(happened.COMPANY)
        assert (row["name"], row["masked_pan"]) == ("Ana Diaz", "984000******1234")
        states.append(row["pin"])
    assert states == ["none", "set", "locked"]


def test_accounts_are_listed_with_balances_also_of_erased_people() -> None:
    stream = [happened.account_opened(), happened.credited(5_000)]
    (row,) = listed(account=stream).accounts(happened.COMPANY)
    assert (row["account"], row["balance_cents"], row["name"]) == (str(happened.ACCOUNT), 5_000, "")


def test_companies_shops_and_terminals_are_listed() -> None:
    lists = listed(
        company=[happened.company_registered()],
        shop=[happened.shop_registered()],
        terminal=[happened.terminal_registered()],
    )
    assert lists.companies()[0]["name"] == "Acme Widgets"
    assert lists.shops()[0]["category"] == "5812"
    assert lists.terminals(happened.SHOP)[0]["status"] == "active"
