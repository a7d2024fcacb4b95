"""One durable commit for everything that arrived while the previous one was being written.

The one writer of a shard runs here, in a thread of its own: it takes the waiting works, loads
what they need with few queries, decides each in order against the states as the ones before it
left them, stores all events in one commit, and only then answers. Nothing is decided ahead of an
unfinished commit.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol
from uuid import UUID

from application.background import Background, Waiting
from application.histogram import LATENCY_S, Histogram
from application.ports import Claim, Clock, Conflict, EventLog, Unavailable
from application.states import States
from domain.event import Event

log = logging.getLogger(__name__)
RETRIES = 3
GATHER_FROM = 4
"""A batch of so many was load enough to wait a moment for a larger one."""
_BATCH_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)


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
    """A unit of deciding. `claims`: whether it may claim something unique."""

    claims: bool
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
_Waiting = tuple[Work, Callable[[Any], None]]


class GroupCommit:
    """The engine. `deliver` gets the (done, answer) pairs of a batch, in the engine's thread.

    `queue_most` bounds what waits; `batch_most` bounds one commit; `gather_s` see `_gather`.
    """

    def __init__(
        self,
        event_log: EventLog,
        states: States,
        clock: Clock,
        deliver: Callable[[list[Done]], None],
        *,
        batch_most: int = 512,
        queue_most: int = 20_000,
        gather_s: float = 0.001,
    ) -> None:
        self._log = event_log
        self._states = states
        self._clock = clock
        self._deliver = deliver
        self._batch_most = batch_most
        self._queue_most = queue_most
        self._gather_s = gather_s
        self._queue: deque[tuple[Work, Callable[[Any], None], float]] = deque()
        self._background = Background()
        self._arrived: list[float] = []
        self._wake = threading.Event()
        self._stopping = False
        self._halted = False
        self._last_batch = 0
        self._broken = True
        self._next_attempt = 0.0
        self._thread = threading.Thread(target=self._run, name="group-commit", daemon=True)
        self.latency = Histogram(LATENCY_S)
        self.batch_sizes = Histogram(_BATCH_SIZES)
        self.batches = 0
        self.works = 0
        self.tampered = False

    @property
    def available(self) -> bool:
        """Whether the last contact with the log went well."""
        return not self._broken

    @property
    def halted(self) -> bool:
        """Whether it takes nothing any more, until somebody has looked at the log."""
        return self._halted or self.tampered

    @property
    def waiting(self) -> tuple[int, int]:
        """How many works wait, and how many may."""
        return len(self._queue), self._queue_most

    def start(self) -> None:
        """Starts the writer's thread."""
        self._thread.start()

    def stop(self) -> None:
        """Lets the writer finish its batch and ends it."""
        self._stopping = True
        self._wake.set()
        self._thread.join(timeout=10)

    def halt(self, why: str) -> None:
        """Takes no more works: the log cannot be trusted, and somebody has to look."""
        log.critical("halted: %s", why)
        self._halted = self.tampered = True

    def submit(self, work: Work, done: Callable[[Any], None]) -> bool:
        """Queues a work; False where the queue is full (answer 91 at once)."""
        if len(self._queue) >= self._queue_most or self._halted:
            return False
        self._queue.append((work, done, time.monotonic()))
        if not self._wake.is_set():
            self._wake.set()
        return True

    def submit_later(self, work: Work, done: Callable[[Any], None]) -> bool:
        """Queues a work that payments do not wait for; False where too many of those wait.

        It is a commit of its own, between two batches. It should take no longer than a batch does:
        a payment that arrives meanwhile waits for it.
        """
        if self._halted or not self._background.put(Waiting(work, done)):
            return False
        self._wake.set()
        return True

    def _run(self) -> None:
        while not self._stopping:
            self._wake.wait(timeout=1.0 if self._broken else self._background.rest_s())
            self._wake.clear()
            if self._broken:
                self._reconnect()
            while self._queue and not self._stopping:
                self._gather()
                self._turn(self._take())
                self._count()
                self._later()
            self._later()

    def _later(self) -> None:
        """One work of those that may wait, if it is time."""
        waiting = self._background.take()
        if waiting is None or self._stopping:
            return
        begin = time.monotonic()
        late = waiting.work.deadline_us < self._clock.now_us()
        if late:
            self._deliver([(waiting.done, UNAVAILABLE)])
        else:
            self._turn([(waiting.work, waiting.done)])
        self._background.took(time.monotonic() - begin)

    def _count(self) -> None:
        """How long the batch in hand took, from the arrival of each work to its answer."""
        now = time.monotonic()
        for arrived in self._arrived:
            self.latency.add(now - arrived)
        self.batch_sizes.add(len(self._arrived))

    def _gather(self) -> None:
        """Under load, waits a moment for more to come: a commit costs the same for many.

        As PostgreSQL's commit_delay with commit_siblings; a lone request never waits.
        """
        if self._last_batch >= GATHER_FROM and len(self._queue) < self._last_batch:
            time.sleep(self._gather_s)

    def _take(self) -> list[_Waiting]:
        queue, now_us = self._queue, self._clock.now_us()
        batch: list[_Waiting] = []
        late: list[Done] = []
        self._arrived = []
        while queue and len(batch) < self._batch_most:
            work, done, arrived = queue.popleft()
            self._arrived.append(arrived)
            if work.deadline_us < now_us:
                late.append((done, UNAVAILABLE))
            else:
                batch.append((work, done))
        self._last_batch = len(batch)
        if late:
            self._deliver(late)
        return batch

    def _turn(self, batch: list[_Waiting]) -> None:
        """Decides, stores and answers one batch; at most three times after a conflict."""
        failure = UNAVAILABLE
        for _ in range(RETRIES):
            if self._broken and not self._reconnect():
                break
            failure = UNAVAILABLE
            answers: list[Done] = []
            try:
                self._store(batch, answers)
            except (Unavailable, Conflict) as error:
                log.warning("commit of %d works failed: %s", len(batch), type(error).__name__)
                self._broken = True
                if not self._reconnect(lost=True):
                    failure = IN_DOUBT if self._broken else UNAVAILABLE
                    continue
            except Exception:
                self._broken = True  # states may be half moved: take them all anew
                self._next_attempt = 0.0  # the database did no wrong
                if len(batch) > 1:
                    log.warning("a batch of %d works failed: each alone now", len(batch))
                    self._one_by_one(batch)
                    return
                log.exception("a %s", type(batch[0][0]).__name__)
                answers = [(batch[0][1], ERROR)]
            self.batches += 1
            self.works += len(batch)
            self._deliver(answers)
            return
        self._deliver([(done, failure) for _, done in batch])

    def _one_by_one(self, batch: list[_Waiting]) -> None:
        """So that whoever is at fault harms nobody else."""
        for waiting in batch:
            self._turn([waiting])

    def _store(self, batch: list[_Waiting], answers: list[Done]) -> None:
        self._states.hold()
        try:
            batch = self._prefetch(batch, answers)
            claims: list[Claim] | None = [] if any(work.claims for work, _ in batch) else None
            self._log.append(self._decide(batch, answers, claims), claims)
            self._states.stored()
        finally:
            self._states.release()

    def _prefetch(self, batch: list[_Waiting], answers: list[Done]) -> list[_Waiting]:
        """Loads what the batch misses, in rounds: a claim leads to a card to an account.

        The batch without the works that could not even say what they need.
        """
        states, now_us = self._states, self._clock.now_us()
        asking, failed = batch, set[int]()
        while asking:
            needs = Needs()
            asking_again = []
            for waiting in asking:
                work, done = waiting
                try:
                    if work.needs(states, needs, now_us):
                        asking_again.append(waiting)
                except (Unavailable, Conflict):
                    raise
                except Exception:
                    log.exception("what a %s needs", type(work).__name__)
                    failed.add(id(work))
                    answers.append((done, ERROR))
            asking = asking_again
            states.load_owners(needs.owners)
            states.load(needs.ids)
            states.load_transactions(needs.transactions)
        return [each for each in batch if id(each[0]) not in failed] if failed else batch

    def _decide(
        self, batch: list[_Waiting], answers: list[Done], claims: list[Claim] | None
    ) -> Iterator[Event]:
        """The events of the batch, each work seeing the states as the ones before it left them."""
        states, now_us = self._states, self._clock.now_us()
        for work, done in batch:
            try:
                answer, events, claimed = work.decide(states, now_us)
            except (Unavailable, Conflict):
                raise
            except Exception:
                log.exception("deciding a %s", type(work).__name__)
                answers.append((done, ERROR))
                continue
            for event in events:
                states.apply(event)
            for claim in claimed:
                assert claims is not None, "a work that claims says so"
                states.claim(claim)
                claims.append(claim)
            answers.append((done, answer))
            yield from events

    def _reconnect(self, lost: bool = False) -> bool:
        """Takes the shard again. `lost`: a commit is in doubt; True where it is stored after all.

        Without `lost`, True where the engine can go on. All states are dropped: those only read
        may be stale too.
        """
        now = time.monotonic()
        if now < self._next_attempt and not lost:
            return False
        self._next_attempt = now + 0.2
        try:
            stored = self._log.recover()
            self._states.begin(self._clock.now_us())
        except Unavailable:
            return False
        except Conflict:
            if not self.tampered:
                log.critical("the log holds rows that this system did not write: refusing to go on")
            self.tampered = True
            return False
        except Exception:  # whatever it is, this thread is the only one there is
            log.exception("taking the shard")
            return False
        self._broken = False
        self.tampered = False
        return stored if lost else True
