"""What a shop sells and what a customer chose: read from the wire with suspicion, added up."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

from rich.cells import cell_len

from devices.exchange import Body
from devices.money import MAX_AMOUNT_CENTS, show_amount

MOST_ITEMS = 500
MOST_LINES = 50
MOST_OF_ONE = 99
_LONGEST_NAME = 80
_LONGEST_ID = 40


class MenuError(ValueError):
    """What was received or chosen is no menu or no order; the message says why."""


@dataclass(frozen=True, slots=True)
class MenuItem:
    """Something that a shop sells."""

    item: str
    name: str
    price_cents: int


@dataclass(frozen=True, slots=True)
class Menu:
    """A shop's items, as of `version`."""

    shop: UUID
    shop_name: str
    version: int
    items: tuple[MenuItem, ...]

    def body(self) -> Body:
        return {
            "shop": str(self.shop),
            "shop_name": self.shop_name,
            "version": self.version,
            "items": [asdict(item) for item in self.items],
        }


@dataclass(frozen=True, slots=True)
class OrderLine:
    """So many of one item, at the price that the customer saw."""

    item: str
    name: str
    price_cents: int
    quantity: int


def read_menu(body: Body) -> Menu:
    """The menu of a D MENU. Raises MenuError."""
    rows = _list(body.get("items"), MOST_ITEMS)
    try:
        shop, version = UUID(body["shop"]), body["version"]
    except (KeyError, ValueError, TypeError, AttributeError):
        raise MenuError("not a menu") from None
    if type(version) is not int:
        raise MenuError("not a menu")
    items = tuple(MenuItem(_id(r), _name(r.get("name")), _price(r)) for r in rows)
    return Menu(shop, _name(body.get("shop_name", "")), version, items)


def read_lines(value: Any) -> tuple[OrderLine, ...]:
    """The lines of a D ORDER: at least one. Raises MenuError."""
    rows = _list(value, MOST_LINES)
    lines = tuple(
        OrderLine(_id(r), _name(r.get("name")), _price(r), _quantity(r.get("quantity")))
        for r in rows
    )
    if not lines:
        raise MenuError("the order is empty")
    total_cents(lines)
    return lines


def choose(menu: Menu, wanted: Iterable[tuple[str, int]]) -> tuple[OrderLine, ...]:
    """The lines for (item or name, quantity) pairs of this menu. Raises MenuError."""
    lines = []
    for name, quantity in wanted:
        item = find(menu, name)
        lines.append(OrderLine(item.item, item.name, item.price_cents, _quantity(quantity)))
    if not lines:
        raise MenuError("the order is empty")
    total_cents(lines)
    return tuple(lines)


def find(menu: Menu, text: str) -> MenuItem:
    """The item of that id, or else of that name. Raises MenuError."""
    for item in menu.items:
        if item.item == text:
            return item
    named = [item for item in menu.items if item.name.casefold() == text.casefold()]
    if len(named) != 1:
        raise MenuError(f"the menu of {menu.shop_name} has no item “{_name(text)}”")
    return named[0]


def check_prices(menu: Menu, lines: Iterable[OrderLine]) -> None:
    """Whether every line is on this menu at this price. Raises MenuError."""
    offered = {(item.item, item.name, item.price_cents) for item in menu.items}
    for line in lines:
        if (line.item, line.name, line.price_cents) not in offered:
            raise MenuError(f"“{line.name}” is not on the menu at this price; look at it again")


def total_cents(lines: Iterable[OrderLine]) -> int:
    """The sum of the lines. Raises MenuError where a contract could not name it."""
    total = sum(line.price_cents * line.quantity for line in lines)
    if total > MAX_AMOUNT_CENTS:
        raise MenuError("the total is too large")
    return total


def table(menu: Menu) -> list[str]:
    """The items for people: what to ask for, name, price, one below the other."""
    ids = max((len(entry.item) for entry in menu.items), default=0)
    names = max((cell_len(entry.name) for entry in menu.items), default=0)
    return [
        f"{entry.item:<{ids}}  {entry.name}{' ' * (names - cell_len(entry.name))}"
        f"  {show_amount(entry.price_cents):>10}"
        for entry in menu.items
    ]


def lines_body(lines: Iterable[OrderLine]) -> list[Body]:
    """The lines as they stand in bodies, and as the hash in the contract covers them."""
    return [asdict(line) for line in lines]


def _list(value: Any, most: int) -> list[Body]:
    if type(value) is not list or len(value) > most or any(type(row) is not dict for row in value):
        raise MenuError("not a list of items")
    return value


def _id(row: Body) -> str:
    item = row.get("item")
    if type(item) is not str or not 0 < len(item) <= _LONGEST_ID or not item.isprintable():
        raise MenuError("an item has no usable number")
    return item


def _name(name: Any) -> str:
    # Shown on other people's terminals: no control characters, no page of text.
    if type(name) is not str:
        raise MenuError("an item has no name")
    return "".join(c if c.isprintable() else "?" for c in name)[:_LONGEST_NAME]


def _price(row: Body) -> int:
    price = row.get("price_cents")
    if type(price) is not int or not 1 <= price <= MAX_AMOUNT_CENTS:
        raise MenuError("an item has no price")
    return price


def _quantity(quantity: Any) -> int:
    if type(quantity) is not int or not 1 <= quantity <= MOST_OF_ONE:
        raise MenuError(f"a quantity is 1 to {MOST_OF_ONE}")
    return quantity
