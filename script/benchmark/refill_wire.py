"""A large refill on the whole path: what terminals feel of it, and how long it takes meanwhile."""

import json
import subprocess
import threading
import time
from typing import Any, NamedTuple

import psycopg

from adapters.cli.parts import program
from adapters.postgres.databases import ledger_dsn
from script.benchmark.installation import Installation
from script.benchmark.population import Population
from script.benchmark.wire import WARM_UP_S, Wire

LINES = 50_000
"""At least, in as many refills of all accounts as it takes: enough to last while it is measured."""
_CREDITED = "SELECT count(*) FROM events WHERE topic = 'account.credited/1'"
_TRIES = 60


class FeltOnTheWire(NamedTuple):
    """The 99th percentile of payments, in ms, before a refill and while it went on, and the lines
    credited a second meanwhile."""

    usual_p99_ms: float
    meanwhile_p99_ms: float
    lines_per_s: float


class RefillOnTheWire:
    """Orders refills as an operator does, and has them paid while 64 terminals pay."""

    def __init__(self, installation: Installation, population: Population, wire: Wire) -> None:
        self._installation = installation
        self._population = population
        self._wire = wire

    def measure(self, seconds: float) -> FeltOnTheWire:
        """`seconds` before, and as long meanwhile. Raises RuntimeError where an order fails."""
        usual = self._wire.load(64, seconds)
        times = -(-LINES // len(self._population.accounts))
        refills = [self._order() for _ in range(times)]
        confirming = threading.Thread(target=self._confirm, args=(refills,))
        confirming.start()
        self._until_more_than(self._credited())
        counting = _Counting(self)
        counting.start()
        meanwhile = self._wire.load(64, seconds)
        per_s = counting.per_second()
        confirming.join()
        return FeltOnTheWire(usual["p99_ms"], meanwhile["p99_ms"], per_s)

    def _order(self) -> str:
        """One for every account; retried while the list of accounts is behind."""
        company = str(self._population.company)
        for _ in range(_TRIES):
            said = _run("refill", "order", company, "--each", "0.01", "--unpaid", "--again")
            if said is not None:
                return str(said["id"])
            time.sleep(1)
        raise RuntimeError("no refill could be ordered")

    def _confirm(self, refills: list[str]) -> None:
        """One after the other: the program waits until it is credited, or for half a minute."""
        for refill in refills:
            _run("refill", "confirm", refill, "--reference", f"benchmark {refill}")

    def _until_more_than(self, credited: int) -> None:
        deadline_s = time.monotonic() + 30
        while self._credited() <= credited:
            if time.monotonic() > deadline_s:
                raise RuntimeError("no line of the refill is credited")
            time.sleep(0.05)

    def _credited(self) -> int:
        with psycopg.connect(ledger_dsn(self._installation.settings)) as connection:
            row = connection.execute(_CREDITED).fetchone()
        assert row is not None
        return int(row[0])


class _Counting(threading.Thread):
    """Counts credited lines over the load, without its warm-up."""

    def __init__(self, refill: RefillOnTheWire) -> None:
        super().__init__()
        self._refill = refill
        self._counted: list[tuple[float, int]] = []
        self._over = threading.Event()

    def run(self) -> None:
        """Every half a second, from the warm-up on."""
        self._over.wait(WARM_UP_S)
        while not self._over.wait(0.5):
            self._counted.append((time.monotonic(), self._refill._credited()))

    def per_second(self) -> float:
        """Ends; while lines were credited."""
        self._over.set()
        self.join()
        moving = [
            (before, after)
            for before, after in zip(self._counted, self._counted[1:], strict=False)
            if after[1] > before[1]
        ]
        if not moving:
            raise RuntimeError("the refill was over before it was measured")
        (begin_s, first), (end_s, last) = moving[0][0], moving[-1][1]
        return (last - first) / (end_s - begin_s)


def _run(*words: str) -> Any | None:
    """What the program printed; None where it failed."""
    done = subprocess.run([*program(), *words, "--json"], capture_output=True, text=True)
    return json.loads(done.stdout) if done.returncode == 0 else None
