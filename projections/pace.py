"""How much of a processor the projections may take: little while payments come, much while not."""

import threading
import time
from collections.abc import Callable

BUSY_SHARE = 0.1
"""Of one processor, while payments wait for answers."""
QUIET_SHARE = 0.6
"""What else the backend does, it does beside."""
BUSY_PER_S = 200.0
"""Events a second that are added to the log: more is load."""
_LOOK_S = 0.5


class Pace:
    """Asked after each batch, from any thread. `last` is the position of the last commit, None
    before anybody knows it."""

    def __init__(
        self,
        last: Callable[[], int | None],
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._last = last
        self._now_s = now_s
        self._lock = threading.Lock()
        self._seen = 0
        self._seen_s = float("-inf")
        self._share = BUSY_SHARE

    def __call__(self) -> float:
        """The share, above 0 and below 1; looked at anew twice a second."""
        with self._lock:
            now_s = self._now_s()
            took_s = now_s - self._seen_s
            if took_s >= _LOOK_S:
                last = self._last() or 0
                per_s = (last - self._seen) / took_s
                known = self._seen_s > float("-inf")
                self._share = QUIET_SHARE if known and per_s < BUSY_PER_S else BUSY_SHARE
                self._seen, self._seen_s = last, now_s
            return self._share
