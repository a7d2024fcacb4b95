"""What the application needs from the outside, as protocols that adapters implement."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Protocol
from uuid import UUID

from domain.event import Event


class Unavailable(Exception):
    """Something that a decision needs (database, HSM) does not answer now: 91."""


class Rebuilding(Unavailable):
    """A read model did not fit the log, or was emptied, and is being built anew: soon available."""


class Conflict(Exception):
    """Another writer took a position: the shard was taken over, or a commit was in doubt."""


class Claim(NamedTuple):
    """`owner` alone holds what `digest` (a keyed hash) stands for, within `kind`.

    `generation` of the key that hashed it; 1 where none did.
    """

    kind: str
    digest: bytes
    owner: UUID
    generation: int = 1


class Row(NamedTuple):
    """A sealed event at its place in the log, as it is stored."""

    position: int
    originator_id: UUID
    originator_version: int
    topic: str
    state: bytes


class ReadableLog(Protocol):
    """One shard's log, read by stream."""

    def load(self, ids: Sequence[UUID]) -> dict[UUID, list[Event]]:
        """The events of each stream that exists, in order of version. Raises Unavailable."""

    def transactions_since(self, ms: int) -> Iterable[UUID]:
        """The ids from a millisecond on, among them all transactions'. Raises Unavailable."""

    def owners(self, keys: Sequence[tuple[str, bytes]]) -> dict[tuple[str, bytes], UUID]:
        """Who holds each (kind, digest) that is claimed. Raises Unavailable."""


class EventLog(ReadableLog, Protocol):
    """The same, appended to by the one writer that holds its lock."""

    def add(self, events: Iterable[Event]) -> None:
        """Seals events for the next commit. They may be decided while they are consumed; what they
        raise is raised, and `recover` drops what was added."""

    def send(self, claims: Sequence[Claim]) -> None:
        """Hands all that was added, and these claims, over as one durable commit; one at a time.

        Raises Conflict or Unavailable, as `settle` does; nothing is stored then, unless the commit
        was lost on its way back, which `recover` finds out.
        """

    def settle(self, wait_s: float) -> bool:
        """Whether the commit that was handed over is durable, or there is none; waits for it for at
        most so many seconds. Reading the log in the writer's thread settles it too."""

    @property
    def on_its_way(self) -> bool:
        """Whether a commit was handed over that is not settled: it is stored, or it is not."""

    def recover(self) -> bool:
        """Reconnects and takes the shard's lock again; True: the last commit is stored after all.

        Raises Unavailable while it cannot, and Conflict where rows appeared that this system
        did not seal.
        """


class Snapshots(Protocol):
    """States of long streams that are kept beside the log; never needed, always true."""

    def load(self, ids: Sequence[UUID]) -> dict[UUID, tuple[Any, list[Event]]]:
        """Of each stream that exists: a kept state or None, and the events after it, in order of
        version. Raises Unavailable."""

    def keep(self, states: Sequence[Any]) -> None:
        """Takes states that are stored in the log; may let go of any. Does not wait."""


class Clock(Protocol):
    """The one clock."""

    def now_us(self) -> int:
        """Microseconds since 1970 UTC."""
