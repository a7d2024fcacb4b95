"""POS programs that pay without end, and remember every answer that they showed."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Self

from devices.pos.core import Pos
from devices.pos.payment import Outcome
from tests.e2e.town import Card, Town

PATIENCE_S = 30.0
PIN_FREE_CENTS = 2_500
_PAUSE_S = 0.1


@dataclass
class Till:
    """One POS and what it showed. A payment that was never sent has no counter."""

    pos: Pos
    card: Card
    outcomes: list[Outcome] = field(default_factory=list)

    @property
    def approved(self) -> int:
        """How many payments were answered with yes."""
        return sum(outcome.approved for outcome in self.outcomes)

    @property
    def sent(self) -> list[Outcome]:
        """The payments that left the box."""
        return [outcome for outcome in self.outcomes if outcome.counter]

    @property
    def codes(self) -> list[str]:
        """The answers, as codes."""
        return [outcome.code for outcome in self.outcomes]

    async def pay(self, amount_cents: int = 7, *, pin: bool = False) -> Outcome:
        """One payment."""
        typed = self.card.pin if pin else ""
        outcome = await self.pos.sale(amount_cents, self.card.track, typed)
        self.outcomes.append(outcome)
        return outcome

    async def pay_on(self) -> None:
        """Until cancelled; every tenth payment is one that must be refused for want of a PIN."""
        for number in itertools.count(1):
            refused = number % 10 == 0
            outcome = await self.pay(PIN_FREE_CENTS + 1 if refused else 1 + number % 9)
            if not outcome.decided:
                await asyncio.sleep(_PAUSE_S)

    async def pay_until_approved(self, within_s: float = PATIENCE_S, *, pin: bool = False) -> None:
        """Until the service is back."""
        async with asyncio.timeout(within_s):
            while not (await self.pay(pin=pin)).approved:  # noqa: ASYNC110 nothing to wait on
                await asyncio.sleep(_PAUSE_S)


class Tills:
    """All tills of a test, in one event loop."""

    def __init__(self, tills: Sequence[Till]) -> None:
        self.tills = tills
        self._paying: list[asyncio.Task[None]] = []

    @classmethod
    @contextlib.asynccontextmanager
    async def opened(cls, town: Town, decision_timeout_s: float = 8.0) -> AsyncIterator[Self]:
        """Every terminal of the town switched on, the cards dealt out in turn."""
        async with AsyncExitStack() as stack:
            cards = itertools.cycle(town.cards)
            tills = []
            for number in range(len(town.terminals)):
                pos = await stack.enter_async_context(
                    Pos(town.device(number), decision_timeout_s=decision_timeout_s)
                )
                await pos.connected(PATIENCE_S)
                tills.append(Till(pos, next(cards)))
            yield cls(tills)

    @contextlib.asynccontextmanager
    async def paying(self) -> AsyncIterator[None]:
        """All of them pay as fast as they are answered."""
        tasks = [asyncio.create_task(till.pay_on()) for till in self.tills]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            ends = await asyncio.gather(*tasks, return_exceptions=True)
        faults = [each for each in ends if not isinstance(each, asyncio.CancelledError)]
        assert not faults, faults

    async def approvals(self, more: int, within_s: float = PATIENCE_S) -> None:
        """Until each of them heard yes so many times more."""
        wanted = [till.approved + more for till in self.tills]
        pairs = list(zip(self.tills, wanted, strict=True))
        await _eventually(lambda: all(till.approved >= n for till, n in pairs), within_s)

    async def refusals_to_decide(self, more: int, within_s: float = PATIENCE_S) -> None:
        """Until each of them was told 91 that many times in a row."""
        told = ["91"] * more
        await _eventually(lambda: all(each.codes[-more:] == told for each in self.tills), within_s)

    async def settled(self) -> None:
        """Until nothing is left to reverse."""
        for till in self.tills:
            assert await till.pos.reversals.finished(PATIENCE_S), "a reversal did not get through"


async def _eventually(true: Callable[[], bool], within_s: float) -> None:
    async with asyncio.timeout(within_s):
        while not true():  # noqa: ASYNC110 nothing to wait on: it looks from outside
            await asyncio.sleep(_PAUSE_S)
