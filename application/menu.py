"""Setting a shop's menu: the whole of it, in place of the one before."""

from typing import Any
from uuid import UUID

from application.command import Command, Origin, Refused, other_command
from application.states import States
from application.work import Outcome
from domain.aggregates import shop as shops
from domain.aggregates.shop import MenuItem, Shop
from domain.event import Context


class SetMenu(Command):
    """`items` were checked by `fields.menu`: 1 to 200, each with a key of its own."""

    makes = (shops.MenuSet,)

    def __init__(
        self, origin: Origin, deadline_us: int, *, shop_id: UUID, items: tuple[MenuItem, ...]
    ) -> None:
        super().__init__(origin, deadline_us)
        self._shop_id, self._items = shop_id, items

    def reads(self) -> list[UUID]:
        """The shop."""
        return [self._shop_id]

    def execute(self, states: States, context: Context) -> Outcome:
        """Replaces the menu."""
        shop = states.get(self._shop_id, Shop)
        if shop is None:
            return Outcome(Refused("no-such-shop", "There is no shop with that id."))
        answer = {
            "id": str(shop.id),
            "shop_name": shop.name,
            "version": shop.menu_version + 1,
            "items": len(self._items),
        }
        return Outcome(answer, [shops.set_menu(context, shop, self._items)])

    def repeated(self, states: States, made: UUID) -> Any:
        """The menu that the shop has now."""
        shop = states.get(made, Shop)
        if shop is None:
            return other_command()
        return {
            "id": str(made),
            "shop_name": shop.name,
            "version": shop.menu_version,
            "items": len(shop.menu),
            "repeated": True,
        }
