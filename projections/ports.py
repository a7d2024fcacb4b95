"""What projections need from the outside: the log to read, a store that moves with its tracking."""

from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol

from domain.event import Event


class Entry(NamedTuple):
    """An event at its position in the log."""

    position: int
    event: Event


class Unreadable(Exception):
    """A row does not open: it was changed or moved after it was stored."""


class ReadModelChanged(Exception):
    """A projection's `table` does not hold what the projection wrote: somebody else changed it."""

    def __init__(self, table: str, why: str) -> None:
        super().__init__(f"{table}: {why}")
        self.table = table


class Batch(NamedTuple):
    """The events of rows in order of position, and beside each the topic of its row.

    `upto`: all rows of the wanted topics until there are in it, but for those of persons who were
    erased. `full`: there may be more behind. `bad`: position and topic of the row behind `upto`
    that does not open.
    """

    entries: list[Entry]
    topics: list[str]
    upto: int
    full: bool
    bad: tuple[int, str] | None


class LogReader(Protocol):
    """The log of a shard. All raise `application.ports.Unavailable`."""

    def head(self) -> int:
        """The last position, 0 for an empty log."""

    def batch(self, after: int, upto: int, topics: Collection[str], limit: int) -> Batch:
        """At most `limit` events of these topics with `after` < position ≤ `upto`."""

    def close(self) -> None:
        """Gives the connection back; the next use connects again."""


class Held(NamedTuple):
    """How far a projection has come, and whether it is ours to move on."""

    position: int
    ours: bool


class ProjectionStore(Protocol):
    """Tracking of projections, on the connection that their tables write with.

    Everything raises `application.ports.Unavailable` where the database does not answer.
    """

    def hold(self, name: str) -> Held:
        """Takes the projection for this connection's life, unless another runner has it."""

    def batch(self, name: str, after: int, upto: int) -> AbstractContextManager[None]:
        """One transaction that moves the projection from `after` to `upto` with what it writes.

        Raises Conflict where the projection is not at `after`: somebody else moved it.
        """

    def clear(self, name: str, tables: Collection[str]) -> None:
        """Empties the tables and puts the projection back to 0, in one transaction."""

    def close(self) -> None:
        """Lets go of everything held; the next use connects again."""


class Projection(Protocol):
    """A read model. `tables` are its own; a change of what it keeps changes its `name`."""

    name: str

    @property
    def tables(self) -> tuple[str, ...]: ...

    topics: frozenset[str]

    def project(self, entries: Sequence[Entry]) -> None:
        """Writes what the entries change, within the store's open batch."""

    def forget(self) -> None:
        """Drops what it remembers: the batch that it comes from may not be stored."""


Now = Callable[[], int]
"""The clock, in microseconds since 1970 UTC."""
