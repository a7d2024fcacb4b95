"""A partner shop or restaurant and its menu."""

from uuid import UUID

import msgspec
from msgspec.structs import replace

from domain.event import Context, Event, no_such_event, stamp, stored_as
from domain.suspicion import Place


class MenuItem(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One line of a menu. `item` is the shop's own short key."""

    item: str
    name: str
    price_cents: int


@stored_as("shop.registered/1")
class ShopRegistered(Event, frozen=True, kw_only=True, gc=False):
    """`category` is the merchant category code (ISO 18245), four digits.

    `activation_sha256` is the hash of the one-time code with which the shop makes its login.
    """

    name: str
    category: str
    timezone: str
    email: str
    activation_sha256: bytes


@stored_as("shop.menu_set/1")
class MenuSet(Event, frozen=True, kw_only=True, gc=False):
    """The menu as the shop last set it; replaces the one before."""

    items: tuple[MenuItem, ...]


@stored_as("shop.placed/1")
class ShopPlaced(Event, frozen=True, kw_only=True, gc=False):
    """Where the shop is."""

    place: Place


class Shop(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The shop as its events made it. `menu_version` 0: no menu yet."""

    id: UUID
    version: int
    name: str
    category: str
    timezone: str
    email: str
    activation_sha256: bytes
    menu: tuple[MenuItem, ...] = ()
    menu_version: int = 0
    place: Place | None = None


def evolve(shop: Shop | None, event: Event) -> Shop:
    """The shop after `event`."""
    match event:
        case ShopRegistered():
            return Shop(
                id=event.originator_id,
                version=event.originator_version,
                name=event.name,
                category=event.category,
                timezone=event.timezone,
                email=event.email,
                activation_sha256=event.activation_sha256,
            )
        case MenuSet() if shop is not None:
            return replace(
                shop,
                version=event.originator_version,
                menu=event.items,
                menu_version=shop.menu_version + 1,
            )
        case ShopPlaced() if shop is not None:
            return replace(shop, version=event.originator_version, place=event.place)
        case _:
            raise no_such_event("shop", event)


def register(
    context: Context,
    id: UUID,
    *,
    name: str,
    category: str,
    timezone: str,
    email: str,
    activation_sha256: bytes,
) -> ShopRegistered:
    """A new shop."""
    return ShopRegistered(
        **stamp(context, id, 1),
        name=name,
        category=category,
        timezone=timezone,
        email=email,
        activation_sha256=activation_sha256,
    )


def set_menu(context: Context, shop: Shop, items: tuple[MenuItem, ...]) -> MenuSet:
    """Replaces the shop's menu."""
    return MenuSet(**stamp(context, shop.id, shop.version + 1), items=items)


def put_at(context: Context, shop: Shop, place: Place) -> ShopPlaced | None:
    """Says where the shop is; None where that was known."""
    if shop.place == place:
        return None
    return ShopPlaced(**stamp(context, shop.id, shop.version + 1), place=place)
