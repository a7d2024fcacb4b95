"""What the keys of a POS do and what its 4 x 20 characters and lights show: no I/O, no screen.

The box and the smartphone draw the same `Till`; it hands out what is to be done (`Action`) and is
told how that ended. A swiped track and a PIN are held only until they are handed out.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from devices.menu import Menu, MenuError, OrderLine, total_cents
from devices.money import MAX_AMOUNT_CENTS
from devices.pos import display
from devices.pos.bills import Bill
from devices.pos.payment import Outcome
from devices.pos.phones import PhoneOrder
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
from protocol.pin import MAX_PIN, MIN_PIN

ENTER, CLEAR, UP, DOWN = "enter", "clear", "up", "down"
MENU, ORDERS, BILLS = "menu", "orders", "bills"
_MOST_TRACK = 512


@dataclass(frozen=True, slots=True)
class Sell:
    """To do: a sale."""

    cents: int
    lines: tuple[OrderLine, ...]
    track: str = field(repr=False)
    pin: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Confirm:
    """To do: the cashier accepts the order."""

    number: int


@dataclass(frozen=True, slots=True)
class Refuse:
    """To do: the cashier does not accept the order."""

    number: int


@dataclass(frozen=True, slots=True)
class Show:
    """To do: fetch the `menu` or the `bills` and hand them over."""

    what: str


Action = Sell | Confirm | Refuse | Show


class Till:
    """The POS as its keys and its display see it."""

    def __init__(self, shop_name: str) -> None:
        self.state: State = Idle()
        self.connected = False
        self._shop_name = shop_name
        self._orders: list[PhoneOrder] = []
        self._deaf = False  # a card reader sends when nothing of a card is wanted

    @property
    def hears_people(self) -> bool:
        """Whether characters are a person's: no card is awaited, and none is being read."""
        return not (self._deaf or isinstance(self.state, Swipe))

    # What happens

    def press(self, key: str) -> Action | None:
        """A key: a digit, ENTER, CLEAR, UP, DOWN, MENU, ORDERS or BILLS."""
        if self._deaf:
            self._deaf = key not in (ENTER, CLEAR)
            return None
        match self.state:
            case Idle() | Result() | Notice():
                return self._press_idle(key)
            case Amount() as state:
                self._press_amount(state, key)
            case Basket() as state:
                self._press_basket(state, key)
            case Swipe() as state:
                self._press_swipe(state, key)
            case Pin() as state:
                return self._press_pin(state, key)
            case OrderView() as state:
                return self._press_order(state, key)
            case BillView() as state:
                self._press_bills(state, key)
        return None

    def read(self, text: str) -> None:
        """Characters from the card reader (or pasted): they are shown nowhere.

        Where no card is awaited, what follows is not taken for keys: a card number must not turn
        up as an amount, nor as a PIN.
        """
        match self.state:
            case Swipe() as state:
                track = (state.track + text)[:_MOST_TRACK]
                self.state = replace(state, track=track, complaint="")
            case Idle() | Amount() | Result() | Notice():
                self._deaf = True
                self.state = Notice("Type the amount before the card is swiped")
            case _:
                self._deaf = True

    def ended(self, outcome: Outcome) -> None:
        """The sale or order that was to do ended so."""
        self.state = Result(outcome)

    def complain(self, text: str) -> None:
        """What was to do was not possible."""
        self.state = Notice(text)

    def swipe_again(self, cents: int, lines: tuple[OrderLine, ...], text: str) -> None:
        """The stripe was not readable."""
        self.state = Swipe(cents, lines, complaint=text)

    def reversed_now(self, counter: int, state: str) -> None:
        """The backend acknowledged the reversal of that payment."""
        match self.state:
            case Result(outcome) if outcome.counter == counter and outcome.reversal:
                self.state = Result(replace(outcome, reversal=state))

    def show_menu(self, menu: Menu) -> None:
        """The menu that was asked for."""
        if menu.items:
            self.state = Basket(menu, (0,) * len(menu.items))
        else:
            self.state = Notice("The shop has no menu yet")

    def show_bills(self, bills: Sequence[Bill]) -> None:
        """The past payments that were asked for, newest first."""
        self.state = BillView(tuple(bills)) if bills else Notice("No payments yet")

    def set_orders(self, orders: Sequence[PhoneOrder]) -> None:
        """The orders that wait now."""
        self._orders = list(orders)
        match self.state:
            case OrderView(order) if order not in self._orders:
                self.state = Notice("The phone took its order back")

    # What is seen

    def rows(self) -> list[str]:
        """The display: 4 rows of exactly 20 characters."""
        return display.rows(self.state, self._shop_name, self.connected, len(self._orders))

    def lights(self) -> dict[str, bool]:
        """Which lights are on: line, wait, order, yes, no."""
        outcome = self.state.outcome if isinstance(self.state, Result) else None
        return {
            "line": self.connected,
            "wait": isinstance(self.state, Busy),
            "order": bool(self._orders),
            "yes": outcome is not None and outcome.approved,
            "no": outcome is not None and not outcome.approved,
        }

    # Keys

    def _press_idle(self, key: str) -> Action | None:
        if key.isdecimal():
            self.state = Amount(int(key))
        elif key in (MENU, BILLS):
            self.state = Busy("One moment")
            return Show(key)
        elif key == ORDERS and self._orders:
            self.state = OrderView(self._orders[0])
        else:
            self.state = Idle()
        return None

    def _press_amount(self, state: Amount, key: str) -> None:
        if key.isdecimal():
            cents = state.cents * 10 + int(key)
            self.state = Amount(cents) if cents <= MAX_AMOUNT_CENTS else state
        elif key == CLEAR:
            self.state = Amount(state.cents // 10) if state.cents else Idle()
        elif key == ENTER and state.cents:
            self.state = Swipe(state.cents)

    def _press_basket(self, state: Basket, key: str) -> None:
        step = {UP: -1, DOWN: 1}.get(key, 0)
        if step:
            self.state = replace(state, at=(state.at + step) % len(state.counts))
        elif key.isdecimal():
            self.state = _with_count(state, int(key))
        elif key == CLEAR:
            nothing = (0,) * len(state.counts)
            self.state = replace(state, counts=nothing) if any(state.counts) else Idle()
        elif key == ENTER and any(state.counts):
            try:
                lines = state.lines()
                self.state = Swipe(total_cents(lines), lines)
            except MenuError as error:
                self.state = Notice(str(error))

    def _press_swipe(self, state: Swipe, key: str) -> None:
        if key == ENTER and state.track:
            self.state = Pin(state.cents, state.lines, state.track)
        elif key == CLEAR:
            self.state = Idle()

    def _press_pin(self, state: Pin, key: str) -> Action | None:
        if key.isdecimal() and len(state.digits) < MAX_PIN:
            self.state = replace(state, digits=state.digits + key)
        elif key == CLEAR:
            self.state = replace(state, digits="") if state.digits else Idle()
        elif key == ENTER and (not state.digits or len(state.digits) >= MIN_PIN):
            self.state = Busy("One moment", state.cents)
            return Sell(state.cents, state.lines, state.track, state.digits)
        return None

    def _press_order(self, state: OrderView, key: str) -> Action | None:
        step = {UP: -1, DOWN: 1}.get(key, 0)
        if step:
            self.state = replace(state, at=(state.at + step) % len(state.order.lines))
        elif key == ENTER:
            self.state = Busy("Asking the phone", state.order.amount_cents)
            return Confirm(state.order.number)
        elif key == CLEAR:
            self.state = Idle()
            return Refuse(state.order.number)
        elif key == ORDERS:
            self._next_order(state.order)
        return None

    def _next_order(self, shown: PhoneOrder) -> None:
        after = self._orders.index(shown) + 1
        self.state = OrderView(self._orders[after]) if after < len(self._orders) else Idle()

    def _press_bills(self, state: BillView, key: str) -> None:
        step = {UP: -1, DOWN: 1}.get(key, 0)
        if step:
            self.state = replace(state, at=(state.at + step) % len(state.bills))
        elif key in (CLEAR, ENTER, BILLS):
            self.state = Idle()


def _with_count(state: Basket, count: int) -> Basket:
    counts = (*state.counts[: state.at], count, *state.counts[state.at + 1 :])
    return replace(state, counts=counts)
