"""Work that may wait: done between payments, one small batch at a time, at a pace.

A batch takes the engine for some milliseconds, and a payment that arrives meanwhile waits for it.
After each batch the queue rests in proportion to what the batch took, so that background work has
a share of the engine and no more, however fast the machine is and however much there is to do.
"""

import time
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

SHARE = 0.36
"""Of the engine's time: what is left to payments while a large refill goes on is 64 %."""
MOST_WAITING = 64
SubmitLater = Callable[[Any, Callable[[Any], None]], bool]
"""`application.group_commit.GroupCommit.submit_later`."""


class Waiting(NamedTuple):
    """A work with the callback for its answer. `work` is an `application.work.Work`."""

    work: Any
    done: Callable[[Any], None]


class Background:
    """A bounded queue. Filled from any thread, emptied in the engine's."""

    def __init__(self, share: float = SHARE) -> None:
        """`share`: of the engine's time, above 0 and at most 1."""
        self._queue: deque[Waiting] = deque()
        self._rest = 1 / share - 1
        self._next_s = 0.0

    def put(self, waiting: Waiting) -> bool:
        """Queues it; False where too much waits."""
        if len(self._queue) >= MOST_WAITING:
            return False
        self._queue.append(waiting)
        return True

    def rest_s(self) -> float | None:
        """Seconds until the next may begin, 0 for now; None where nothing waits."""
        if not self._queue:
            return None
        return max(0.0, self._next_s - time.monotonic())

    def take(self) -> Waiting | None:
        """The next one, None where it is not time yet."""
        return self._queue.popleft() if self.rest_s() == 0 else None

    def took(self, seconds: float) -> None:
        """Rests after a batch that held the engine for so long."""
        self._next_s = time.monotonic() + seconds * self._rest
