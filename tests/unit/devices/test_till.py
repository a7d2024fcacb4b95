"""The till: what keys do and what 4 x 20 characters show, without screen or network."""

import time
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from devices.menu import Menu, MenuItem
from devices.pos import till as keys
from devices.pos.bills import Bill
from devices.pos.display import COLUMNS, ROWS
from devices.pos.journal import Pending
from devices.pos.payment import Outcome, Payment, read_decision
from devices.pos.till import Sell, Show, Till
from tests.unit.devices.authority import PAN, TRACK2

MENU = Menu(
    UUID(int=1),
    "Chez Marie",
    1,
    (MenuItem("1", "Quiche with leeks and a long name", 850), MenuItem("2", "Coffee", 350)),
)
OUTCOME = Outcome(True, "00", "approved", "Approved.", 1250, "603953******0016", counter=7)


@pytest.fixture
def till() -> Till:
    till = Till("Chez Marie")
    till.connected = True
    return till


def type_keys(till: Till, *pressed: str) -> object:
    """Presses each key; the last action, after checking the display at every step."""
    action = None
    for key in pressed:
        action = till.press(key)
        rows = till.rows()
        assert len(rows) == ROWS
        assert all(len(row) == COLUMNS for row in rows)
        assert PAN not in "".join(rows)
    return action


def test_a_sale_amount_card_pin(till: Till) -> None:
    type_keys(till, *"1250")
    assert till.rows()[2].strip() == "$12.50"
    type_keys(till, keys.ENTER)
    assert till.rows()[0].strip() == "SWIPE THE CARD"
    for character in TRACK2:
        till.read(character)
    type_keys(till, keys.ENTER, *"4711")
    assert "4711" not in "".join(till.rows())
    assert till.rows()[2].strip() == "****"
    action = type_keys(till, keys.ENTER)
    assert action == Sell(1250, (), TRACK2, "4711")
    assert "4711" not in repr(action)
    assert PAN not in repr(action)
    assert till.lights()["wait"]
    till.ended(OUTCOME)
    assert till.rows()[0].split() == ["APPROVED", "$12.50"]
    assert till.lights() == {"line": True, "wait": False, "order": False, "yes": True, "no": False}


def test_a_sale_by_items_of_the_menu(till: Till) -> None:
    assert type_keys(till, keys.MENU) == Show(keys.MENU)
    till.show_menu(MENU)
    type_keys(till, "2", keys.DOWN, "1")
    assert till.rows()[2].split() == ["TOTAL", "$20.50"]
    type_keys(till, keys.ENTER)
    till.read(TRACK2)
    action = type_keys(till, keys.ENTER, keys.ENTER)
    assert isinstance(action, Sell)
    assert (action.cents, [line.quantity for line in action.lines]) == (2050, [2, 1])
    assert action.pin == ""


@pytest.mark.parametrize("before", [(), tuple("12")])
def test_a_card_swiped_too_early_is_never_an_amount(till: Till, before: tuple[str, ...]) -> None:
    type_keys(till, *before)
    till.read(";")
    type_keys(till, *TRACK2[1:17])
    assert not any(digit in "".join(till.rows()) for digit in "6395")
    assert type_keys(till, keys.ENTER) is None
    type_keys(till, "5")
    assert till.rows()[2].strip() == "$0.05"


def test_a_second_track_is_never_a_pin(till: Till) -> None:
    type_keys(till, "9", "9", keys.ENTER)
    till.read(TRACK2)
    type_keys(till, keys.ENTER)
    till.read(";")
    type_keys(till, *"6039", keys.ENTER)
    action = type_keys(till, *"4711", keys.ENTER)
    assert isinstance(action, Sell)
    assert action.pin == "4711"


def test_a_refusal_says_what_would_pass(till: Till) -> None:
    no = replace(OUTCOME, approved=False, code="51", reason="balance", would_pass_cents=1190)
    till.ended(no)
    assert [row.strip() for row in till.rows()[1:3]] == ["NOT ENOUGH MONEY", "would pass:   $11.90"]
    assert till.lights()["no"]


def test_no_decision_says_that_the_payment_is_cancelled(till: Till) -> None:
    unheard = replace(OUTCOME, approved=False, code="91", reversal="pending")
    till.ended(unheard)
    assert "will be cancelled" in "".join(till.rows())
    till.reversed_now(8, "reversed")
    assert "will be cancelled" in "".join(till.rows())
    till.reversed_now(7, "reversed")
    assert "payment cancelled" in "".join(till.rows())


def test_bills_newest_first(till: Till) -> None:
    till.press(keys.BILLS)
    till.show_bills([Bill(2, 0, "approved", 500, "phone"), Bill(1, 0, "reversed", 100, "phone")])
    assert till.rows()[1].split() == ["PAID", "$5.00"]
    type_keys(till, keys.DOWN)
    assert till.rows()[1].split() == ["CANCELLED", "$1.00"]


def test_clear_leads_back_and_keys_wait_while_busy(till: Till) -> None:
    type_keys(till, "1", "2", keys.CLEAR)
    assert till.rows()[2].strip() == "$0.01"
    type_keys(till, keys.CLEAR, keys.CLEAR)
    assert "READY" in till.rows()[1]
    type_keys(till, keys.BILLS)
    assert type_keys(till, "1", keys.ENTER) is None
    assert "ONE MOMENT" in till.rows()[0]


def test_a_refusal_says_from_when_on_it_would_pass(till: Till) -> None:
    at_ms = int(time.mktime((2026, 11, 24, 0, 0, 0, 0, 0, -1))) * 1000
    no = replace(OUTCOME, approved=False, code="61", reason="daily-limit", passes_at_ms=at_ms)
    till.ended(replace(no, would_pass_cents=1190))
    assert till.rows()[2:] == ["would pass:   $11.90", "all from 11/24 00:00"]
    till.ended(replace(no, code="57", reason="hours"))
    assert till.rows()[1:3] == ["NOT AT THIS HOUR    ", "from     11/24 00:00"]


@pytest.mark.parametrize("when", ["now", 1.5, True, -1, 1 << 62])
def test_a_time_that_is_none_is_not_believed(when: Any) -> None:
    pending = Pending(
        counter=1, ms=2, contract_hash="", amount_cents=100, card_shown="x", card_id="y"
    )
    body = {"counter": 1, "ms": 2, "amount_cents": 100, "approved": False, "passes_at_ms": when}
    with pytest.raises(ValueError, match="not a time"):
        read_decision(body, Payment(pending, {}, None))
