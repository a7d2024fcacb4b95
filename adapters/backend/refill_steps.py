"""The lines of a refill in steps, the accounts of each read before its turn in the engine comes."""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from uuid import UUID

from application.states import Ahead
from domain.aggregates.refill import STEP_LINES
from domain.refill_lines import RefillLine

_AT_ONCE, _REST_S = 10, 0.002
"""So many are read before the writer's thread has the interpreter to itself for a moment."""
ReadAhead = Callable[[Iterable[UUID]], Ahead]
"""`application.states.States.read_ahead`: for a thread of its own. Raises Unavailable."""


class Steps:
    """While one step is in the engine, the accounts of the next are read: payments wait for the
    deciding alone. A context manager; lives in the event loop."""

    def __init__(self, lines: Sequence[RefillLine], read_ahead: ReadAhead) -> None:
        self._lines, self._read_ahead = lines, read_ahead
        self._reading: dict[int, asyncio.Task[list[Ahead]]] = {}

    async def __aenter__(self) -> "Steps":
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for reading in self._reading.values():
            reading.cancel()
        await asyncio.gather(*self._reading.values(), return_exceptions=True)

    async def at(self, place: int) -> tuple[Sequence[RefillLine], list[Ahead]]:
        """The lines of the step from that line on, and their accounts. Raises Unavailable."""
        reading = self._reading.pop(place, None) or self._read(place)
        if place + STEP_LINES < len(self._lines) and not self._reading:
            self._reading[place + STEP_LINES] = self._read(place + STEP_LINES)
        return self._step(place), await reading

    def _step(self, place: int) -> Sequence[RefillLine]:
        return self._lines[place : place + STEP_LINES]

    def _read(self, place: int) -> "asyncio.Task[list[Ahead]]":
        accounts = [line.account_id for line in self._step(place)]
        return asyncio.create_task(asyncio.to_thread(self._bit_by_bit, accounts))

    def _bit_by_bit(self, accounts: list[UUID]) -> list[Ahead]:
        found = []
        for at in range(0, len(accounts), _AT_ONCE):
            found.append(self._read_ahead(accounts[at : at + _AT_ONCE]))
            time.sleep(_REST_S)
        return found
