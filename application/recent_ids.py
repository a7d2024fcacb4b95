"""Whether a fresh transaction id is surely new, without asking the database.

Nearly every authorization names a transaction that does not exist yet, and looking that up was a
third of the engine's time. An id carries its milliseconds, and only ids within a few minutes of
now can be new; all ids written in that window are noted here in one Bloom filter a minute. A
"no" of the filter is certain; a "maybe" (2 in 1,000 at 6,000 a second), and every id outside the
window, is looked up.
"""

from uuid import UUID

_MINUTE_MS = 60_000
_BITS = 1 << 24
_MASK = _BITS - 1
KEPT_MINUTES = 7
"""Minutes before and after now that are kept: more than the five a terminal's clock may be off."""


FAR_MOST = 100_000
"""Ids of the far future (refused for their clock, but written) that are kept one by one."""


class RecentIds:
    """The ids written in the window, one filter of 2 MB a minute in which any was."""

    def __init__(self) -> None:
        self._filters: dict[int, bytearray] = {}
        self._far: set[int] = set()
        self._complete_from: int | None = None
        self._this_minute = 0

    def begin(self, now_ms: int) -> int:
        """Starts a window; ids from the returned millisecond on that exist must be added now."""
        self.reset()
        self._this_minute = now_ms // _MINUTE_MS
        self._complete_from = self._this_minute - KEPT_MINUTES
        return self._complete_from * _MINUTE_MS

    def reset(self) -> None:
        """Forgets all: until `begin`, nothing is surely new."""
        self._filters.clear()
        self._far.clear()
        self._complete_from = None

    def add(self, id: UUID) -> None:
        """Notes a written id; one of before the window is not needed."""
        number = id.int
        minute = (number >> 80) // _MINUTE_MS
        bits = self._filters.get(minute)
        if bits is None:
            if self._complete_from is None or minute < self._complete_from:
                return
            if minute > self._this_minute + KEPT_MINUTES:
                self._add_far(number)
                return
            bits = self._filters[minute] = bytearray(_BITS // 8)
        one, two = number & _MASK, (number >> 24) & _MASK
        bits[one >> 3] |= 1 << (one & 7)
        bits[two >> 3] |= 1 << (two & 7)

    def _add_far(self, number: int) -> None:
        """A filter a minute would let a terminal with a wild clock fill the memory."""
        if len(self._far) >= FAR_MOST:
            self.reset()
        else:
            self._far.add(number)

    def surely_new(self, id: UUID, now_ms: int) -> bool:
        """Whether no transaction of this id can exist."""
        number = id.int
        minute, this_minute = (number >> 80) // _MINUTE_MS, now_ms // _MINUTE_MS
        oldest = self._complete_from
        if oldest is None or minute < oldest or abs(minute - this_minute) > KEPT_MINUTES - 1:
            return False
        if this_minute > self._this_minute:
            self._move_on(this_minute)
        if number in self._far:
            return False
        bits = self._filters.get(minute)
        if bits is None:
            return True
        one, two = number & _MASK, (number >> 24) & _MASK
        return not (bits[one >> 3] >> (one & 7) & 1 and bits[two >> 3] >> (two & 7) & 1)

    def _move_on(self, this_minute: int) -> None:
        """Drops what lies before the window: those ids are looked up from now on."""
        self._this_minute = this_minute
        assert self._complete_from is not None
        before = self._complete_from = max(self._complete_from, this_minute - KEPT_MINUTES)
        self._filters = {m: bits for m, bits in self._filters.items() if m >= before}
