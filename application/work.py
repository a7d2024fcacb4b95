"""A unit of deciding, and its answers: what the engine (`application.group_commit`) carries out."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol
from uuid import UUID

from application.ports import Claim
from application.states import States
from domain.event import Event


class Needs:
    """What the works of a batch miss, gathered to be loaded together."""

    def __init__(self) -> None:
        self.ids: list[UUID] = []
        self.transactions: list[UUID] = []
        self.owners: list[tuple[str, bytes]] = []


class Outcome(NamedTuple):
    """What a work came to: events and claims to store, and the answer to give once stored."""

    answer: Any
    events: Sequence[Event] = ()
    claims: Sequence[Claim] = ()


class Work(Protocol):
    """A unit of deciding."""

    deadline_us: int

    def needs(self, states: States, needs: Needs, now_us: int) -> bool:
        """Adds what `decide` will read and `states` does not know; True: ask again once loaded.

        It may leave out what is nearly always known: `states` loads that when it is read.
        """

    def decide(self, states: States, now_us: int) -> Outcome:
        """The outcome, from the states alone. May be called again after a conflict."""


class Failed(NamedTuple):
    """The answer to a work that was not decided: 91 for unavailable, 96 for an error of ours."""

    code: str
    reason: str


UNAVAILABLE = Failed("91", "unavailable")
IN_DOUBT = Failed("91", "in-doubt")
"""The connection was lost while committing and did not come back: the terminal reverses."""
ERROR = Failed("96", "error")
Done = tuple[Callable[[Any], None], Any]
