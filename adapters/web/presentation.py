"""How amounts, times and card numbers are written for people in the United States."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def local_time(at_us: int, timezone: str) -> datetime:
    """The instant `at_us` (microseconds since 1970 UTC) on the clocks of `timezone`."""
    return (_EPOCH + timedelta(microseconds=at_us)).astimezone(ZoneInfo(timezone))


def local_day(at_us: int, timezone: str) -> date:
    """The calendar day of the instant `at_us` in `timezone`."""
    return local_time(at_us, timezone).date()


def money(cents: int) -> str:
    """`123456` as `$1,234.56`."""
    sign = "-" if cents < 0 else ""
    dollars, rest = divmod(abs(cents), 100)
    return f"{sign}${dollars:,}.{rest:02d}"


def plain_money(cents: int) -> str:
    """`123456` as `1234.56`, for spreadsheets."""
    sign = "-" if cents < 0 else ""
    dollars, rest = divmod(abs(cents), 100)
    return f"{sign}{dollars}.{rest:02d}"


def calendar_date(value: date) -> str:
    """`Nov 23, 2026`."""
    return f"{value:%b} {value.day}, {value.year}"


def weekday(value: date) -> str:
    """`Mon`."""
    return f"{value:%a}"


def day(value: date) -> str:
    """`Mon, Nov 23, 2026`."""
    return f"{weekday(value)}, {calendar_date(value)}"


def short_day(value: date) -> str:
    """`Nov 23`."""
    return f"{value:%b} {value.day}"


def clock_time(at_us: int, timezone: str) -> str:
    """`2:31:07 PM` on the clocks of `timezone`."""
    at = local_time(at_us, timezone)
    return f"{at.hour % 12 or 12}:{at:%M:%S %p}"


def date_and_time(at_us: int, timezone: str) -> str:
    """`Mon, Nov 23, 2026, 2:31:07 PM EST`."""
    at = local_time(at_us, timezone)
    return f"{day(at.date())}, {clock_time(at_us, timezone)} {at:%Z}"


def iso_time(at_us: int, timezone: str) -> str:
    """`2026-11-23T14:31:07-05:00`, for machines."""
    return local_time(at_us, timezone).isoformat(timespec="seconds")


def masked_card(masked: str) -> str:
    """`508900******1234` in groups of four: `5089 00•• •••• 1234`."""
    dotted = masked.replace("*", "•")
    return " ".join(dotted[start : start + 4] for start in range(0, len(dotted), 4))


def plural(count: int, one: str, many: str) -> str:
    """`1 payment`, `1,204 payments`."""
    return f"{count:,} {one if count == 1 else many}"
