"""How figures are written for people and for spreadsheets."""

from datetime import date
from uuid import UUID

import pytest

from adapters.web import presentation
from adapters.web.csv_export import file_name
from adapters.web.shop_records import Shop

# 2026-11-01 05:59:59 UTC: one second before the clocks of New York go back.
_BEFORE = 1_793_512_799_000_000


@pytest.mark.parametrize(
    ("cents", "people", "machines"),
    [
        (0, "$0.00", "0.00"),
        (5, "$0.05", "0.05"),
        (123_456_789, "$1,234,567.89", "1234567.89"),
        (-250, "-$2.50", "-2.50"),
    ],
)
def test_money(cents: int, people: str, machines: str) -> None:
    assert presentation.money(cents) == people
    assert presentation.plain_money(cents) == machines


def test_times_follow_the_shops_clocks_through_a_change() -> None:
    zone = "America/New_York"
    assert presentation.date_and_time(_BEFORE, zone) == "Sun, Nov 1, 2026, 1:59:59 AM EDT"
    assert presentation.date_and_time(_BEFORE + 1_000_000, zone) == (
        "Sun, Nov 1, 2026, 1:00:00 AM EST"
    )
    assert presentation.iso_time(_BEFORE + 1_000_000, zone) == "2026-11-01T01:00:00-05:00"


@pytest.mark.parametrize(
    ("hour_us", "shown"), [(0, "12:00:00 AM"), (12, "12:00:00 PM"), (23, "11:00:00 PM")]
)
def test_midnight_and_noon_are_twelve(hour_us: int, shown: str) -> None:
    assert presentation.clock_time(hour_us * 3_600_000_000, "UTC") == shown


def test_a_card_is_shown_in_groups() -> None:
    assert presentation.masked_card("508900******1234") == "5089 00•• •••• 1234"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Joe’s Diner", "joe-s-diner_2026-11-01_2026-11-30.csv"),
        ('../../etc/"passwd"\r\nX: y', "etc-passwd-x-y_2026-11-01_2026-11-30.csv"),
        ("寿司", "shop_2026-11-01_2026-11-30.csv"),
        ("x" * 300, "x" * 40 + "_2026-11-01_2026-11-30.csv"),
    ],
)
def test_a_file_name_is_safe_everywhere(name: str, expected: str) -> None:
    shop = Shop(UUID(int=1), name, "UTC")
    assert file_name(shop, date(2026, 11, 1), date(2026, 11, 30)) == expected
