"""The accounts of the next step are read while this one is in the engine."""

import asyncio
import threading
from collections.abc import Iterable
from uuid import UUID

import pytest

from adapters.backend.refill_steps import Steps
from application.ports import Unavailable
from application.states import Ahead
from domain.aggregates.refill import STEP_LINES
from domain.refill_lines import RefillLine

LINES = [
    RefillLine(account_id=UUID(int=number), amount_cents=100)
    for number in range(2 * STEP_LINES + 10)
]


class Reader:
    """Notes what was read, in steps; `fails_at` the step of that number."""

    def __init__(self, fails_at: int = -1) -> None:
        self.read: list[int] = []
        self._fails_at = fails_at
        self._lock = threading.Lock()

    def __call__(self, ids: Iterable[UUID]) -> Ahead:
        (first, *_) = ids
        with self._lock:
            self.read.append(first.int)
        if first.int == self._fails_at:
            raise Unavailable("the ledger database")
        return Ahead(first.int, [])


def test_each_step_is_read_once_and_one_ahead() -> None:
    reader = Reader()

    async def go() -> None:
        async with Steps(LINES, reader) as steps:
            for place in range(0, len(LINES), STEP_LINES):
                lines, ahead = await steps.at(place)
                assert lines == LINES[place : place + STEP_LINES]
                assert ahead.turns == place
                await asyncio.sleep(0.05)
                assert max(reader.read) == min(place + STEP_LINES, 2 * STEP_LINES)

    asyncio.run(go())
    assert sorted(reader.read) == [0, STEP_LINES, 2 * STEP_LINES]


def test_a_step_that_cannot_be_read_fails_when_its_turn_comes() -> None:
    async def go() -> None:
        async with Steps(LINES, Reader(fails_at=STEP_LINES)) as steps:
            await steps.at(0)
            with pytest.raises(Unavailable):
                await steps.at(STEP_LINES)

    asyncio.run(go())


def test_steps_that_are_not_gone_on_with_leave_nothing_behind() -> None:
    async def go() -> int:
        async with Steps(LINES, Reader(fails_at=STEP_LINES)) as steps:
            await steps.at(0)
        return len(asyncio.all_tasks())

    assert asyncio.run(go()) == 1
