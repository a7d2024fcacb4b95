"""Primary account numbers (ISO/IEC 7812): making, checking and masking them.

A PAN is handled as text of digits and never stored or shown whole: first six, last four at most.
"""

from typing import Final

SHORTEST: Final = 12
LONGEST: Final = 19
OUR_LENGTH: Final = 16
_FIRST_SHOWN: Final = 6
_LAST_SHOWN: Final = 4


def luhn_digit(payload: str) -> str:
    """The check digit for the digits before it (ISO/IEC 7812-1 annex B)."""
    total = 0
    for place, digit in enumerate(reversed(payload)):
        value = int(digit) * (2 - place % 2)
        total += value - 9 if value > 9 else value
    return str(-total % 10)


def luhn_ok(digits: str) -> bool:
    """Whether the last digit is the check digit of the others."""
    return luhn_digit(digits[:-1]) == digits[-1:]


def parse(text: str) -> str | None:
    """The PAN in a text (blanks and hyphens between groups are fine), None if it is none."""
    digits = text.strip().replace(" ", "").replace("-", "")
    if not (digits.isascii() and digits.isdigit() and SHORTEST <= len(digits) <= LONGEST):
        return None
    return digits if luhn_ok(digits) else None


def room(prefix: str) -> int:
    """How many numbers a prefix (issuer identification number) leaves: 10^9 with six digits."""
    free = OUR_LENGTH - 1 - len(prefix)
    if not (prefix.isascii() and prefix.isdigit() and free >= 1):
        raise ValueError("a prefix has 1 to 14 digits")
    return int(10**free)


def make(prefix: str, number: int) -> str:
    """The PAN of 16 digits of an account number (0 .. room(prefix) - 1) behind the prefix."""
    if not 0 <= number < room(prefix):
        raise ValueError("the account number does not fit behind the prefix")
    payload = prefix + str(number).zfill(OUR_LENGTH - 1 - len(prefix))
    return payload + luhn_digit(payload)


def mask(pan: str) -> str:
    """First six and last four digits, the others starred: the most that may be kept or shown."""
    hidden = len(pan) - _FIRST_SHOWN - _LAST_SHOWN
    if hidden < 1:
        return "*" * len(pan)
    return pan[:_FIRST_SHOWN] + "*" * hidden + pan[-_LAST_SHOWN:]
