"""Card numbers are made with a right check digit, read strictly and shown masked."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain import pan


@pytest.mark.parametrize("number", ["4111111111111111", "5555555555554444", "378282246310005"])
def test_the_published_test_numbers_are_right(number: str) -> None:
    assert pan.luhn_ok(number)
    assert pan.parse(number) == number


@given(st.integers(min_value=0, max_value=10**9 - 1))
def test_a_made_number_is_one(number: int) -> None:
    made = pan.make("508900", number)
    assert len(made) == 16
    assert made.startswith("508900")
    assert pan.parse(made) == made


@given(st.integers(min_value=0, max_value=10**9 - 1), st.integers(0, 15), st.integers(1, 9))
def test_any_single_misread_digit_is_noticed(number: int, place: int, off: int) -> None:
    made = pan.make("508900", number)
    wrong = (int(made[place]) + off) % 10
    assert pan.parse(made[:place] + str(wrong) + made[place + 1 :]) is None


def test_groups_may_be_written_apart() -> None:
    assert pan.parse(" 4111 1111-1111 1111 ") == "4111111111111111"


@pytest.mark.parametrize(
    "text", ["", "0", "411111111111111", "4111111111111112", "٤١١١١١١١١١١١١١١١", "4111x11111111111"]
)
def test_anything_else_is_none(text: str) -> None:
    assert pan.parse(text) is None


@pytest.mark.parametrize(
    ("prefix", "number"), [("508900", 10**9), ("508900", -1), ("", 1), ("5x", 1)]
)
def test_what_does_not_fit_is_refused(prefix: str, number: int) -> None:
    with pytest.raises(ValueError):
        pan.make(prefix, number)


def test_first_six_and_last_four_are_shown() -> None:
    assert pan.mask("5089001234567890") == "508900******7890"
    assert pan.mask("508900123456") == "508900**3456"
    assert pan.mask("1234567890") == "*" * 10
