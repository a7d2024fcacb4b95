"""Merchant category codes (ISO 18245) in words: those that meal cards meet."""

from typing import Final

WORDS: Final = {
    "5300": "warehouse clubs",
    "5411": "groceries and supermarkets",
    "5422": "butchers",
    "5441": "candy and nuts",
    "5451": "dairies",
    "5462": "bakeries",
    "5499": "convenience and other food shops",
    "5541": "gas stations",
    "5811": "caterers",
    "5812": "restaurants",
    "5813": "bars",
    "5814": "fast food",
    "5921": "liquor shops",
    "5993": "tobacco shops",
}


def named(code: str) -> str:
    """`5813 bars`; a code without words as it is."""
    return f"{code} {WORDS[code]}" if code in WORDS else code
