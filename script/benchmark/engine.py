"""The engine alone: decide, seal, commit, with a number of requests always outstanding."""

import itertools
import random
import threading
import time
from collections import deque
from collections.abc import Iterator
from uuid import UUID

from application.authorize import Ask, Authorize, Decision
from application.ports import Row
from application.work import Done, Needs
from domain.aggregates.transaction import Signed
from script.benchmark.ledger import Ledger
from script.benchmark.population import Population

# As long as a real contract with its signature: what is stored costs by its length.
_CONTRACT = b"x" * 480
_SIGNATURE = "s" * 170
_CURRENT_US = 120_000_000
"""How long a request can wait to be used: less than the five minutes a clock may be off."""
_MOST_PER_SECOND = 25_000
"""Requests prepared for each second of measuring; beyond that they are made on the way."""


class Requests:
    """Payments of $1.00 over random cards; a new name each."""

    def __init__(self, ledger: Ledger, population: Population) -> None:
        self._clock = ledger.clock
        self._population = population
        self._issuer = population.company
        self._counter = time.time_ns() // 1_000
        self._actor = f"pos:{population.terminal_ids[0]}:1f2e3d"
        self._prepared: deque[Authorize] = deque()

    def prepare(self, number: int) -> None:
        """Makes requests in advance: in the backend too they are made outside the engine."""
        self._prepared = deque(self._make() for _ in range(number))

    def next(self) -> Authorize:
        """A request with a random card, the next one that was prepared."""
        return self._prepared.popleft() if self._prepared else self._make()

    def _make(self, digest: bytes | None = None) -> Authorize:
        self._counter += 1
        now_us = self._clock.now_us()
        population = self._population
        terminal: UUID = population.terminal_ids[0]
        ask = Ask(
            terminal_id=terminal,
            shop_id=population.shop,
            counter=self._counter,
            ms=now_us // 1000,
            amount_cents=100,
            expires_us=now_us + _CURRENT_US,
            of_this_session=True,
            card_digest=digest or random.choice(population.digests),
            masked_pan="984000******1234",
            stripe_genuine=True,
            pin_references=None,
            consent_valid=None,
            consent_card_id=None,
            signed=Signed(contract=_CONTRACT, contract_hash=b"h" * 32, signature=_SIGNATURE),
            actor=self._actor,
            issuer_id=self._issuer,
        )
        return Authorize(ask, now_us + _CURRENT_US)

    def every_card(self) -> Iterator[Authorize]:
        """One request for each card."""
        return (self._make(digest) for digest in self._population.digests)


class EngineRate:
    """Keeps `outstanding` requests in the engine for some seconds."""

    def __init__(self, ledger: Ledger, requests: Requests) -> None:
        self._ledger = ledger
        self._requests = requests

    def per_second(self, outstanding: int, seconds: float) -> float:
        """Answers per second, each durable before it was given. Raises where one is no approval."""
        self._outstanding = self._left = outstanding
        self._done, self._bad, self._stop = 0, 0, False
        self._finished = threading.Event()
        self._engine = self._ledger.engine(self._deliver)
        self._engine.start()
        while not self._engine.available:
            time.sleep(0.01)
        self._use_every_card_once()
        self._requests.prepare(int(seconds * _MOST_PER_SECOND))
        for _ in range(outstanding):
            self._submit()
        time.sleep(0.3)
        begin, before = time.perf_counter(), self._done
        time.sleep(seconds)
        done, took = self._done - before, time.perf_counter() - begin
        self._stop = True
        self._finished.wait(30)
        self._engine.stop()
        if self._bad:
            raise RuntimeError(f"{self._bad} requests were not approved")
        return done / took

    def _use_every_card_once(self) -> None:
        """What is measured is a backend with all its accounts in use, not one just started."""
        self._stop = True
        waiting = iter(self._requests.every_card())
        for batch in iter(lambda: list(itertools.islice(waiting, 2_000)), []):
            before = self._done
            for request in batch:
                self._engine.submit(request, lambda answer: None)
            while self._done < before + len(batch):
                time.sleep(0.005)
        self._left, self._stop = self._outstanding, False

    def _submit(self) -> None:
        self._engine.submit(self._requests.next(), lambda answer: None)

    def _deliver(self, batch: list[Done]) -> None:
        for _, answer in batch:
            self._done += 1
            if not (isinstance(answer, Decision) and answer.approved):
                self._bad += 1
            if not self._stop:
                self._submit()
            else:
                self._left -= 1
        if self._left <= 0:
            self._finished.set()


def bare_insert_per_second(ledger: Ledger, requests: Requests, batches: int) -> float:
    """The limit: the sealed rows of 256 authorizations a commit, made before, only stored.

    The same statement on the same connection as the engine's; in authorizations per second.
    """
    ledger.take_back()
    ledger.states.begin(ledger.clock.now_us())
    position = ledger.log.recorder.position
    prepared: list[list[Row]] = []
    for _ in range(batches):
        rows: list[Row] = []
        for _ in range(256):
            for event in _decided(ledger, requests):
                position += 1
                rows.append(
                    Row(position, event.originator_id, event.originator_version, event.TOPIC,
                        ledger.log.mapper.seal(event))
                )  # fmt: skip
        prepared.append(rows)
    begin = time.perf_counter()
    for rows in prepared:
        ledger.log.recorder.append(rows)
    took = time.perf_counter() - begin
    ledger.take_back()
    return batches * 256 / took


def _decided(ledger: Ledger, requests: Requests):  # type: ignore[no-untyped-def]
    states, now_us = ledger.states, ledger.clock.now_us()
    work = requests.next()
    asking = True
    while asking:
        needs = Needs()
        asking = work.needs(states, needs, now_us)
        states.load_owners(needs.owners)
        states.load(needs.ids)
        states.load_transactions(needs.transactions)
    events = work.decide(states, now_us).events
    for event in events:
        states.apply(event)
    return events
