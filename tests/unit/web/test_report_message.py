"""What a report must be before anything of it is stored."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.web.report_message import Report, ReportRefused, one_line, parse_report

_ROW = {
    "position": 2, "shop": "00000000-0000-8000-8000-000000000001",
    "transaction": "00000000-0000-8000-8000-000000000002",
    "terminal": "00000000-0000-8000-8000-000000000003", "terminal_label": "Counter",
    "local_date": "2026-11-23", "occurred_us": 1, "card_masked": "508900******1234",
    "kind": "sale", "amount_cents": 5, "original_cents": 5, "status": "approved",
}  # fmt: skip
_BODY = {
    "id": 1, "report": 1, "after": 1, "upto": 2, "as_of_us": 1,
    "shops": [{"shop": _ROW["shop"], "name": "A", "timezone": "America/New_York",
               "category": "5812"}],
    "logins": [{"shop": _ROW["shop"], "activation_sha256": "ab" * 32}], "rows": [_ROW],
}  # fmt: skip


def _encoded(changes: dict[str, Any], row: dict[str, Any]) -> bytes:
    return json.dumps({**_BODY, "rows": [{**_ROW, **row}], **changes}).encode()


def test_a_whole_report_is_taken() -> None:
    report = parse_report(_encoded({}, {}))
    assert report.rows[0].card_masked == "508900******1234"
    assert report.shops[0].name == "A"


def test_an_adjustment_names_the_payment_that_it_changes() -> None:
    row = {"status": "adjustment", "amount_cents": -5, "adjusts": _ROW["terminal"]}
    report = parse_report(_encoded({}, {**row, "adjusts_date": "2026-11-22"}))
    assert report.rows[0].amount_cents == -5


def test_fields_of_a_later_version_are_passed_over() -> None:
    assert parse_report(_encoded({"weather": "fine"}, {"mood": 1})).upto == 2


@pytest.mark.parametrize(
    ("changes", "row"),
    [
        ({"upto": 0}, {}),
        ({"after": -1}, {}),
        ({"after": "1"}, {}),
        ({"rows": None}, {}),
        ({"shops": [{"shop": _ROW["shop"], "name": "A", "timezone": "Mars/Olympus"}]}, {}),
        ({"shops": [{"shop": _ROW["shop"], "name": "A", "timezone": "../../etc/passwd"}]}, {}),
        ({"logins": [{"shop": _ROW["shop"], "activation_sha256": "AB" * 32}]}, {}),
        ({"logins": [{"shop": "joe", "activation_sha256": "ab" * 32}]}, {}),
        ({}, {"position": 1}),
        ({}, {"position": 3}),
        ({}, {"position": True}),
        ({}, {"amount_cents": -1}),
        ({}, {"amount_cents": 1.5}),
        ({}, {"amount_cents": 2**63}),
        ({}, {"local_date": "11/23/2026"}),
        ({}, {"status": "lost"}),
        ({}, {"status": "adjustment", "amount_cents": -5}),
        ({}, {"adjusts": _ROW["terminal"], "adjusts_date": "2026-11-22"}),
        ({}, {"card_masked": "5089001234561234"}),
        ({}, {"card_masked": "508900******1234\n"}),
        ({}, {"card_masked": "5089001*****1234"}),
        ({}, {"card_masked": "508900***1234"}),
        ({}, {"card_masked": "508900******12345"}),
    ],
)
def test_anything_else_is_refused(changes: dict[str, Any], row: dict[str, Any]) -> None:
    with pytest.raises(ReportRefused) as refused:
        parse_report(_encoded(changes, row))
    assert refused.value.code == "malformed"
    assert "5089" not in str(refused.value)


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_are_a_report_or_refused(body: bytes) -> None:
    try:
        assert isinstance(parse_report(body), Report)
    except ReportRefused:
        pass


@given(st.text(max_size=400))
def test_a_name_becomes_one_printable_line(text: str) -> None:
    line = one_line(text)
    assert len(line) <= 200
    assert all(c.isprintable() or c in "\u200c\u200d" for c in line)
    assert "\0" not in line


def test_ordinary_names_stay_as_they_are() -> None:
    for name in ("Joe’s Diner", "Café Zoë", "寿司 & Co.", "क्\u200dष"):
        assert one_line(name) == name
