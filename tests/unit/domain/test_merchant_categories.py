"""Merchant category codes are said in words where the project knows them."""

from domain.merchant_categories import WORDS, named
from domain.terms import STANDARD


def test_a_known_code_has_its_words_beside_it() -> None:
    assert [named(code) for code in STANDARD.refused_categories] == ["5813 bars"]
    assert named("5812") == "5812 restaurants"
    assert named("7011") == "7011"


def test_codes_have_four_digits() -> None:
    assert all(len(code) == 4 and code.isdigit() for code in WORDS)
