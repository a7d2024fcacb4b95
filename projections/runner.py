"""Moves the projections along the log, in a thread of its own.

Rows are read once for all projections at the same position, and opened only where one of them
wants their topic. Each projection keeps a position of its own, written in the transaction of what
it projected, so after any failure it goes on exactly where it was. One that is being rebuilt is
read apart from those at the head until it meets them.
"""

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import Any

import msgspec

from application.ports import Conflict, Unavailable
from projections.ports import (
    Entry,
    LogReader,
    Now,
    Projection,
    ProjectionStore,
    ReadModelChanged,
)
from projections.reading import Batches

log = logging.getLogger(__name__)
REBUILT_BECAUSE = "projection %s is not what it wrote and is being built anew: %s"
_RETRY_STUCK_S = 30.0
_LOOK_S = 0.25
_LONGEST_REST_S = 1.0
_BACK_OFF_S = (0.2, 0.5, 1.0, 2.0, 5.0)


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far one projection is. All that happened until `as_of_us` is in it.

    `stuck` says why it does not move, empty where it does; `ours` is False while another runner
    holds it and this one stands by.
    """

    name: str
    position: int
    as_of_us: int
    ours: bool
    stuck: str


Job = tuple[Callable[[], Any], "Future[Any]"]


class _Place:
    """What the runner knows of one projection."""

    __slots__ = (
        *("as_of_us", "cleared_at", "ours", "position", "projection", "retry_at", "stuck"),
    )

    def __init__(self, projection: Projection) -> None:
        self.projection = projection
        self.position = 0
        self.as_of_us = 0
        self.ours = False
        self.stuck = ""
        self.retry_at = 0.0
        self.cleared_at = float("-inf")


class Runner:
    """Runs projections. `wake` after commits; without it the log is asked every `poll_s`.

    `coalesce_s`: waking is gathered for this long, so that many commits make one batch.
    `share`: of one processor, at most, asked after each batch; the engine that answers terminals
    comes first.
    `upto`: a position beyond which nothing is read, if not the head of the log.
    """

    def __init__(
        self,
        reader: LogReader,
        store: ProjectionStore,
        projections: Iterable[Projection],
        now_us: Now,
        *,
        batch: int = 5_000,
        poll_s: float = 1.0,
        coalesce_s: float = 0.02,
        share: Callable[[], float] = lambda: 1.0,
        upto: Callable[[], int] | None = None,
    ) -> None:
        self._upto = upto
        self._jobs: SimpleQueue[Job] = SimpleQueue()
        self._ended = False
        self._batches = Batches(reader, batch)
        self._head = 0
        self._head_us = 0
        self._next_look = 0.0
        self._store = store
        self._places = [_Place(each) for each in projections]
        self._now_us = now_us
        self._poll_s = poll_s
        self._coalesce_s = coalesce_s
        self._share = share
        self._awake = threading.Event()
        self._moved = threading.Condition()
        self._to_clear: set[str] = set()
        self._rebuilding: set[str] = set()
        self._stopping = False
        self._failures = 0
        self._thread = threading.Thread(target=self._run, name="projections", daemon=True)

    def start(self) -> None:
        """Starts the runner's thread."""
        self._thread.start()

    def stop(self) -> None:
        """Ends it after the batch in hand; what it held is free for another runner."""
        self._stopping = True
        self._awake.set()
        if self._thread.is_alive():
            self._thread.join(timeout=30)
        self._store.close()
        self._batches.close()

    def wake(self) -> None:
        """Something was committed. Costs nothing; for the engine's thread."""
        if not self._awake.is_set():
            self._awake.set()

    def rebuild(self, name: str) -> None:
        """Empties a projection and builds it anew. Reads of it wait (`wait_for`) or are refused."""
        if all(place.projection.name != name for place in self._places):
            raise KeyError(f"no projection {name}")
        self._rebuilding.add(name)
        self._to_clear.add(name)
        self._awake.set()

    def between(self, job: Callable[[], Any]) -> "Future[Any]":
        """What `job` returns or raises, run between two batches: nothing is projected meanwhile.

        Cancelled where the runner ends before its turn; one that was cancelled is not run.
        """
        future: Future[Any] = Future()
        self._jobs.put((job, future))
        self._awake.set()
        if self._ended:
            self._cancel_jobs()
        return future

    def forget(self, name: str) -> None:
        """Its tables hold something else now than it wrote. Only in a job of `between`."""
        self._place(name).projection.forget()

    def is_rebuilding(self, name: str) -> bool:
        """Whether it was emptied, or is about to be, and has not met the head of the log again."""
        return name in self._rebuilding

    def projection_of(self, table: str) -> str:
        """The name of the projection that writes a table."""
        places = (place.projection for place in self._places)
        return next(each.name for each in places if table in each.tables)

    def progress(self) -> list[Progress]:
        """How far each projection is."""
        return [
            Progress(
                name=place.projection.name,
                position=place.position,
                as_of_us=place.as_of_us,
                ours=place.ours,
                stuck=place.stuck,
            )
            for place in self._places
        ]

    def as_far_as(self, name: str) -> int:
        """The position that the projection has come to."""
        return self._place(name).position

    def as_of_us(self, name: str) -> int:
        """Everything that happened until then is in the projection; 0 before it knows."""
        return self._place(name).as_of_us

    def wait_for(self, name: str, position: int, timeout_s: float = 5.0) -> bool:
        """Waits until the projection has come to `position`; False where it has not in time."""
        place = self._place(name)
        self.wake()

        def there() -> bool:
            return place.position >= position and name not in self._to_clear

        with self._moved:
            return self._moved.wait_for(there, timeout_s)

    def _place(self, name: str) -> _Place:
        return next(place for place in self._places if place.projection.name == name)

    def _run(self) -> None:
        try:
            self._move_on()
        finally:
            self._ended = True
            self._cancel_jobs()

    def _move_on(self) -> None:
        while not self._stopping:
            started = time.monotonic()
            try:
                self._do_jobs()
                more = self.run_once()
                self._failures = 0
            except Unavailable as error:
                self._lost(error)
                more = False
            except Exception as error:  # this thread is the only one there is
                log.exception("projections")
                self._lost(error)
                more = False
            share = self._share()
            rest_s = (time.monotonic() - started) * (1 - share) / share
            if more:
                time.sleep(rest_s)
            elif self._failures:
                self._awake.clear()  # or it would spin: news of before the failure are no reason
                self._awake.wait(_BACK_OFF_S[min(self._failures, len(_BACK_OFF_S)) - 1])
            else:
                self._awake.wait(self._poll_s)
                # Large batches cost less an event: under load it is worth to let them grow.
                pause_s = min(max(self._coalesce_s, rest_s), _LONGEST_REST_S)
                time.sleep(0.0 if self._stopping else pause_s)
                self._awake.clear()

    def _do_jobs(self) -> None:
        """Raises Unavailable where a job did, which may have begun a batch that is gone now."""
        for job, future in self._waiting_jobs():
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(job())
            except Unavailable as error:
                future.set_exception(error)
                raise
            except Exception as error:
                future.set_exception(error)

    def _cancel_jobs(self) -> None:
        for _, future in self._waiting_jobs():
            future.cancel()

    def _waiting_jobs(self) -> Iterator[Job]:
        with contextlib.suppress(Empty):
            while True:
                yield self._jobs.get_nowait()

    def _lost(self, error: Exception) -> None:
        """Lets go of everything: batches not committed are gone, and so is what they taught."""
        self._failures += 1
        if self._failures == 1:
            log.warning("projections wait: %s does not answer", error)
        for place in self._places:
            place.ours = False
            place.projection.forget()
        self._store.close()
        self._batches.forget()

    def run_once(self) -> bool:
        """One batch for every group of projections; True where more is waiting.

        Also False where all that is left is a projection that stands still (`Progress.stuck`).
        Raises Unavailable.
        """
        self._take()
        now = time.monotonic()
        self._look_for_news(now)
        groups: dict[int, list[_Place]] = {}
        for place in self._places:
            behind = place.ours and place.position < self._head
            if behind and (not place.stuck or now > place.retry_at):
                groups.setdefault(place.position, []).append(place)
        for after, group in groups.items():
            self._move(after, group)
        for place in self._places:
            if place.position >= self._head:
                place.as_of_us = self._head_us
                if place.projection.name not in self._to_clear:
                    self._rebuilding.discard(place.projection.name)
        with self._moved:
            self._moved.notify_all()
        return any(place.position < self._head for group in groups.values() for place in group)

    def _look_for_news(self, now: float) -> None:
        """Asks for the head; while one is far behind not at every batch, for that waits in line."""
        moving = [place for place in self._places if place.ours and not place.stuck]
        if now >= self._next_look or all(place.position >= self._head for place in moving):
            self._next_look = now + _LOOK_S
            before_us = self._now_us()
            head = self._batches.head()
            self._head = head if self._upto is None else min(head, self._upto())
            self._head_us = before_us

    def _take(self) -> None:
        for place in self._places:
            name = place.projection.name
            if not place.ours:
                held = self._store.hold(name)
                place.position, place.ours = held.position, held.ours
            if place.ours and name in self._to_clear:
                self._store.clear(name, place.projection.tables)
                place.projection.forget()
                place.position, place.as_of_us, place.stuck = 0, 0, ""
                place.cleared_at = time.monotonic()
                self._to_clear.discard(name)

    def _move(self, after: int, group: list[_Place]) -> None:
        """One batch for projections at the same position."""
        topics = frozenset[str]().union(*(place.projection.topics for place in group))
        entries, of_topics, upto, _, bad = self._batches.after(after, self._head, topics)
        for place in group:
            wanted = place.projection.topics
            if upto > after:
                found = zip(entries, of_topics, strict=True)
                self._project(place, after, upto, [entry for entry, of in found if of in wanted])
            elif bad is not None and bad[1] in wanted:
                # Those that do not want it go on without it: from now on they are read apart.
                self._stuck(place, f"event {bad[0]} does not open")

    def _project(self, place: _Place, after: int, upto: int, entries: list[Entry]) -> None:
        projection = place.projection
        try:
            with self._store.batch(projection.name, after, upto):
                projection.project(entries)
        except Unavailable:
            raise
        except Conflict:
            raise Unavailable("the projection's tracking, which somebody else moved") from None
        except ReadModelChanged as error:
            projection.forget()
            # What it wrote a moment ago is nobody's doing but its own: no reason to go round.
            if time.monotonic() < place.cleared_at + _RETRY_STUCK_S:
                self._stuck(place, str(error))
            else:
                log.critical(REBUILT_BECAUSE, projection.name, error)
                self.rebuild(projection.name)
            return
        except Exception as error:
            projection.forget()
            if not place.stuck:
                log.exception("projection %s at position %d", projection.name, after)
            self._stuck(place, type(error).__name__)
            return
        place.position = upto
        place.stuck = ""

    def _stuck(self, place: _Place, why: str) -> None:
        """This projection waits; the others go on. It tries again from time to time."""
        if place.stuck != why:
            log.error("projection %s stands still: %s", place.projection.name, why)
        place.stuck = why
        place.retry_at = time.monotonic() + _RETRY_STUCK_S
