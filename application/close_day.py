"""Closing a day of the books: in order, once, and for ever."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from application.command import Command, Origin, Refused, other_command
from application.states import States
from application.work import Outcome
from domain.aggregates import closing
from domain.aggregates.closing import CLOSINGS_ID, Closings, DayClosed
from domain.books.days import TIMEZONE, clock_day, next_day
from domain.event import Context


class CloseDay(Command):
    """`text` is the day's record (`closing.record`) behind the hash `previous`, `note` the same
    signed. The caller made both from the books, as they stand at `position`."""

    makes = (DayClosed,)

    def __init__(
        self,
        origin: Origin,
        deadline_us: int,
        *,
        day: str,
        position: int,
        postings: int,
        balances: Mapping[str, int],
        previous: str,
        text: str,
        note: str,
    ) -> None:
        super().__init__(origin, deadline_us)
        self._day, self._position, self._postings = day, position, postings
        self._balances, self._previous = balances, previous
        self._text, self._note = text, note

    def reads(self) -> list[UUID]:
        """The closings."""
        return [CLOSINGS_ID]

    def execute(self, states: States, context: Context) -> Outcome:
        """Closes the day, unless it is closed."""
        closings = states.get(CLOSINGS_ID, Closings)
        if closings is not None and closings.day >= self._day:
            return Outcome({"day": self._day, "closed_before": True})
        previous = closings.sha256 if closings is not None else closing.NONE_BEFORE
        if previous != self._previous:
            text = "Another day was closed meanwhile. Give the command again."
            return Outcome(Refused("closed-meanwhile", text))
        if closings is not None and (refused := out_of_order(next_day(closings.day), self._day)):
            return Outcome(refused)
        if clock_day(context.recorded_at_us) <= self._day:
            return Outcome(not_over(self._day))
        if sum(self._balances.values()) != 0:
            text = "The books of that day do not add up to zero: nothing was closed."
            return Outcome(Refused("not-balanced", text))
        event = closing.close(
            context,
            closings,
            day=self._day,
            timezone=TIMEZONE,
            position=self._position,
            postings=self._postings,
            balances=self._balances,
            text=self._text,
            note=self._note,
        )
        return Outcome({"day": self._day, "position": self._position}, [event])

    def repeated(self, states: States, made: UUID) -> Any:
        """It is closed, unless that command closed another day."""
        stored = states.stored_by(self.origin.command_id, made)
        if any(isinstance(event, DayClosed) and event.day != self._day for event in stored):
            return other_command()
        return {"day": self._day, "closed_before": True, "repeated": True}


def out_of_order(wanted: str, day: str) -> Refused | None:
    """The refusal of a day that is not the next one to close."""
    if day == wanted:
        return None
    return Refused("out-of-order", f"Days close in order: the next one is {wanted}.")


def not_over(day: str) -> Refused:
    """The refusal of a day that may still get postings."""
    return Refused(
        "day-not-over", f"{day} is not over yet. It can be closed after it ended in {TIMEZONE}."
    )
