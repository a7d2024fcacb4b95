"""Somebody who knows no key changes what shops are owed: it is noticed, told and mended."""

import logging
from collections.abc import Callable, Iterator
from datetime import date
from typing import Any
from uuid import UUID

import pytest

from adapters.ledger_core import datastore
from adapters.ledger_views import LedgerViews
from adapters.postgres.recorder import ShardRecorder
from application.ports import Rebuilding
from tests.integration.ledger.databases import LedgerDatabase
from tests.integration.ledger.town import NOW_US, Town


class FixedClock:
    def now_us(self) -> int:
        return NOW_US


class Shop:
    """Twenty payments of $1.00; the first was reversed."""

    def __init__(self, ledger: LedgerDatabase) -> None:
        self.town = town = Town()
        company, events = town.company()
        (card,), more = town.person(company)
        shop, opened = town.shop()
        self.till, tills = town.terminal(shop)
        events += more + town.refill(company, card, 100_000) + opened + tills
        self.payments: list[UUID] = []
        for _ in range(20):
            id, more = town.payment(self.till, card, 100)
            self.payments.append(id)
            events += more
        ledger.append(events + town.reversal(self.payments[0], self.till))


@pytest.fixture
def shop(ledger: LedgerDatabase) -> Shop:
    return Shop(ledger)


@pytest.fixture
def views(ledger: LedgerDatabase, shop: Shop) -> Iterator[LedgerViews]:
    views = LedgerViews(
        ledger.dsn, ledger.keys, ledger.mapper, FixedClock(), lambda: ledger.log.recorder.position
    )
    views.start()
    yield views
    views.stop()


def exported(views: LedgerViews) -> str:
    return "".join(views.export_settlements(date(2026, 1, 1), date(2027, 1, 1), None, "csv"))


def reported(views: LedgerViews) -> Any:
    return views._changes(0, 1_000)


def listed(views: LedgerViews) -> Any:
    return views.directory.companies()


_FLIP = "payload = set_byte(payload, 60, get_byte(payload, 60) # 1)"
_KEY = "payload = set_byte(payload, 12, get_byte(payload, 12) # 1)"


@pytest.mark.parametrize(
    ("statement", "read"),
    [
        ("DELETE FROM settlements WHERE transaction_id = %(last)s", exported),
        ("DELETE FROM settlements WHERE transaction_id = %(last)s", reported),
        ("DELETE FROM settlements", exported),
        ("DELETE FROM settlement_shops", exported),
        ("DELETE FROM settlement_adjustments", exported),
        ("DELETE FROM settlement_adjustments", reported),
        (f"UPDATE settlements SET {_FLIP} WHERE transaction_id = %(last)s", exported),
        (f"UPDATE settlements SET {_KEY} WHERE transaction_id = %(last)s", exported),
        (f"UPDATE settlements SET {_FLIP} WHERE transaction_id = %(last)s", reported),
        (f"UPDATE settlement_shops SET {_FLIP}", exported),
        (f"UPDATE directory SET {_FLIP} WHERE kind = 'company'", listed),
        ("UPDATE projections SET position = position - 20 WHERE name = 'settlements/2'", exported),
    ],
)
def test_a_change_is_told_and_mended(
    ledger: LedgerDatabase,
    views: LedgerViews,
    shop: Shop,
    caplog: pytest.LogCaptureFixture,
    statement: str,
    read: Callable[[LedgerViews], Any],
) -> None:
    _settled(views)
    before = [each(views) for each in (exported, reported, listed)]
    assert "18.00" not in before[0] and "19.00" in before[0], "twenty, and one taken back"
    with ledger.as_attacker() as connection:
        connection.execute(statement, {"last": shop.payments[-1]})
    with pytest.raises(Rebuilding):
        read(views)
    critical = [each for each in caplog.records if each.levelno == logging.CRITICAL]
    assert "is being built anew" in critical[0].getMessage()
    _settled(views)
    assert [each(views) for each in (exported, reported, listed)] == before


def test_an_older_row_in_place_of_the_newer_is_noticed(
    ledger: LedgerDatabase, views: LedgerViews, shop: Shop
) -> None:
    """Sealed by us, at its own place, and no longer true: a reversal is undone by it."""
    _settled(views)
    payment = shop.payments[5]
    with ledger.as_attacker() as connection:
        kept = connection.execute(
            "SELECT position, payload FROM settlements WHERE transaction_id = %s", (payment,)
        ).fetchone()
        assert kept is not None
        ledger.append(shop.town.reversal(payment, shop.till))
        _settled(views)
        before = exported(views)
        connection.execute(
            "UPDATE settlements SET position = %s, payload = %s WHERE transaction_id = %s",
            (*kept, payment),
        )
    with pytest.raises(Rebuilding):
        exported(views)
    _settled(views)
    assert exported(views) == before


def test_nothing_is_read_while_it_is_built_anew(views: LedgerViews) -> None:
    _settled(views)
    views.runner.stop()
    views.runner.rebuild("settlements/2")
    for read in (exported, reported):
        with pytest.raises(Rebuilding):
            read(views)
    assert listed(views)


def test_a_row_that_the_projection_itself_needs_is_noticed_by_it(
    ledger: LedgerDatabase,
    views: LedgerViews,
    shop: Shop,
    caplog: pytest.LogCaptureFixture,
) -> None:
    _settled(views)
    with ledger.as_attacker() as connection:
        connection.execute(f"UPDATE settlements SET {_FLIP}")
    ledger.append(shop.town.reversal(shop.payments[5], shop.till))
    _settled(views)
    assert "18.00" in exported(views), "two of twenty were taken back"
    assert any(each.levelno == logging.CRITICAL for each in caplog.records)


def _settled(views: LedgerViews) -> None:
    for name in ("settlements/2", "directory/1", "card_streams/1"):
        assert views.caught_up(name, 20), name
    deadline = 200
    while any(views.runner.is_rebuilding(each.name) for each in views.runner.progress()):
        views.runner.wake()
        views.caught_up("settlements/2", 0.1)
        deadline -= 1
        assert deadline


def test_before_the_end_of_the_log_is_known_nothing_is_caught_up(ledger: LedgerDatabase) -> None:
    recorder = ShardRecorder(datastore(ledger.dsn), ledger.dsn)
    views = LedgerViews(
        ledger.dsn, ledger.keys, ledger.mapper, FixedClock(), lambda: recorder.known_position
    )
    try:
        assert not views.caught_up(seconds=0.1)
    finally:
        views.stop()
        recorder.datastore.close()
