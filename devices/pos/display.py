"""The text display of a POS: 4 rows of 20 characters (TR-PFS), drawn from the till's state."""

import textwrap
import time

from devices.money import show_amount
from devices.pos.bills import Bill
from devices.pos.payment import Outcome
from devices.pos.till_states import (
    Amount,
    Basket,
    BillView,
    Busy,
    Idle,
    Notice,
    OrderView,
    Pin,
    Result,
    State,
    Swipe,
)

COLUMNS, ROWS = 20, 4
_SHORT = {
    "05": "REFUSED",
    "12": "START AGAIN",
    "13": "BAD AMOUNT",
    "14": "UNKNOWN CARD",
    "30": "START AGAIN",
    "41": "CARD REPORTED LOST",
    "43": "CARD REPORTED STOLEN",
    "51": "NOT ENOUGH MONEY",
    "54": "CARD HAS EXPIRED",
    "55": "WRONG PIN",
    "57": "NOT FOR THIS SHOP",
    "58": "TERMINAL NOT ALLOWED",
    "61": "OVER THE DAILY LIMIT",
    "62": "CARD IS BLOCKED",
    "63": "CARD CHECK FAILED",
    "65": "TOO MANY PAYMENTS",
    "75": "PIN IS LOCKED",
    "94": "NUMBER ALREADY USED",
}
_REASONS = {
    "pin-required": "PIN IS NEEDED",
    "weekday": "NOT ON THIS WEEKDAY",
    "holiday": "NOT ON THIS DAY",
    "hours": "NOT AT THIS HOUR",
    "payment-limit": "TOO MUCH AT A TIME",
    "weekly-limit": "OVER THE WEEK LIMIT",
    "monthly-limit": "OVER THE MONTH LIMIT",
    "legal-limit": "OVER THE LEGAL LIMIT",
}
_REVERSALS = {
    "pending": "will be cancelled",
    "reversed": "payment cancelled",
    "nothing-to-reverse": "nothing was debited",
}
_BILL_STATES = {
    "approved": "PAID",
    "refused": "REFUSED",
    "unanswered": "CANCELLING",
    "reversed": "CANCELLED",
    "nothing-to-reverse": "NOT DEBITED",
    "voided": "VOIDED",
    "refunded": "REFUNDED",
    "tipped": "TIP",
}


def rows(state: State, shop_name: str, connected: bool, orders: int) -> list[str]:
    """What the display shows: exactly 4 rows of exactly 20 characters."""
    return [
        _cut(_printable(row), COLUMNS).ljust(COLUMNS)
        for row in _rows(state, shop_name, connected, orders)
    ]


def _rows(state: State, shop_name: str, connected: bool, orders: int) -> list[str]:
    match state:
        case Idle():
            return _idle(shop_name, connected, orders)
        case Amount(cents):
            return ["AMOUNT", "", _right(show_amount(cents)), _spread("CLEAR back", "ENTER ok")]
        case Basket():
            return _basket(state)
        case Swipe(cents, complaint=complaint):
            return _swipe(cents, complaint, bool(state.track))
        case Pin(cents, digits=digits):
            last = _spread("CLEAR back", "ENTER ok") if digits else "no PIN: press ENTER"
            return [_spread("TO PAY", show_amount(cents)), "Customer, your PIN:",
                    ("*" * len(digits)).center(COLUMNS), last]  # fmt: skip
        case Busy(text, cents):
            return [
                text.upper(),
                "",
                _right(show_amount(cents)) if cents else "",
                "please wait ...",
            ]
        case Result(outcome):
            return _result(outcome)
        case Notice(text):
            return [*_wrapped(text, 3), "any key: back"]
        case OrderView():
            return _order(state)
        case BillView():
            return _bills(state)


def _idle(shop_name: str, connected: bool, orders: int) -> list[str]:
    waiting = f"ORDERS:{orders}" if orders else "ORDERS"
    ready = "READY" if connected else "NO CONNECTION"
    hint = "phone order waiting!" if orders else "type the amount"
    return [shop_name.center(COLUMNS), ready.center(COLUMNS), hint.center(COLUMNS),
            f"MENU {waiting.center(9)} BILLS"]  # fmt: skip


def _basket(state: Basket) -> list[str]:
    item, count = state.menu.items[state.at], state.counts[state.at]
    total = sum(i.price_cents * n for i, n in zip(state.menu.items, state.counts, strict=True))
    place = f"{state.at + 1}/{len(state.counts)}"
    return [
        _spread(item.name, place),
        _spread(f"{count} x", show_amount(item.price_cents)),
        _spread("TOTAL", show_amount(total)),
        "0-9 count   ENTER ok",
    ]


def _swipe(cents: int, complaint: str, reading: bool) -> list[str]:
    if reading:
        return ["READING ...", "", _right(show_amount(cents)), "ENTER if it stays"]
    if complaint:
        return [*_wrapped(complaint, 3), _spread("CLEAR stop", show_amount(cents))]
    return ["SWIPE THE CARD", "", _right(show_amount(cents)), "CLEAR stop"]


def _result(outcome: Outcome) -> list[str]:
    amount = show_amount(outcome.amount_cents)
    if outcome.approved:
        return [_spread("APPROVED", amount), "", _spread("card", _card(outcome.card)), "THANK YOU"]
    if not outcome.decided:
        words = _REVERSALS.get(outcome.reversal, outcome.text)
        return [_spread("NO DECISION", amount), *_wrapped(words, 2), "do not hand over"]
    why = _REASONS.get(outcome.reason) or _SHORT.get(outcome.code, "REFUSED")
    passes, at_ms = outcome.would_pass_cents, outcome.passes_at_ms
    instead = _spread("would pass:", show_amount(passes)) if passes else ""
    last = "any key: back"
    if at_ms is not None:
        when = time.strftime("%m/%d %H:%M", time.localtime(at_ms / 1000))
        if passes:
            last = _spread("all from", when)
        else:
            instead = _spread("from", when)
    return [_spread(f"REFUSED {outcome.code}", amount), why, instead, last]


def _order(state: OrderView) -> list[str]:
    order = state.order
    line = order.lines[state.at]
    place = f"{state.at + 1}/{len(order.lines)}"
    return [
        _spread(f"ORDER {order.number}", show_amount(order.amount_cents)),
        _spread(f"{line.quantity} x {line.name}", place),
        _right(show_amount(line.price_cents * line.quantity)),
        _spread("CLEAR no", "ENTER yes"),
    ]


def _bills(state: BillView) -> list[str]:
    bill = state.bills[state.at]
    when = time.strftime("%m/%d %H:%M", time.localtime(bill.ms / 1000))
    return [
        _spread(when, f"{state.at + 1}/{len(state.bills)}"),
        _spread(_bill_state(bill), show_amount(bill.amount_cents)),
        _spread("card", _card(bill.card)),
        "UP DOWN   CLEAR back",
    ]


def _bill_state(bill: Bill) -> str:
    if bill.of and bill.state == "unanswered":
        return "ASKING"
    return _BILL_STATES.get(bill.state, bill.state)


def _card(shown: str) -> str:
    return f"{shown[:6]}..{shown[-4:]}" if len(shown) > COLUMNS - 6 else shown


def _right(text: str) -> str:
    return text.rjust(COLUMNS)


def _spread(left: str, right: str) -> str:
    """Both in one row; the left one gives way."""
    room = COLUMNS - len(right) - 1
    return f"{_cut(left, room).ljust(room)} {right}"


def _cut(text: str, room: int) -> str:
    """What does not fit ends with a sign that there is more."""
    return text if len(text) <= room else text[: room - 1] + "…"


def _wrapped(text: str, most: int) -> list[str]:
    found = textwrap.wrap(text, COLUMNS)[:most]
    return found + [""] * (most - len(found))


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)
