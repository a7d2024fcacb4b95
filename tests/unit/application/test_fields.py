"""Every field is checked; what is wrong is said without repeating it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from application import fields
from application.fields import Invalid


def said(check: Any, body: dict[str, Any], *more: Any) -> str:
    with pytest.raises(Invalid) as caught:
        check(body, *more)
    return caught.value.text


@pytest.mark.parametrize("value", [None, 5, "", "   ", "a\nb", "a\0b", "a\u202eb", "x" * 81])
def test_a_name_is_one_line_of_visible_characters(value: Any) -> None:
    assert said(fields.text, {"name": value}, "name", 80).startswith("name: ")


def test_a_name_is_trimmed_and_composed() -> None:
    assert fields.text({"name": " Nu\u0301n\u0303ez "}, "name", 80) == "N\u00fa\u00f1ez"


@given(st.text("abcdefghij", min_size=12))
def test_no_text_repeats_the_value(value: str) -> None:
    assert value not in said(fields.text, {"name": value}, "name", 4)


@pytest.mark.parametrize("value", ["ana@example.com", "a.b+c@mail.example.co"])
def test_an_address_is_taken(value: str) -> None:
    assert fields.email({"email": value}) == value


@pytest.mark.parametrize(
    "value",
    [None, "", "ana", "ana@", "ana@example", "a b@example.com", "a@b@example.com",
     "a..b@example.com", "a@-x.com", "a" * 65 + "@example.com", "a@" + "x." * 130 + "com",
     "ana@example.com\nBcc: x@example.com"],
)  # fmt: skip
def test_what_is_no_address_is_refused(value: Any) -> None:
    assert "e-mail address" in said(fields.email, {"email": value})


@pytest.mark.parametrize("value", ["America/New_York", "Pacific/Honolulu", "UTC"])
def test_a_time_zone_is_taken(value: str) -> None:
    assert fields.timezone({"timezone": value}) == value


@pytest.mark.parametrize("value", [None, "", "EST", "localtime", "../../etc/passwd", "New York"])
def test_what_is_no_time_zone_is_refused(value: Any) -> None:
    assert "America/New_York" in said(fields.timezone, {"timezone": value})


@pytest.mark.parametrize("value", [None, 5812, "581", "58123", "58a2", "٥٨١٢"])
def test_a_category_has_four_digits(value: Any) -> None:
    assert "four digits" in said(fields.category, {"category": value})


@pytest.mark.parametrize("value", [None, 0, -1, 101, 1.0, True, "1"])
def test_an_amount_is_an_integer_in_range(value: Any) -> None:
    assert "$0.01 to $1.00" in said(fields.cents, {"amount_cents": value}, "amount_cents", 1, 100)


def test_no_limit_means_the_legal_one() -> None:
    assert fields.daily_limit({"daily_limit_cents": None}) == 200_000
    assert fields.daily_limit({"daily_limit_cents": 5_000}) == 5_000
    assert "$2,000.00" in said(fields.daily_limit, {"daily_limit_cents": 200_001})


@pytest.mark.parametrize(
    "value", [None, "", "x", "0192F0C1-0000-8000-8000-000000000001", "0" * 32, "{" + "0" * 36 + "}"]
)
def test_an_id_is_written_one_way(value: Any) -> None:
    assert "is not an id" in said(fields.uuid, {"card": value}, "card")


def item(key: str = "soup", **changed: Any) -> dict[str, Any]:
    return {"item": key, "name": "Soup", "price_cents": 650, **changed}


def test_a_menu_is_taken() -> None:
    items = fields.menu({"items": [item("soup"), item("salad", price_cents=1_000_000)]})
    assert [each.item for each in items] == ["soup", "salad"]


@pytest.mark.parametrize(
    ("items", "part"),
    [
        ([], "1 to 200"),
        ([item(str(n)) for n in range(201)], "1 to 200"),
        ([item(), "soup"], "objects"),
        ([item(), item()], "item 2: has the key of item 1"),
        ([item(), item("x", price_cents=0)], "item 2: price"),
        ([item(), item("x", price_cents=1_000_001)], "item 2: price"),
        ([item(), item("x", name="")], "item 2: name"),
        ([item("a b")], "item 1: item"),
        ([item(str(n), name="\U0001f35c" * 80) for n in range(200)], "too long"),
    ],
)
def test_a_menu_at_fault_is_refused_with_the_item(items: list[Any], part: str) -> None:
    assert part in said(fields.menu, {"items": items})


def test_every_refill_line_at_fault_is_named() -> None:
    good = {"account": "0192f0c1-0000-8000-8000-000000000001", "amount_cents": 100}
    lines = [good, {**good, "amount_cents": 0}, {**good, "account": "x"}]
    text = said(fields.refill_lines, {"lines": lines})
    assert "Line 2, amount" in text
    assert "Line 3, account" in text
