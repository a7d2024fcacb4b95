"""Erasing a person: the decision is recorded; whoever gave the command deletes the key then."""

from typing import Any
from uuid import UUID

from application.command import Command, Origin, Refused, other_command
from application.states import States
from application.work import Outcome
from domain.aggregates import cardholder as cardholders
from domain.aggregates.cardholder import Cardholder, CardholderErased
from domain.event import Context


class EraseCardholder(Command):
    """Balances, payments and proofs stay; cards go on paying until they are blocked."""

    makes = (CardholderErased,)

    def __init__(self, origin: Origin, deadline_us: int, *, cardholder_id: UUID, why: str) -> None:
        super().__init__(origin, deadline_us)
        self._id, self._why = cardholder_id, why

    def reads(self) -> list[UUID]:
        """The person."""
        return [self._id]

    def execute(self, states: States, context: Context) -> Outcome:
        """Records it, without a name."""
        cardholder = states.get(self._id, Cardholder)
        if cardholder is None:
            return Outcome(Refused("no-such-cardholder", "There is no cardholder with that id."))
        event = cardholders.erase(context, cardholder, why=self._why)
        if event is None:
            return Outcome(Refused("already-erased", "This person was erased before."))
        return Outcome(
            {"cardholder": str(self._id), "erased_ms": context.recorded_at_us // 1000}, [event]
        )

    def repeated(self, states: States, made: UUID) -> Any:
        """It was done."""
        if states.get(made, Cardholder) is None:
            return other_command()
        return {"cardholder": str(made), "repeated": True}
