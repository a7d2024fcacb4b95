"""Which business day a change of a payment counts in: a settled day stays as it was.

A day is settled as soon as it is over in the shop's time zone: from then on its statement may have
been exported, booked and paid. What changes a payment of such a day later is an adjustment of the
day on which it is made, and refers to the payment. The rule needs nothing but the two times, so
that read models built anew come to the same.
"""

from domain.local_time import local_date


def is_settled(day: str, at_us: int, timezone: str) -> bool:
    """Whether the business day `day` (`2026-11-23`) was over at `at_us` in that time zone."""
    return day < local_date(at_us, timezone)


def counts_on(day: str, at_us: int, timezone: str) -> str:
    """The business day in which a change made at `at_us` of a payment of `day` counts."""
    return local_date(at_us, timezone) if is_settled(day, at_us, timezone) else day
