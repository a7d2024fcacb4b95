"""The terms of a programme: what a company lets its cards pay for, when, and how much of it.

`STANDARD` holds for a company without a programme of its own. Amounts in cents; None: no limit.
"""

import msgspec

EVERY_DAY = (1, 2, 3, 4, 5, 6, 7)
PIN_FREE_CENTS = 2_500
"""A stripe pays up to $25.00 without the PIN; a phone has its owner's signature instead."""
LEGAL_DAY_CENTS = 200_000
"""The most of a closed-loop card in a day: $2,000.00 (31 CFR 1010.100(ff)(4)(iii)(A))."""


class Window(msgspec.Struct, frozen=True, gc=False):
    """Minutes of the local day, 0 .. 1,440: from the first, until before the last."""

    from_minute: int
    until_minute: int


class Terms(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Everything that a programme sets. Periods are those of the account's time zone.

    `weekdays` are 1 (Monday) .. 7; `hours` empty: the whole day; `holidays` ISO dates on which
    nothing is paid; `allowed_categories` empty: all that are not refused (ISO 18245).
    `tip_percent` is the most that a tip adds to a bill, where the cardholder agreed to tips;
    `partial_approval`: whether a till that can may be given a part; `expiry_days`: how long
    credited money lasts, None for ever.
    """

    per_payment_cents: int | None = None
    per_day_cents: int | None = None
    per_week_cents: int | None = None
    per_month_cents: int | None = None
    payments_per_day: int | None = None
    payments_per_week: int | None = None
    payments_per_month: int | None = None
    weekdays: tuple[int, ...] = EVERY_DAY
    hours: tuple[Window, ...] = ()
    holidays: tuple[str, ...] = ()
    allowed_categories: tuple[str, ...] = ()
    refused_categories: tuple[str, ...] = ("5813",)
    tip_percent: int = 20
    pin_free_cents: int = PIN_FREE_CENTS
    partial_approval: bool = True
    expiry_days: int | None = None


STANDARD = Terms()
"""Bars (5813) are refused; everything else is left to the account's daily limit and the law."""
