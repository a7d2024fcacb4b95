"""Amounts as people type them and as they are shown. Inside, always integer cents."""

import re

MAX_AMOUNT_CENTS = 2**31 - 1
_AMOUNT = re.compile(r"\$?([0-9]{1,3}(?:,[0-9]{3})+|[0-9]{1,8})(?:\.([0-9]{2}))?", re.ASCII)


class AmountError(ValueError):
    """The text is not an amount; the message says what would be one."""


_ONE_PLACE = re.compile(r"\$?[0-9,]+\.[0-9]", re.ASCII)


def parse_amount(text: str) -> int:
    """The cents of "12.50", "$12.50", "1,250.00" or "12". Raises AmountError.

    Neither rounds nor guesses: "12.5" and "12.505" are refused, and so is whatever
    is not between $0.01 and $21,474,836.47 (the range of a contract).
    """
    match = _AMOUNT.fullmatch(text.strip())
    if match is None and _ONE_PLACE.fullmatch(text.strip()):
        raise AmountError(f"an amount has two places: write {text.strip()}0")
    if match is None:
        raise AmountError("an amount looks like 12.50 or $12.50")
    cents = int(match[1].replace(",", "")) * 100 + int(match[2] or "0")
    if not 1 <= cents <= MAX_AMOUNT_CENTS:
        raise AmountError(f"an amount is between $0.01 and {show_amount(MAX_AMOUNT_CENTS)}")
    return cents


def show_amount(cents: int) -> str:
    """An amount as people write it: $1,234.50, -$0.05."""
    whole, rest = divmod(abs(cents), 100)
    return f"{'-' if cents < 0 else ''}${whole:,}.{rest:02d}"
