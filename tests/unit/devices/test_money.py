"""Amounts: what people type is taken exactly or refused."""

import pytest

from devices.money import MAX_AMOUNT_CENTS, AmountError, parse_amount, show_amount


@pytest.mark.parametrize(
    ("text", "cents"),
    [
        ("12.50", 1250),
        ("$12.50", 1250),
        (" 12 ", 1200),
        ("0.01", 1),
        ("1,250.00", 125_000),
        ("$21,474,836.47", MAX_AMOUNT_CENTS),
    ],
)
def test_an_amount_is_taken_exactly(text: str, cents: int) -> None:
    assert parse_amount(text) == cents


@pytest.mark.parametrize(
    "text",
    [
        "",
        "12.505",
        "12.5",
        "-12.50",
        "$-1",
        "0",
        "0.00",
        "21474836.48",
        "9" * 40,
        "1e3",
        "12,50",
        "1 2",
        "NaN",
        "١٢",
        ".50",
        "$",
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(AmountError):
        parse_amount(text)


def test_amounts_are_shown_as_people_write_them() -> None:
    assert [show_amount(c) for c in (5, 1250, 123_450, -5)] == [
        "$0.05",
        "$12.50",
        "$1,234.50",
        "-$0.05",
    ]
