"""A read of current states in the engine's turn: as fresh as the last commit, stored nowhere."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from application.states import States
from application.work import Needs, Outcome


class Read:
    """Answers with what `look` sees in the states, given the time in microseconds."""

    def __init__(self, first: UUID, look: Callable[[States, int], Any], deadline_us: int) -> None:
        self._first = first
        self._look = look
        self.deadline_us = deadline_us

    def needs(self, states: States, needs: Needs, now_us: int) -> bool:
        """The aggregate that the look begins at; what it leads to is loaded on the way."""
        if not states.knows(self._first):
            needs.ids.append(self._first)
        return False

    def decide(self, states: States, now_us: int) -> Outcome:
        """The look."""
        return Outcome(self._look(states, now_us))
