"""One throw-away authority per test, and a way to run a coroutine as a test."""

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from tests.unit.devices.authority import Authority


async def until(condition: Callable[[], object]) -> None:
    """Returns when the condition holds."""
    while not condition():  # noqa: ASYNC110 nothing to wait on: it looks from outside
        await asyncio.sleep(0.01)


Run = Callable[[Coroutine[Any, Any, None]], None]


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def run() -> Run:
    def run(scenario: Coroutine[Any, Any, None]) -> None:
        async def limited() -> None:
            async with asyncio.timeout(20):
                await scenario

        asyncio.run(limited())

    return run
