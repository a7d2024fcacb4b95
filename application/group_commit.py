"""One durable commit for everything that arrived while the previous one was being written.

The one writer of a shard runs here, in a thread of its own: it takes the waiting works, loads
what they need with few queries, decides each in order against the states as the ones before it
left them, hands all events to the log as one commit, and answers only once that is durable.

While a commit is on its way the next batch is decided already, upon states that are not durable
yet. It is handed over only after the commit before it succeeded, so what an answer rests on is
always durable; where that fails, both batches are decided anew.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from application.background import Background, Waiting
from application.histogram import LATENCY_S, Histogram
from application.ports import Claim, Clock, Conflict, EventLog, Unavailable
from application.states import States
from application.work import ERROR, IN_DOUBT, UNAVAILABLE, Done, Needs, Work
from domain.event import Event

log = logging.getLogger(__name__)
RETRIES = 3
BATCH_MOST = 128
"""Works of one commit: of twice as many, one half is decided while the other is stored."""
_AT_ONCE = 64
"""Works that are decided between two looks at the commit on its way."""
_LOOK_S = 0.001
"""How often the queue is looked at while a commit is on its way and nothing waits."""
_BATCH_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)


class Queued(NamedTuple):
    """A work that waits, since when by the monotonic clock."""

    work: Work
    done: Callable[[Any], None]
    arrived_s: float


class Batch:
    """What becomes one commit: works, what was decided of them, and what follows once it is stored.

    `due`: states to be kept as snapshots.
    """

    def __init__(self, queued: list[Queued] | None = None, *, of_background: bool = False) -> None:
        self.queued = queued or []
        self.of_background = of_background
        self.answers: list[Done] = []
        self.claims: list[Claim] = []
        self.due: list[Any] = []


class GroupCommit:
    """The engine. `deliver` gets the (done, answer) pairs of a batch, in the engine's thread.

    `queue_most` bounds what waits, `batch_most` one commit.
    """

    def __init__(
        self,
        event_log: EventLog,
        states: States,
        clock: Clock,
        deliver: Callable[[list[Done]], None],
        *,
        batch_most: int = BATCH_MOST,
        queue_most: int = 20_000,
    ) -> None:
        self._log = event_log
        self._states = states
        self._clock = clock
        self._deliver = deliver
        self._batch_most = batch_most
        self._queue_most = queue_most
        self._queue: deque[Queued] = deque()
        self._background = Background()
        self._ready = Batch()
        self._flight: Batch | None = None
        self._wake = threading.Event()
        self._stopping = False
        self._halted = False
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
        """Lets the writer store and answer what it decided, and ends it."""
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
        self._queue.append(Queued(work, done, time.monotonic()))
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

    # The writer's thread, from here on

    def _run(self) -> None:
        while not self._stopping or self._flight is not None or self._ready.queued:
            if not (self._flight is not None or self._ready.queued or self._queue):
                self._wake.wait(timeout=1.0 if self._broken else self._background.rest_s())
                self._wake.clear()
            if self._broken:
                self._reconnect()
            self._step()

    def _step(self) -> None:
        """Decides some of what waits, looks after the commit on its way, hands over the next."""
        try:
            full = self._stopping or self._fill()
            if self._flight is not None:
                # Where nothing more can be decided, nothing is missed by waiting.
                wait_s = 1.0 if full else 0.0 if self._queue else _LOOK_S
                if not self._log.settle(wait_s):
                    return
                landed, self._flight = self._flight, None
                self._land(landed)
            if self._ready.queued and (full or not self._queue):
                self._hand_over()
        except Exception as error:
            self._fall_back(error)

    def _fill(self) -> bool:
        """Decides some of what waits into the batch that is ready; whether it is full now."""
        ready = self._ready
        if not ready.queued:
            later = self._background.take()
            if later is not None:
                begin = time.monotonic()
                self._admit([Queued(*later, begin)])
                ready.of_background = bool(ready.queued)
                # Not only once it is stored: the next would be decided before it had rested.
                self._background.took(time.monotonic() - begin)
        if ready.of_background:
            return True
        room = min(self._batch_most - len(ready.queued), _AT_ONCE, len(self._queue))
        self._admit([self._queue.popleft() for _ in range(room)])
        return len(ready.queued) >= self._batch_most

    def _admit(self, some: list[Queued]) -> None:
        """Decides works, but those that waited too long, and none while the log does not answer."""
        admitted = self._in_time(some)
        if self._broken and admitted and not self._reconnect():
            self._deliver([(each.done, UNAVAILABLE) for each in admitted])
        elif admitted:
            self._ready.queued += admitted
            self._decide(self._ready, admitted)

    def _in_time(self, some: list[Queued]) -> list[Queued]:
        """Those whose deadline has not passed; the others are answered."""
        now_us = self._clock.now_us()
        late = [(each.done, UNAVAILABLE) for each in some if each.work.deadline_us < now_us]
        if not late:
            return some
        self._deliver(late)
        return [each for each in some if each.work.deadline_us >= now_us]

    def _hand_over(self) -> None:
        """Gives the log what was decided: the batch that is ready is on its way."""
        batch = self._ready
        batch.due = self._states.take_due()
        try:
            self._log.send(batch.claims)
        except (Unavailable, Conflict):
            self._flight, self._ready = batch, Batch()  # it may have arrived
            raise
        self._flight, self._ready = batch, Batch()

    def _land(self, batch: Batch) -> None:
        """What a batch came to is durable, and so is all that it rests on: it is answered."""
        self._states.stored(batch.due)
        self._states.release()
        self.batches += 1
        self.works += len(batch.queued)
        self._deliver(batch.answers)
        now = time.monotonic()
        for each in batch.queued:
            self.latency.add(now - each.arrived_s)
        self.batch_sizes.add(len(batch.queued))

    def _fall_back(self, error: Exception) -> None:
        """After a fault: what was not answered yet is decided anew, one batch after the other."""
        flight, ready = self._flight, self._ready
        self._flight, self._ready = None, Batch()
        of_the_log = isinstance(error, Unavailable | Conflict)
        # What was settled for a reading that then failed is stored: it is in no doubt.
        if flight is not None and not (of_the_log and self._log.on_its_way):
            flight, error = self._landed_all_the_same(flight, error)
        self._broken = True  # states may be half moved: take them all anew
        if flight is None:
            self._next_attempt = 0.0
        else:
            log.warning("commit of %d works failed: %s", len(flight.queued), type(error).__name__)
            if self._reconnect(lost=True):
                self._land(flight)
            elif self._broken:
                self._deliver([(each.done, IN_DOUBT) for each in flight.queued])
            else:
                self._turn(flight.queued)
        if ready.queued:
            self._turn(ready.queued)

    def _landed_all_the_same(
        self, flight: Batch, error: Exception
    ) -> tuple[Batch | None, Exception]:
        """A fault beside the commit on its way does no harm to it; None once it landed."""
        try:
            while not self._log.settle(1.0):
                pass
        except (Unavailable, Conflict) as also:
            return flight, also
        self._land(flight)
        return None, error

    def _turn(self, works: list[Queued]) -> None:
        """Decides, stores and answers one batch; at most three times after a conflict."""
        failure = UNAVAILABLE
        for _ in range(RETRIES):
            if self._broken and not self._reconnect():
                break
            works = self._in_time(works)
            if not works:
                return
            failure = UNAVAILABLE
            batch = Batch(works)
            try:
                self._decide(batch, works)
                batch.due = self._states.take_due()
                self._log.send(batch.claims)
                while not self._log.settle(1.0):
                    pass
            except (Unavailable, Conflict) as error:
                log.warning("commit of %d works failed: %s", len(works), type(error).__name__)
                self._broken = True
                if not self._reconnect(lost=True):
                    if self._broken:  # it may be stored: only the log can tell
                        failure = IN_DOUBT
                        break
                    continue
            except Exception:
                self._broken = True
                self._next_attempt = 0.0  # the database did no wrong
                if len(works) > 1:
                    log.warning("a batch of %d works failed: each alone now", len(works))
                    self._one_by_one(works)
                    return
                log.exception("a %s", type(works[0].work).__name__)
                batch = Batch(works)
                batch.answers = [(works[0].done, ERROR)]
            self._land(batch)
            return
        self._deliver([(each.done, failure) for each in works])

    def _one_by_one(self, works: list[Queued]) -> None:
        """So that whoever is at fault harms nobody else."""
        for each in works:
            self._turn([each])

    def _decide(self, batch: Batch, works: list[Queued]) -> None:
        """Decides works into a batch: their events go to the log's next commit."""
        self._states.hold()
        self._log.add(self._decided(batch, self._prefetch(batch, works)))

    def _prefetch(self, batch: Batch, works: list[Queued]) -> list[Queued]:
        """Loads what works miss, in rounds: a claim leads to a card to an account.

        The works without those that could not even say what they need.
        """
        states, now_us = self._states, self._clock.now_us()
        asking, failed = works, set[int]()
        while asking:
            needs = Needs()
            asking_again = []
            for each in asking:
                work = each.work
                try:
                    if work.needs(states, needs, now_us):
                        asking_again.append(each)
                except (Unavailable, Conflict):
                    raise
                except Exception:
                    log.exception("what a %s needs", type(work).__name__)
                    failed.add(id(work))
                    batch.answers.append((each.done, ERROR))
            asking = asking_again
            states.load_owners(needs.owners)
            states.load(needs.ids)
            states.load_transactions(needs.transactions)
        return [each for each in works if id(each.work) not in failed] if failed else works

    def _decided(self, batch: Batch, works: list[Queued]) -> Iterator[Event]:
        """The events of works, each seeing the states as the ones before it left them."""
        states, now_us, answers = self._states, self._clock.now_us(), batch.answers
        for work, done, _ in works:
            try:
                answer, events, claims = work.decide(states, now_us)
            except (Unavailable, Conflict):
                raise
            except Exception:
                log.exception("deciding a %s", type(work).__name__)
                answers.append((done, ERROR))
                continue
            for event in events:
                states.apply(event)
            for claim in claims:
                states.claim(claim)
                batch.claims.append(claim)
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
