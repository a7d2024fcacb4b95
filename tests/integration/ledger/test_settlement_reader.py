"""What is read from the settlements: periods, changes, a cardholder's own payments."""

from collections.abc import Iterator
from datetime import date
from uuid import UUID

import pytest
from msgspec.structs import replace

from adapters.correction_reads import CorrectionReads
from adapters.ledger_views import LedgerViews
from adapters.postgres.log_reader import SealedLogReader
from adapters.reports.settlements_csv import settlements_csv
from application.corrections import Credited
from application.export_settlements import export_settlements
from domain.aggregates.account import AccountCredited
from domain.event import Event
from projections.guarded import Guarded
from projections.settlements import Adjustment, Payment, SettledShop
from tests.integration.ledger.databases import LedgerDatabase
from tests.integration.ledger.town import Town
from tests.integration.ledger.views import Views

DAY_US = 24 * 3600 * 1_000_000


class FixedClock:
    def now_us(self) -> int:
        return 1_795_000_000_000_000


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
    return {
        shop.name: [line for line in lines if isinstance(line, Payment)] for shop, lines in found
    }


def statement(views: Views, day: str) -> list[Payment | Adjustment]:
    at = date.fromisoformat(day)
    return [line for _, lines in views.settlements.period(at, at) for line in lines]


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
    views.runner.rebuild("settlements/2")
    views.catch_up()
    assert export() == before


def test_a_settled_day_stays_and_a_later_change_is_in_the_statement_of_its_own_day(
    ledger: LedgerDatabase, views: Views, street: Street
) -> None:
    ledger.append(street.pays(0, 3))
    wrong, taken = (street.events[at].originator_id for at in (-2, -4))
    views.catch_up()
    before, sent = statement(views, "2026-11-18"), len(street.events)
    street.town.now_us += DAY_US
    street.events += street.town.correction(wrong, 40)
    street.events += street.town.reversal(taken, street.tills[0])
    ledger.append(street.events[sent:])
    views.catch_up()

    again = statement(views, "2026-11-18")
    assert [_as_counted(each) for each in again] == [_as_counted(each) for each in before]
    corrected, back = statement(views, "2026-11-19")
    assert isinstance(corrected, Adjustment) and isinstance(back, Adjustment)
    assert (corrected.transaction_id, corrected.payment_date) == (wrong, "2026-11-18")
    assert (corrected.kind, corrected.change_cents) == ("corrected", -60)
    assert (back.transaction_id, back.kind, back.change_cents) == (taken, "reversed", -100)

    told: list[Adjustment] = []
    after = 0
    while (changes := views.settlements.changes(after, 2)).upto > after:
        told += changes.adjustments
        after = changes.upto
    assert told == [corrected, back], "each once, also where its payment is in the same page"
    own = {each.transaction_id: each for each, _ in views.settlements.of_cards([street.card])}
    assert (own[wrong].worth_cents, own[taken].worth_cents) == (40, 0)


def test_what_a_correction_would_do_to_statements(
    ledger: LedgerDatabase, views: Views, street: Street
) -> None:
    ledger.append(street.pays(0, 3))
    payment, now_us = street.events[-2].originator_id, street.town.now_us
    views.catch_up()
    reads = CorrectionReads(
        lambda: SealedLogReader(ledger.connect, ledger.mapper),
        views.settlements,
        Guarded(views.runner),
        lambda: True,
    )
    (same_day,) = reads.statements([(payment, -60)], now_us)
    assert (same_day["day"], same_day["settled_days"]) == ("2026-11-18", [])
    assert same_day["net_cents"] == {"before": 300, "after": 240}
    (next_day,) = reads.statements([(payment, -60)], now_us + DAY_US)
    assert (next_day["day"], next_day["settled_days"]) == ("2026-11-19", ["2026-11-18"])
    assert next_day["net_cents"] == {"before": 0, "after": -60}

    credited = next(each for each in street.events if isinstance(each, AccountCredited))
    place = credited.refill_id, credited.originator_id
    found = reads.credited([place, (credited.refill_id, UUID(int=9))])
    assert found == {place: Credited(credited.amount_cents, credited.originator_version)}


def _as_counted(line: Payment | Adjustment) -> object:
    """Without what only says that something happened later."""
    assert isinstance(line, Payment)
    return replace(line, position=0, later_cents=0, later_us=0, later_reversed=False)


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
    views.store.clear(
        "settlements/2", ("settlements", "settlement_shops", "settlement_adjustments")
    )
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
    found = views.settlements.of_cards([street.card], most=2)
    assert [name for _, name in found] == ["Amy's", "Zoë's"]
    assert found[0][0].decided_us > found[1][0].decided_us
    assert views.settlements.of_cards([UUID(int=9)]) == []


def test_the_phone_shows_what_was_paid_with_the_other_cards_of_its_account(
    ledger: LedgerDatabase,
) -> None:
    town = Town()
    company, events = town.company()
    (stripe, phone), more = town.person(company, kinds=("stripe", "virtual"))
    shop, shops = town.shop("Amy's")
    till, tills = town.terminal(shop)
    events += more + town.refill(company, stripe, 1_000) + shops + tills
    (stranger,), others = town.person(company)
    events += others + town.refill(company, stranger, 1_000)
    paid, payment = town.payment(till, stripe, 100)
    ledger.append(events + payment + town.payment(till, stranger, 100)[1])
    views = LedgerViews(
        ledger.dsn, ledger.keys, ledger.mapper, FixedClock(), lambda: ledger.log.recorder.position
    )
    views.start()
    try:
        rows = views.card_history(phone)
    finally:
        views.stop()
    assert [row["transaction"] for row in rows] == [str(paid)]
