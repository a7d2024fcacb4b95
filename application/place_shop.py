"""Saying where a shop is, so that two uses of a card can be told to be too far apart."""

from typing import Any
from uuid import UUID

from application.command import Command, Origin, Refused
from application.states import States
from application.work import Outcome
from domain.aggregates import shop as shops
from domain.aggregates.shop import Shop
from domain.event import Context
from domain.suspicion import Place


class PlaceShop(Command):
    """The shop's point on the earth."""

    makes = (shops.ShopPlaced,)

    def __init__(self, origin: Origin, deadline_us: int, *, shop_id: UUID, place: Place) -> None:
        super().__init__(origin, deadline_us)
        self._shop_id, self._place = shop_id, place

    def reads(self) -> list[UUID]:
        """The shop."""
        return [self._shop_id]

    def execute(self, states: States, context: Context) -> Outcome:
        """Places it."""
        shop = states.get(self._shop_id, Shop)
        if shop is None:
            return Outcome(Refused("no-such-shop", "There is no shop with that id."))
        answer: dict[str, Any] = {"id": str(shop.id)}
        placed = shops.put_at(context, shop, self._place)
        if placed is None:
            return Outcome({**answer, "unchanged": True})
        return Outcome(answer, [placed])
