"""Taking a card or a terminal out of use. A blocked one stays so: a new one is issued."""

from typing import Any
from uuid import UUID

from application.command import Command, Origin, Refused
from application.states import States
from application.work import Outcome
from domain.aggregates import card as cards
from domain.aggregates import terminal as terminals
from domain.aggregates.card import Card
from domain.aggregates.terminal import Terminal
from domain.event import Context

STATUSES = ("blocked", "lost", "stolen")
"""Each says more than the one before; a card's status never goes back."""


class BlockCard(Command):
    """`status` is `blocked`, `lost` or `stolen`."""

    makes = (cards.CardBlocked,)

    def __init__(
        self, origin: Origin, deadline_us: int, *, card_id: UUID, status: str, why: str
    ) -> None:
        super().__init__(origin, deadline_us)
        self._card_id, self._status, self._why = card_id, status, why

    def reads(self) -> list[UUID]:
        """The card."""
        return [self._card_id]

    def execute(self, states: States, context: Context) -> Outcome:
        """Blocks it; one with that status, or one that says more, stays as it is."""
        card = states.get(self._card_id, Card)
        if card is None:
            return Outcome(Refused("no-such-card", "There is no card with that id."))
        if card.status in STATUSES and _rank(card.status) >= _rank(self._status):
            return Outcome({"id": str(card.id), "status": card.status, "unchanged": True})
        event = cards.block(context, card, status=self._status, why=self._why)
        assert event is not None, "the status differs"
        return Outcome({"id": str(card.id), "status": self._status}, [event])


class BlockTerminal(Command):
    """The terminal's authorizations are answered 58 from now on."""

    makes = (terminals.TerminalBlocked,)

    def __init__(self, origin: Origin, deadline_us: int, *, terminal_id: UUID, why: str) -> None:
        super().__init__(origin, deadline_us)
        self._terminal_id, self._why = terminal_id, why

    def reads(self) -> list[UUID]:
        """The terminal."""
        return [self._terminal_id]

    def execute(self, states: States, context: Context) -> Outcome:
        """Blocks it, once."""
        terminal = states.get(self._terminal_id, Terminal)
        if terminal is None:
            return Outcome(Refused("no-such-terminal", "There is no terminal with that id."))
        event = terminals.block(context, terminal, why=self._why)
        answer: dict[str, Any] = {"id": str(terminal.id), "status": "blocked"}
        if event is None:
            return Outcome({**answer, "unchanged": True})
        return Outcome(answer, [event])


def _rank(status: str) -> int:
    return STATUSES.index(status)
