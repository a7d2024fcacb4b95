"""A large refill in the engine's background, and what payments feel of it meanwhile."""

import asyncio
import gc
import random
import time
from collections.abc import Callable
from queue import Queue
from typing import Any, NamedTuple
from uuid import UUID

from msgspec.structs import replace

from adapters.backend.refill_steps import Steps
from application.authorize import Decision
from application.background import SubmitLater
from application.command import Origin
from application.credit_refill import CreditLines
from application.refill import OrderRefill, Payment, Terms
from application.work import Done, Work
from domain.aggregates.refill import Refill
from domain.refill_lines import RefillLine
from script.benchmark.engine import Requests
from script.benchmark.ledger import Ledger
from script.benchmark.population import Population, new_id

OUTSTANDING = 64
CARDS_PAYING = 4_000
"""As many cards pay as on the wire: the accounts of all others are not in memory."""
WARM_UP_S = 1.0
DEADLINE_US = 60_000_000


class Felt(NamedTuple):
    """Seconds that the refill took, and the 99th percentile of payments before and after it, and
    meanwhile."""

    refill_s: float
    usual_p99_ms: float
    meanwhile_p99_ms: float


class Timed:
    """In place of a callback: when the payment was given to the engine."""

    def __init__(self) -> None:
        self.since = time.perf_counter()

    def __call__(self, answer: object) -> None:
        """Never called: `LargeRefill` takes the answers itself."""


class LargeRefill:
    """Keeps 64 payments in an engine, and credits every account of the population meanwhile."""

    def __init__(self, ledger: Ledger, population: Population) -> None:
        self._ledger = ledger
        self._population = population
        paying = random.sample(population.digests, min(CARDS_PAYING, len(population.digests)))
        self._requests = Requests(ledger, population._replace(digests=paying))
        self._latencies: list[float] = []
        self._bad = 0
        self._paying = False

    def measure(self, seconds: float) -> Felt:
        """`seconds`: how long the usual latency is taken, before and after: a disk that hesitates
        once is a hundredth of two seconds. Raises where a payment is refused."""
        gc.collect()
        gc.freeze()  # what the measurements before left behind is not the backend's
        engine = self._engine = self._ledger.engine(self._deliver)
        engine.start()
        while not engine.available:
            time.sleep(0.01)
        warming = list(self._requests.every_card())
        for request in warming:
            engine.submit(request, Timed())
        while len(self._latencies) < len(warming):
            time.sleep(0.01)
        self._paying = True
        for _ in range(OUTSTANDING):
            engine.submit(self._requests.next(), Timed())
        time.sleep(WARM_UP_S)
        usual = self._during(lambda: time.sleep(seconds))
        begin = time.perf_counter()
        meanwhile = self._during(self._refill)
        took = time.perf_counter() - begin
        usual += self._during(lambda: time.sleep(seconds))
        self._paying = False
        engine.stop()
        if self._bad:
            raise RuntimeError(f"{self._bad} payments were not approved")
        return Felt(took, _p99_ms(usual), _p99_ms(meanwhile))

    def _refill(self) -> None:
        """Orders it and credits its lines as the backend does, a step after the other."""
        population, clock = self._population, self._ledger.clock
        lines = [(account, 100) for account in population.accounts]
        now_us = clock.now_us()
        origin = Origin(
            command_id=new_id(),
            issued_ms=now_us // 1000,
            actor="operator:benchmark",
            issuer_id=population.company,
        )
        ordered = self._answer(
            self._engine.submit,
            OrderRefill(
                origin,
                now_us + DEADLINE_US,
                company_id=population.company,
                lines=lines,
                payment=Payment(confirmed=True),
                terms=Terms(alone_most_cents=2**50),
                checked=True,
                last_day="2099-12-31",
            ),
        )
        asked = (origin, UUID(ordered["id"]))
        asyncio.run(
            self._credit(*asked, [RefillLine(account_id=id, amount_cents=c) for id, c in lines])
        )

    async def _credit(self, origin: Origin, refill_id: UUID, lines: list[RefillLine]) -> None:
        done = 0
        async with Steps(lines, self._ledger.states.read_ahead) as steps:
            while done < len(lines):
                some, ahead = await steps.at(done)
                step = CreditLines(
                    replace(origin, command_id=new_id()),
                    self._ledger.clock.now_us() + DEADLINE_US,
                    refill_id=refill_id,
                    place=done,
                    lines=some,
                    ahead=ahead,
                )
                refill = await asyncio.to_thread(self._answer, self._engine.submit_later, step)
                if not isinstance(refill, Refill) or refill.failed_lines:
                    raise RuntimeError(f"the refill stopped at line {done}: {refill}")
                done = refill.done_lines

    def _answer(self, submit: SubmitLater, work: Work) -> Any:
        answers: Queue[Any] = Queue()
        if not submit(work, answers.put):
            raise RuntimeError("the engine takes no work")
        return answers.get(timeout=60)

    def _during(self, work: Callable[[], None]) -> list[float]:
        """Seconds that each payment took that was answered while `work` went on."""
        self._latencies = []
        work()
        return self._latencies

    def _deliver(self, batch: list[Done]) -> None:
        now = time.perf_counter()
        for done, answer in batch:
            if not isinstance(done, Timed):
                done(answer)  # a batch of the refill
                continue
            self._latencies.append(now - done.since)
            if not (isinstance(answer, Decision) and answer.approved):
                self._bad += 1
            if self._paying:
                self._engine.submit(self._requests.next(), Timed())


def _p99_ms(latencies_s: list[float]) -> float:
    return sorted(latencies_s)[int(len(latencies_s) * 0.99)] * 1000
