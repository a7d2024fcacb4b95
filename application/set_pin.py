"""Setting a card's PIN, from the reference that the HSM made of it: the PIN itself stays there."""

from typing import Any
from uuid import UUID

from application.command import Command, Origin, Refused, other_command
from application.states import States
from application.work import Outcome
from domain.aggregates import card as cards
from domain.aggregates.card import Card
from domain.event import Context


class SetPin(Command):
    """A new PIN for a card; wrong tries are forgotten, so this also unlocks it."""

    makes = (cards.PinSet,)

    def __init__(
        self, origin: Origin, deadline_us: int, *, card_id: UUID, reference: bytes
    ) -> None:
        super().__init__(origin, deadline_us)
        self._card_id, self._reference = card_id, reference

    def reads(self) -> list[UUID]:
        """The card."""
        return [self._card_id]

    def execute(self, states: States, context: Context) -> Outcome:
        """Stores the reference."""
        card = states.get(self._card_id, Card)
        if card is None:
            return Outcome(Refused("no-such-card", "There is no card with that id."))
        if card.status != "active":
            return Outcome(
                Refused("card-" + card.status, f"This card is {card.status}: it gets no PIN.")
            )
        event = cards.set_pin(context, card, reference=self._reference)
        return Outcome({"id": str(card.id)}, [event])

    def repeated(self, states: States, made: UUID) -> Any:
        """The PIN of the first time holds."""
        if states.get(made, Card) is None:
            return other_command()
        return {"id": str(made), "repeated": True}
