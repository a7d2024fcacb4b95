"""What is measured, in which order, into which key."""

import sys
import time
from pathlib import Path

from adapters import hsm_choice
from script.benchmark.engine import EngineRate, Requests, bare_insert_per_second
from script.benchmark.hsm import HsmRates, handshakes_per_second
from script.benchmark.installation import Installation
from script.benchmark.ledger import Ledger
from script.benchmark.population import PHONES, Populate, Population
from script.benchmark.rebuild import rebuild_per_second
from script.benchmark.refill import LargeRefill
from script.benchmark.refill_wire import RefillOnTheWire
from script.benchmark.tpcb import TpcB
from script.benchmark.wire import WARM_UP_S, Wire

Figures = dict[str, float]
FULL_EVENTS = 1_000_000
ACCOUNTS = 100_000
"""As many as a refill can have lines."""
NETWORK_HSM_MS = (0, 1, 5)
"""Simulated delays of each call; without any the software token as it is, to compare with."""
NETWORK_HSM_THREADS = hsm_choice.PROVIDERS[hsm_choice.NETWORK].threads


def tell(text: str) -> None:
    """Progress, on standard error: the table alone goes to standard output."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)
    else:
        print(text, file=sys.stderr, flush=True)


class Measuring:
    """One run. `seconds` is how long each figure is taken."""

    def __init__(self, home: Path, *, quick: bool) -> None:
        self.quick = quick
        self.seconds = 2 if quick else 8
        self.figures: Figures = {}
        self._begin = time.monotonic()
        tell("setting up an installation of its own")
        self.installation = Installation(home)
        self.installation.start_database()

    def note(self, key: str, value: float) -> None:
        """Keeps a figure and says so."""
        self.figures[key] = value
        tell(f"[{time.monotonic() - self._begin:5.0f} s] {key:24} {value:>12,.1f}")

    def tpcb(self) -> None:
        """TPC-B before anything else is in the database."""
        tpcb = TpcB(self.installation.cluster)
        for clients in (8, 32):
            self.note(
                f"tpcb_{clients}", tpcb.per_second(clients, self.seconds + (1 if self.quick else 2))
            )
        tpcb.drop()

    def populate(self) -> Population:
        """Accounts, cards and terminals."""
        # The first start signs the empty log; one that held events before would be refused.
        self.installation.start_servers()
        self.installation.stop_servers()
        ledger = Ledger(self.installation.settings)
        made = 4_000 if self.quick else ACCOUNTS - PHONES
        population = Populate(ledger).all(cards_made=made, terminals_made=200, tell=tell)
        ledger.close()
        return population

    def engine(self, population: Population) -> None:
        """The engine alone, and the bare insert as its limit."""
        ledger = Ledger(self.installation.settings)
        requests = Requests(ledger, population)
        batches = 20 if self.quick else 100
        self.note("bare_insert_256", bare_insert_per_second(ledger, requests, batches))
        rate = EngineRate(ledger, requests)
        for outstanding in (1, 16, 64, 256):
            self.note(f"engine_{outstanding}", rate.per_second(outstanding, self.seconds))
        ledger.close()

    def refill(self, population: Population) -> None:
        """A refill of every account, with 64 payments always in the engine meanwhile."""
        ledger = Ledger(self.installation.settings)
        felt = LargeRefill(ledger, population).measure(self.seconds)
        lines = len(population.accounts)
        self.note("refill_lines_per_s", lines / felt.refill_s)
        if not self.quick:
            self.note("refill_100k_s", felt.refill_s)
        self.note("engine_64_p99_ms", felt.usual_p99_ms)
        self.note("refill_engine_64_p99_ms", felt.meanwhile_p99_ms)
        ledger.close()

    def wire(self, population: Population) -> None:
        """The whole path, and what it costs in processor time and memory."""
        self.installation.start_servers()
        wire = Wire(population)
        self.note("wire_new_64", wire.load(64, self.seconds, "new")["per_s"])
        wire.load(64, self.seconds)  # from here on with stripes that the backend knows
        for connections in (1, 16, 64, 200):
            with self.installation.processor_time() as used:
                result = wire.load(connections, self.seconds)
            self.note(f"wire_{connections}", result["per_s"])
            if connections == 64:
                for share in ("p50", "p95", "p99"):
                    self.note(f"wire_64_{share}_ms", result[f"{share}_ms"])
                # The warm-up is in the servers' time too, so it is shared by all it answered.
                answered = result["answered"] * (1 + WARM_UP_S / self.seconds)
                for name in ("gateway", "backend", "postgres"):
                    self.note(f"wire_cpu_us_{name}", used[name] / answered * 1e6)
                self.note("wire_cpu_us_generator", result["generator_cpu_us"])
        self.note("wire_pin_64", wire.load(64, self.seconds, "pin")["per_s"])
        self.note("wire_two_signatures_64", wire.load(64, self.seconds, "phone")["per_s"])
        for name in ("backend", "gateway"):
            self.note(f"{name}_rss_mb", self.installation.memory_mb(name))
        if not self.quick:
            felt = RefillOnTheWire(self.installation, population, wire).measure(self.seconds)
            self.note("refill_usual_64_p99_ms", felt.usual_p99_ms)
            self.note("refill_wire_64_p99_ms", felt.meanwhile_p99_ms)
            self.note("refill_wire_lines_per_s", felt.lines_per_s)
        wire.close()
        self.installation.stop_servers()

    def hsm(self, population: Population) -> None:
        """Calls to the HSM, what is made with them, and payments with an HSM over a network."""
        ledger = Ledger(self.installation.settings)
        rates = HsmRates(ledger.hsm, hsm_choice.threads(self.installation.settings))
        for name, cost_us in rates.costs_us(self.seconds / 3).items():
            self.note(f"hsm_cost_us_{name}", cost_us)
        seconds = self.seconds / 4
        self.note("pin_per_s", rates.pins_per_second(seconds))
        self.note("certificates_per_s", rates.certificates_per_second(seconds))
        self.note("ocsp_per_s", rates.ocsp_per_second(seconds))
        ledger.hsm.token.close()
        ledger.close()
        if self.quick:
            return  # the simulated network alone takes longer than all the rest
        wire = Wire(population)
        for delay_ms in NETWORK_HSM_MS:
            network = {"HSM_SIMULATED_DELAY_MS": delay_ms, "HSM_THREADS": NETWORK_HSM_THREADS}
            self.installation.start_servers(network if delay_ms else {})
            if delay_ms == 0:
                rate = handshakes_per_second(population.terminals, self.seconds)
                self.note("handshakes_per_s", rate)
            # First with stripes that the backend never saw, two calls each, and then, as
            # `wire_64` is measured, with stripes that it knows.
            new = wire.load(64, self.seconds, "new")["per_s"]
            self.note(f"wire_new_64_hsm_{delay_ms}ms", new)
            wire.load(64, self.seconds)
            self.note(f"wire_64_hsm_{delay_ms}ms", wire.load(64, self.seconds)["per_s"])
            pins = wire.load(64, self.seconds, "pin")["per_s"]
            self.note(f"wire_pin_64_hsm_{delay_ms}ms", pins)
            self.installation.stop_servers()
        wire.close()

    def rebuild(self) -> None:
        """All projections from the whole log."""
        ledger = Ledger(self.installation.settings)
        tell(f"rebuilding from {ledger.log.recorder.position:,} events")
        self.note("rebuild", rebuild_per_second(ledger))
        ledger.close()

    def full(self, population: Population) -> None:
        """The engine again once a million events are in the log."""
        ledger = Ledger(self.installation.settings)
        requests = Requests(ledger, population)
        rate = EngineRate(ledger, requests)
        while ledger.log.recorder.position < FULL_EVENTS:
            rate.per_second(256, 5)
            ledger.take_back()
            tell(f"filling the ledger: {ledger.log.recorder.position:,} events")
        self.note("engine_256_full", rate.per_second(256, self.seconds))
        ledger.close()


def measure(home: Path, *, quick: bool, only: set[str] | None) -> Figures:
    """All figures of one run."""

    def wanted(group: str) -> bool:
        return only is None or group in only

    run = Measuring(home, quick=quick)
    try:
        if wanted("tpcb"):
            run.tpcb()
        population = run.populate()
        # The backend first reads what was written without it: before the engine fills the log.
        if wanted("wire"):
            run.wire(population)
        if wanted("engine"):
            run.engine(population)
        if wanted("refill"):
            run.refill(population)
        if wanted("hsm"):
            run.hsm(population)
        if wanted("full") and not quick:
            run.full(population)
        if wanted("rebuild"):
            run.rebuild()
    finally:
        run.installation.stop()
    return run.figures
