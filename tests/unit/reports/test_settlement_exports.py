"""Settlements as finance departments import them: right sums, safe cells, a valid schema."""

import csv
import io
import random
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
import xmlschema
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from adapters.reports.settlements_csv import COLUMNS, safe, settlements_csv
from adapters.reports.settlements_xml import SCHEMA, settlements_xml
from application.export_settlements import BadPeriod, export_settlements, money
from application.ports import Unavailable
from projections.settlements import Payment
from tests.unit.reports.settlements import (
    NOON_US,
    OTHER,
    SHOP,
    Records,
    adjustment,
    payment,
    shop,
)

PERIOD: dict[str, Any] = {"first": date(2026, 11, 1), "last": date(2026, 11, 30)}
_SCHEMA = xmlschema.XMLSchema(SCHEMA)


def reversed_payment(number: int) -> Payment:
    return payment(number, 900, reversed_cents=900, changed_us=NOON_US, reversed=True)


def corrected_payment(number: int) -> Payment:
    return payment(number, 2_000, corrected_cents=-505, changed_us=NOON_US + 86_400_000_000)


def lived_on() -> list[Payment]:
    """Tipped, refunded in part after a tip, credited, voided with its tip."""
    at = {"changed_us": NOON_US}
    return [
        payment(6, 1_000, tipped_cents=150, **at),
        payment(7, 1_000, tipped_cents=100, refunded_cents=400, **at),
        payment(8, 1_000, credited_cents=1_000, **at),
        payment(9, 1_000, tipped_cents=50, reversed_cents=1_050, reversed=True, voided=True, **at),
    ]


def records() -> Records:
    return Records(
        (shop(), [payment(1), reversed_payment(2), corrected_payment(3)]),
        (shop(OTHER, "Zoë's <Café> & Bar"), [payment(4, 5), payment(5, 1)]),
    )


def as_csv(records: Records, **more: Any) -> list[dict[str, str]]:
    text = "".join(export_settlements(records, lambda: True, settlements_csv, **{**PERIOD, **more}))
    assert text.endswith("\r\n")
    return list(csv.DictReader(io.StringIO(text, newline="")))


def as_xml(records: Records, **more: Any) -> str:
    return "".join(export_settlements(records, lambda: True, settlements_xml, **{**PERIOD, **more}))


def test_each_payment_a_record_then_totals() -> None:
    rows = as_csv(records())
    assert tuple(rows[0]) == COLUMNS
    assert [row["record"] for row in rows] == [
        *("payment", "payment", "payment", "shop-total", "payment", "payment", "shop-total"),
        "total",
    ]
    first, back, corrected, of_shop = rows[:4]
    assert (first["date"], first["time"]) == ("2026-11-02", "2026-11-02T12:00:00-06:00")
    assert (first["terminal"], first["card"]) == ("Till 1", "636012******1234")
    assert (first["authorized"], first["net"], first["currency"]) == ("12.50", "12.50", "USD")
    assert (first["status"], first["changed_at"]) == ("approved", "")
    assert (back["status"], back["reversed"], back["net"]) == ("reversed", "-9.00", "0.00")
    assert (corrected["corrected"], corrected["net"]) == ("-5.05", "14.95")
    assert corrected["changed_at"] == "2026-11-03T12:00:00-06:00"
    assert (of_shop["authorized"], of_shop["net"], of_shop["payments"]) == ("41.50", "27.45", "2")
    assert (rows[-1]["net"], rows[-1]["payments"]) == ("27.51", "4")
    assert [of_shop[f"payments_{what}"] for what in ("corrected", "reversed")] == ["1", "1"]


@pytest.mark.parametrize(
    ("kind", "column"),
    [
        *(("corrected", "corrected"), ("reversed", "reversed"), ("voided", "reversed")),
        *(("refunded", "refunded"), ("tipped", "tipped"), ("disputed", "disputed")),
    ],
)
def test_an_adjustment_is_in_the_column_of_its_kind(kind: str, column: str) -> None:
    found = Records((shop(), [adjustment(-500, kind)]))
    row, of_shop, _ = as_csv(found)
    assert (row["status"], row[column], row["net"]) == (kind, "-5.00", "-5.00")
    for each in (row, of_shop):
        assert sum(Decimal(each[name]) for name in SUMS) == Decimal("-5.00") == Decimal(each["net"])
    _SCHEMA.validate(as_xml(found))


SUMS = ("authorized", "corrected", "reversed", "tipped", "refunded", "disputed")


def test_the_columns_add_up() -> None:
    for row in as_csv(Records((shop(), [payment(1), corrected_payment(3), *lived_on()]))):
        assert sum(Decimal(row[name]) for name in SUMS) == Decimal(row["net"])


def test_tips_refunds_and_disputes_are_told() -> None:
    found = Records((shop(), lived_on()))
    *rows, of_shop, _ = as_csv(found)
    assert [(row["status"], row["net"]) for row in rows] == [
        ("tipped", "11.50"), ("refunded", "7.00"), ("refunded", "0.00"), ("voided", "0.00"),
    ]  # fmt: skip
    assert [of_shop[name] for name in SUMS[2:]] == ["-10.50", "3.00", "-4.00", "-10.00"]
    counts = ("payments", "payments_corrected", "payments_reversed")
    assert [of_shop[name] for name in counts] == ["3", "3", "1"]
    text = as_xml(found)
    _SCHEMA.validate(text)
    element = etree.fromstring(text.encode()).find(".//{*}payment[2]")
    told = [element.get(name) for name in SUMS]
    assert told == ["10.00", "0.00", "0.00", "1.00", "-4.00", "0.00"]


def test_the_xml_fits_its_schema_and_says_the_same() -> None:
    text = as_xml(records())
    _SCHEMA.validate(text)
    etree.XMLSchema(etree.parse(SCHEMA)).assertValid(etree.fromstring(text.encode()))
    tree = etree.fromstring(text.encode())
    space = {"s": "urn:ticketrestaurant-us:settlements:1"}
    names = tree.xpath("s:shop/@name", namespaces=space)
    assert names == ["Joe's Diner", "Zoë's <Café> & Bar"]
    payments = [row for row in as_csv(records()) if row["record"] == "payment"]
    for element, row in zip(tree.iterfind("s:shop/s:payment", space), payments, strict=True):
        for name in ("transaction", "date", "time", "terminal", "card", "kind", "status", "net"):
            assert element.get(name) == row[name]
    assert tree.find("s:total", space).get("net") == "27.51"


def test_a_later_change_is_a_line_of_its_own_that_names_the_payment() -> None:
    found = Records((shop(), [payment(1), adjustment(-500), adjustment(-750, "reversed")]))
    paid, corrected, back, of_shop, total = as_csv(found)
    assert (paid["record"], paid["net"], paid["payment_date"]) == ("payment", "12.50", "")
    assert (corrected["record"], corrected["status"]) == ("adjustment", "corrected")
    assert corrected["transaction"] == str(adjustment().transaction_id)
    assert (corrected["date"], corrected["payment_date"]) == ("2026-11-03", "2026-11-02")
    assert (corrected["authorized"], corrected["corrected"]) == ("0.00", "-5.00")
    assert (back["reversed"], back["corrected"], back["net"]) == ("-7.50", "0.00", "-7.50")
    assert (of_shop["net"], of_shop["payments"], of_shop["adjustments"]) == ("0.00", "1", "2")
    for row in (corrected, back, of_shop, total):
        parts = [Decimal(row[name]) for name in ("authorized", "corrected", "reversed")]
        assert sum(parts) == Decimal(row["net"])
    text = as_xml(found)
    _SCHEMA.validate(text)
    etree.XMLSchema(etree.parse(SCHEMA)).assertValid(etree.fromstring(text.encode()))
    assert text.count("<adjustment ") == 2
    before = as_csv(found, last=date(2026, 11, 2))
    assert [row["record"] for row in before] == ["payment", "shop-total", "total"]


def test_an_empty_period_is_valid_too() -> None:
    assert [row["record"] for row in as_csv(Records())] == ["total"]
    _SCHEMA.validate(as_xml(Records()))
    named = Records((shop(), []))
    assert [row["record"] for row in as_csv(named)] == ["total"], "nothing to say of it"
    assert [row["record"] for row in as_csv(named, shop_id=SHOP)] == ["shop-total", "total"]
    _SCHEMA.validate(as_xml(named, shop_id=SHOP))


@given(st.text(), st.text())
def test_no_cell_begins_as_a_formula_and_any_name_survives(name: str, label: str) -> None:
    found = Records((shop(name=name), [payment(terminal_label=label)]))
    row = as_csv(found)[0]
    for cell in (row["shop_name"], row["terminal"]):
        assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))
    assert row["shop_name"].removeprefix("'") == name.removeprefix("'")
    assert row["terminal"].removeprefix("'") == label.removeprefix("'")
    _SCHEMA.validate(as_xml(found))


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_formulas_are_shown_not_computed(text: str) -> None:
    assert safe(text) == "'" + text


def test_the_same_ledger_gives_the_same_text_in_pieces() -> None:
    payments = [payment(number, random.Random(number).randint(1, 9_999)) for number in range(1_000)]
    found = Records((shop(), payments))
    pieces = list(export_settlements(found, lambda: True, settlements_csv, **PERIOD))
    assert len(pieces) > 3
    assert "".join(pieces) == "".join(
        export_settlements(found, lambda: True, settlements_csv, **PERIOD)
    )


def test_a_period_backwards_and_records_behind_are_refused_at_once() -> None:
    with pytest.raises(BadPeriod):
        export_settlements(
            records(),
            lambda: True,
            settlements_csv,
            first=date(2026, 11, 2),
            last=date(2026, 11, 1),
        )
    with pytest.raises(Unavailable):
        export_settlements(records(), lambda: False, settlements_csv, **PERIOD)


@given(st.integers(-(2**40), 2**40))
def test_money_is_exact(cents: int) -> None:
    assert Decimal(money(cents)) * 100 == cents
    assert money(cents).rpartition(".")[2].isdigit()
    assert len(money(cents).rpartition(".")[2]) == 2


def test_the_hour_that_comes_twice_is_told_apart() -> None:
    """2026-11-01 01:30 in Chicago: first in summer time, an hour later in winter time."""
    twice = [
        payment(1, decided_us=1_793_514_600_000_000, local_date="2026-11-01"),
        payment(2, decided_us=1_793_518_200_000_000, local_date="2026-11-01"),
    ]
    times = [row["time"] for row in as_csv(Records((shop(), twice)))[:2]]
    assert times == ["2026-11-01T01:30:00-05:00", "2026-11-01T01:30:00-06:00"]
