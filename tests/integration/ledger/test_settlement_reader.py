"""What is read from the settlements: periods, changes, a cardholder's own payments."""

from collections.abc import Iterator
from datetime import date
from uuid import UUID

import pytest

from adapters.reports.settlements_csv import settlements_csv
from application.export_settlements import export_settlements
from domain.event import Event
from projections.settlements import Payment, SettledShop
from tests.integration.ledger.databases import LedgerDatabase
from tests.integration.ledger.town import Town
from tests.integration.ledger.views import Views


class Street:
    """Two shops, one card, payments on several days."""

    def __init__(self, town: Town) -> None:
        self.town = town
        company, self.events = town.company()
        (self.card,), more = town.person(company)
        self.events += more + town.refill(company, self.card, 1_000_000)
        self.tills: list[UUID] = []
        for name in ("Zoë's", "Amy's"):
            shop, more = town.shop(name)
            till, tills = town.terminal(shop)
            self.events += more + tills
            self.tills.append(till)

    def pays(self, till: int, count: int = 1) -> list[Event]:
        for _ in range(count):
            self.events += self.town.payment(self.tills[till], self.card, 100)[1]
        return self.events


@pytest.fixture
def street() -> Street:
    return Street(Town())


@pytest.fixture
def views(ledger: LedgerDatabase) -> Iterator[Views]:
    views = Views(ledger)
    yield views
    views.close()


def period(
    views: Views, first: str, last: str, shop: UUID | None = None
) -> dict[str, list[Payment]]:
    found = views.settlements.period(date.fromisoformat(first), date.fromisoformat(last), shop)
    return {shop.name: list(payments) for shop, payments in found}


def test_a_period_has_its_days_and_no_others(
    ledger: LedgerDatabase, views: Views, street: Street
) -> None:
    for day in range(4):
        street.town.now_us = 1_795_000_000_000_000 + day * 86_400_000_000
        street.pays(0, 2)
        street.pays(1)
    ledger.append(street.events)
    views.catch_up()
    found = period(views, "2026-11-19", "2026-11-20")
    assert list(found) == ["Amy's", "Zoë's"], "by name"
    days = [each.local_date for each in found["Zoë's"]]
    assert days == ["2026-11-19", "2026-11-19", "2026-11-20", "2026-11-20"]
    shop = found["Amy's"][0].shop_id
    assert list(period(views, "2026-11-19", "2026-11-20", shop)) == ["Amy's"]
    assert period(views, "2026-11-19", "2026-11-20", UUID(int=9)) == {}


def test_long_periods_are_read_in_pages(
    ledger: LedgerDatabase, views: Views, street: Street, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.postgres.settlement_reader._PAGE", 7)
    ledger.append(street.pays(0, 40))
    views.catch_up()
    payments = period(views, "2026-11-18", "2026-11-18")["Zoë's"]
    ids = [each.transaction_id for each in payments]
    assert len(ids) == 40
    assert ids == sorted(ids)


def test_an_export_of_the_same_ledger_is_the_same_after_a_rebuild(
    ledger: LedgerDatabase, views: Views, street: Street
) -> None:
    ledger.append(street.pays(0, 5))

    def export() -> str:
        day = date(2026, 11, 18)
        return "".join(
            export_settlements(
                views.settlements, lambda: True, settlements_csv, first=day, last=day
            )
        )

    views.catch_up()
    before = export()
    assert before.count("\r\n") == 1 + 5 + 1 + 1
    views.runner.rebuild("settlements/1")
    views.catch_up()
    assert export() == before


@pytest.mark.parametrize("most", [1, 2, 5, 100])
def test_following_the_changes_comes_to_what_there_is(
    ledger: LedgerDatabase, views: Views, street: Street, most: int
) -> None:
    """As the website does: pages of changes, later ones replacing earlier ones."""
    payments: dict[UUID, Payment] = {}
    shops: dict[UUID, SettledShop] = {}
    after, before_us = 0, street.town.now_us
    for turn in range(5):
        sent = len(street.events)
        street.pays(turn % 2, 3)
        last = street.events[-2].originator_id
        if turn % 2:
            street.events += street.town.reversal(last, street.tills[turn % 2])
        else:
            street.events += street.town.correction(last, 40 + turn)
        ledger.append(street.events[0 if turn == 0 else sent :])
        views.catch_up()
        changes = views.settlements.changes(after, most)
        while changes.upto > after:
            assert changes.after == after
            assert len(changes.shops) + len(changes.payments) <= most
            shops |= {each.id: each for each in changes.shops}
            payments |= {each.transaction_id: each for each in changes.payments}
            assert all(each.shop_id in shops for each in changes.payments)
            after = changes.upto
            changes = views.settlements.changes(after, most)
    assert street.town.now_us > before_us
    found = period(views, "2026-11-01", "2026-11-30")
    assert payments == {p.transaction_id: p for each in found.values() for p in each}
    assert {shop.name for shop in shops.values()} == {"Amy's", "Zoë's"}


def test_changes_never_go_back_while_a_projection_is_rebuilt(
    ledger: LedgerDatabase, views: Views, street: Street
) -> None:
    ledger.append(street.pays(0, 5))
    views.catch_up()
    upto = views.settlements.changes(0, 100).upto
    views.store.clear("settlements/1", ("settlements", "settlement_shops"))
    changes = views.settlements.changes(upto, 100)
    assert (changes.upto, changes.known, changes.payments) == (upto, 0, [])


def test_report_numbers_grow(views: Views) -> None:
    first = views.settlements.next_report_number()
    assert views.settlements.next_report_number() > first


def test_a_cardholder_sees_the_own_payments_newest_first(
    ledger: LedgerDatabase, views: Views, street: Street
) -> None:
    street.pays(0, 2)
    street.pays(1)
    ledger.append(street.events)
    views.catch_up()
    found = views.settlements.of_card(street.card, most=2)
    assert [name for _, name in found] == ["Amy's", "Zoë's"]
    assert found[0][0].decided_us > found[1][0].decided_us
    assert views.settlements.of_card(UUID(int=9)) == []
