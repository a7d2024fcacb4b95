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
    """Notes what was read; `fails_at` what begins with that number."""

    def __init__(self, fails_at: int = -1) -> None:
        self.read: list[int] = []
        self._fails_at = fails_at
        self._lock = threading.Lock()

    def __call__(self, ids: Iterable[UUID]) -> Ahead:
        numbers = [id.int for id in ids]
        assert len(numbers) <= 10, "the writer's thread waits for that long"
        with self._lock:
            self.read += numbers
        if numbers[0] == self._fails_at:
            raise Unavailable("the ledger database")
        return Ahead(0, numbers)


def test_each_step_is_read_once_and_one_ahead() -> None:
    reader = Reader()

    async def go() -> None:
        async with Steps(LINES, reader) as steps:
            for place in range(0, len(LINES), STEP_LINES):
                lines, ahead = await steps.at(place)
                assert lines == LINES[place : place + STEP_LINES]
                read = [number for each in ahead for number in each.states]
                assert read == [line.account_id.int for line in lines]
                await asyncio.sleep(0.2)
                assert max(reader.read) == min(place + 2 * STEP_LINES, len(LINES)) - 1

    asyncio.run(go())
    assert sorted(reader.read) == list(range(len(LINES)))


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
