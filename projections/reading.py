"""Reads and opens the log in batches, the next one while the one in hand is projected.

The database then looks for rows while this process seals others: a rebuild takes as long as the
slower of the two, not as both. Everything that touches the reader runs in one thread.
"""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from projections.ports import Batch, LogReader

_T = TypeVar("_T")
Topics = frozenset[str]


class Batches:
    """Batches of at most `size` rows. Raises Unavailable, as the reader does."""

    def __init__(self, reader: LogReader, size: int) -> None:
        self._reader = reader
        self._size = size
        self._thread: ThreadPoolExecutor | None = None
        self._ahead: dict[Topics, tuple[int, Future[Batch]]] = {}

    def head(self) -> int:
        """The log's last position."""
        return self._in_thread(self._reader.head).result()

    def after(self, position: int, head: int, topics: Topics) -> Batch:
        """The next batch of these topics."""
        known, future = self._ahead.pop(topics, (-1, None))
        if future is None or known != position:
            future = self._in_thread(lambda: self._read(position, head, topics))
        batch = future.result()
        if batch.full and batch.bad is None and batch.upto < head:
            upto = batch.upto
            ahead = self._in_thread(lambda: self._read(upto, head, topics))
            self._ahead[topics] = (upto, ahead)
        return batch

    def forget(self) -> None:
        """Drops what was read ahead and lets go of the reader's connection."""
        for _, future in self._ahead.values():
            future.cancel()
        self._ahead.clear()
        self._in_thread(self._reader.close).result()

    def close(self) -> None:
        """Ends the thread."""
        self.forget()
        if self._thread is not None:
            self._thread.shutdown()
            self._thread = None

    def _in_thread(self, job: Callable[[], _T]) -> "Future[_T]":
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="projections-read")
        return self._thread.submit(job)

    def _read(self, after: int, head: int, topics: Topics) -> Batch:
        # Bounded even where nearly nothing is wanted: no statement runs for minutes. Closely, as
        # PostgreSQL sorts the whole range while it knows nothing of the table yet.
        return self._reader.batch(after, min(head, after + 8 * self._size), topics, self._size)
