"""The states of a till: each one is what the display shows now, and what the keys mean."""

from dataclasses import dataclass, field

from devices.menu import Menu, OrderLine, choose
from devices.pos.bills import Bill
from devices.pos.payment import Outcome
from devices.pos.phones import PhoneOrder


@dataclass(frozen=True, slots=True)
class Idle:
    """Waiting for a cashier."""


@dataclass(frozen=True, slots=True)
class Amount:
    """An amount is being typed, cents last."""

    cents: int = 0


@dataclass(frozen=True, slots=True)
class Basket:
    """Items of the menu are being picked: how many of each, in the menu's order."""

    menu: Menu
    counts: tuple[int, ...]
    at: int = 0

    def lines(self) -> tuple[OrderLine, ...]:
        chosen = zip(self.menu.items, self.counts, strict=True)
        return choose(self.menu, [(item.item, count) for item, count in chosen if count])


@dataclass(frozen=True, slots=True)
class Swipe:
    """The amount stands; the card is to be swiped. `track` is what the reader sent so far."""

    cents: int
    lines: tuple[OrderLine, ...] = ()
    track: str = field(default="", repr=False)
    complaint: str = ""


@dataclass(frozen=True, slots=True)
class Pin:
    """The customer types the PIN; without one, ENTER goes on."""

    cents: int
    lines: tuple[OrderLine, ...]
    track: str = field(repr=False)
    digits: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Busy:
    """Something is being done; keys wait."""

    text: str
    cents: int = 0


@dataclass(frozen=True, slots=True)
class Result:
    """How a payment ended."""

    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Notice:
    """A sentence that a key makes go away."""

    text: str


@dataclass(frozen=True, slots=True)
class OrderView:
    """A phone's order, line by line."""

    order: PhoneOrder
    at: int = 0


@dataclass(frozen=True, slots=True)
class BillView:
    """The past payments, newest first."""

    bills: tuple[Bill, ...]
    at: int = 0


State = (
    Idle | Amount | Basket | Swipe | Pin | Busy | Result | Notice | OrderView | BillView
)  # fmt: skip
