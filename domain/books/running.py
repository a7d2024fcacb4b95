"""The books as of a position of the log: moved on by one event after the other.

A day of the books is a range of positions without a gap. An event belongs to the day on which it
was recorded, but never to an earlier day than the event before it, whatever the clock did, and
never to a day that was closed. So a closed day stays as it is, and what corrects it is posted in a
later one.
"""

from typing import NamedTuple

import msgspec

from domain.aggregates.closing import DayClosed
from domain.books.chart import CHART
from domain.books.days import next_day, recorded_day
from domain.books.mapping import MOVES
from domain.books.posting import Postings
from domain.event import Event, stored_topics

TOPICS = stored_topics((*MOVES, DayClosed))
"""Of the events that change the books."""
_NONE: Postings = ()


class Posted(NamedTuple):
    """What the event at `position` posted, on a day of the books."""

    position: int
    day: str
    event: Event
    postings: Postings


class Running(msgspec.Struct, kw_only=True):
    """`position` of the last event that changed the books, `day` of the last posting ("" for
    none); `open_from` the first day that can get postings; `events` that posted; `balances` in
    signed cents by account code, zero where missing."""

    position: int = 0
    day: str = ""
    open_from: str = ""
    events: int = 0
    balances: dict[str, int] = {}

    def day_of(self, event: Event) -> str:
        """The day that the event belongs to, when it comes next."""
        day = recorded_day(event)
        if day < self.day:
            day = self.day
        return max(day, self.open_from)

    def take(self, position: int, event: Event, day: str) -> Postings:
        """Moves on by an event of TOPICS, of that `day_of`; what it posted."""
        self.position = position
        rule = MOVES.get(type(event))
        if rule is None:
            if isinstance(event, DayClosed):
                self.open_from = max(self.open_from, next_day(event.day))
            return _NONE
        posted = rule(event)
        balances = self.balances
        for code, amount_cents in posted:
            balances[code] = balances.get(code, 0) + amount_cents
        self.day = day
        self.events += 1
        return posted

    def copied(self) -> "Running":
        """As it is now, whatever comes."""
        return Running(
            position=self.position,
            day=self.day,
            open_from=self.open_from,
            events=self.events,
            balances=dict(self.balances),
        )

    def of_chart(self) -> dict[str, int]:
        """The balance of every account of the chart, in its order."""
        return {account.code: self.balances.get(account.code, 0) for account in CHART}

    @property
    def sum_cents(self) -> int:
        """Zero."""
        return sum(self.balances.values())
