"""A load of authorizations as cheap for the processor as it can be honestly made: the benchmark's.

Closed loop: each connection has one authorization outstanding, really signed, over real TLS and a
session of its own. No reversals, no journal per payment: it is no POS. `python -m devices.load`
reads one plan a line as JSON from standard input and answers with one JSON line each.
"""

import asyncio
import contextlib
import gc
import itertools
import json
import math
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from devices.durable import FolderLock, InUse
from devices.identity import Device, IdentityError, load_device
from devices.load_connection import (
    CardConnection,
    Connection,
    Terminal,
    TerminalConnection,
)
from devices.magstripe import StripeError, read_stripe
from devices.personalisation import load_card
from devices.pos.journal import Journal

_T = TypeVar("_T")
_COUNTERS = 1 << 24  # reserved per run and terminal, so that no payment waits for a disk here
_HANDSHAKES_AT_ONCE = 16
_CONNECT_TIMEOUT_S = 60.0
_RETRY_S = 0.2
_LAST_ANSWER_S = 10.0


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """What to send. `terminals` and `cards` are identity folders, used in turn.

    With `pin` each payment carries that PIN; with `cards` each is a phone's, signed twice, and
    `tracks` is not used. So many payments with stripes, of all connections together, are `prepared`
    (made and signed) before the time is taken: devices do that on processors of their own.
    `keep_answers` records every answer, `reconnect` goes on after a loss.
    """

    terminals: Sequence[str]
    connections: int
    seconds: float
    tracks: Sequence[str] = field(default=(), repr=False)
    cards: Sequence[str] = ()
    pin: str = field(default="", repr=False)
    amount_cents: int = 1
    warm_up_s: float = 0.5
    prepared: int = 0
    keep_answers: bool = False
    reconnect: bool = False


@dataclass(slots=True)
class LoadResult:
    """What was heard after the warm-up. Latencies in milliseconds, from write to opened answer."""

    seconds: float = 0.0
    connections: int = 0
    answered: int = 0
    approved: int = 0
    per_s: float = 0.0
    codes: dict[str, int] = field(default_factory=dict)
    errors: dict[str, int] = field(default_factory=dict)
    lost_connections: int = 0
    p50_ms: float = math.nan
    p95_ms: float = math.nan
    p99_ms: float = math.nan
    max_ms: float = math.nan
    generator_cpu_us: float = math.nan
    answers: list[dict[str, Any]] = field(default_factory=list)

    def body(self) -> dict[str, Any]:
        """For JSON: NaN becomes null."""
        values = {name: getattr(self, name) for name in self.__slots__}
        return {
            name: None if isinstance(value, float) and math.isnan(value) else value
            for name, value in values.items()
        }


class LoadError(Exception):
    """The load could not start; the message says why."""


async def run_load(plan: LoadPlan) -> LoadResult:
    """Connects everything, sends for `warm_up_s` + `seconds`, closes everything.

    Raises LoadError, IdentityError, InUse, StripeError.
    """
    with ExitStack() as stack:
        terminals = [_terminal(stack, Path(folder)) for folder in plan.terminals]
        cards = [_device(stack, Path(folder), "card") for folder in plan.cards]
        tracks = [read_stripe(text) for text in plan.tracks]
        if not terminals or not (tracks or cards):
            raise LoadError("a load needs terminals, and tracks or cards")
        phones = [CardConnection(device, load_card(device)) for device in cards]
        lines = [
            TerminalConnection(
                terminals[number % len(terminals)],
                tracks=_own(tracks, number, plan.connections),
                phones=_own(phones, number, plan.connections),
                pin=plan.pin,
                amount_cents=plan.amount_cents,
                keep_answers=plan.keep_answers,
            )
            for number in range(plan.connections)
        ]
        return await _measure(plan, lines, phones)


async def _measure(
    plan: LoadPlan, lines: list[TerminalConnection], phones: list[CardConnection]
) -> LoadResult:
    everything: list[Connection] = [*phones, *lines]
    try:
        await _connect_all(everything)
        for line in lines:
            line.prepare(plan.prepared // len(lines))
        kept_up = [asyncio.create_task(_keep_up(each)) for each in everything if plan.reconnect]
        for line in lines:
            line.start()
        await asyncio.sleep(plan.warm_up_s)
        for line in lines:
            line.forget()
        cpu_s, began_s = time.process_time(), time.perf_counter()
        await asyncio.sleep(plan.seconds)
        elapsed_s = time.perf_counter() - began_s
        cpu_s = time.process_time() - cpu_s
        result = _sum_up(lines, elapsed_s, cpu_s)
        for task in kept_up:
            task.cancel()
        await _last_answers(lines)
        if plan.keep_answers:
            result.answers = [answer for line in lines for answer in line.answers]
        return result
    finally:
        for each in everything:
            each.close()
        await asyncio.sleep(0)


def _terminal(stack: ExitStack, folder: Path) -> Terminal:
    device = _device(stack, folder, "pos")
    first = Journal(folder, device.keystore).reserve(_COUNTERS)
    return Terminal(device, itertools.count(first))


def _device(stack: ExitStack, folder: Path, role: str) -> Device:
    device = load_device(folder, role)
    stack.enter_context(FolderLock(folder))
    return device


def _own(everything: list[_T], number: int, parts: int) -> Iterator[_T] | None:
    """This connection's share, for ever in turn; all share where there are too few."""
    share = everything[number::parts] or everything[number % max(1, len(everything)) :][:1]
    return itertools.cycle(share) if share else None


async def _connect_all(everything: Sequence[Connection]) -> None:
    room = asyncio.Semaphore(_HANDSHAKES_AT_ONCE)

    async def connect(one: Connection) -> None:
        async with room:
            await one.connect()

    try:
        async with asyncio.timeout(_CONNECT_TIMEOUT_S):
            await asyncio.gather(*(connect(each) for each in everything))
    except (OSError, TimeoutError) as error:
        raise LoadError(f"not all connections came up: {error}") from None


async def _keep_up(one: Connection) -> None:
    """Connects again whenever the connection is lost, and goes on sending."""
    while True:
        await one.lost()
        with contextlib.suppress(OSError, TimeoutError):
            await asyncio.sleep(_RETRY_S)
            await one.connect()
            one.start()


async def _last_answers(lines: list[TerminalConnection]) -> None:
    """No more questions; the answers that are under way are still heard."""
    for line in lines:
        line.stop()
    until_s = time.perf_counter() + _LAST_ANSWER_S
    for line in lines:
        while line.waiting and time.perf_counter() < until_s:  # noqa: ASYNC110 cheaper on the hot path
            await asyncio.sleep(0.01)


def _sum_up(lines: list[TerminalConnection], elapsed_s: float, cpu_s: float) -> LoadResult:
    codes: Counter[str] = Counter()
    errors: Counter[str] = Counter()
    latencies: list[float] = []
    for line in lines:
        codes.update(line.codes)
        errors.update(line.errors)
        latencies += line.latencies_s
    latencies.sort()
    answered = len(latencies)

    def at(share: float) -> float:
        return latencies[min(answered - 1, int(answered * share))] * 1000 if answered else math.nan

    return LoadResult(
        seconds=elapsed_s,
        connections=len(lines),
        answered=answered,
        approved=codes["00"],
        per_s=answered / elapsed_s,
        codes=dict(codes),
        errors=dict(errors),
        lost_connections=sum(line.losses for line in lines),
        p50_ms=at(0.50),
        p95_ms=at(0.95),
        p99_ms=at(0.99),
        max_ms=at(1.0),
        generator_cpu_us=cpu_s / answered * 1e6 if answered else math.nan,
    )


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:  # a comfort, not a need
        return None
    return uvloop.new_event_loop


def main() -> None:
    """Runs the plans of standard input, one JSON object a line."""
    gc.freeze()
    for line in sys.stdin:
        try:
            plan = LoadPlan(**json.loads(line))
            with asyncio.Runner(loop_factory=_loop_factory()) as runner:
                answer = runner.run(run_load(plan)).body()
        except (LoadError, IdentityError, InUse, StripeError, TypeError, ValueError) as error:
            answer = {"error": str(error)}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
