"""Since when each generation of a key is in use, as far as the ledger can tell it now."""

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any, Final

from adapters.backend.carrying_out import CarryingOut
from adapters.backend.operator_ports import Denied, Rows
from adapters.hsm.generations import FIRST
from application.ports import Unavailable
from application.read import Read
from application.states import States
from domain.aggregates.key import Key, key_id

_WAIT_S: Final = 1.0
_TOGETHER: Final = {"K_PVV2": "K_PVV"}
"""Rotated with another key, whose record is that of both."""


async def dated(rows: Rows, works: CarryingOut) -> Rows:
    """The rows, of later generations with `since_ms`; as they were where the ledger is silent."""
    names = sorted({_recorded(row) for row in rows if row.get("generation", FIRST) > FIRST})
    if not names:
        return rows

    def look(states: States, _: int) -> Mapping[tuple[str, int], int]:
        keys = [key for name in names if (key := states.get(key_id(name), Key)) is not None]
        return {(key.name, number): us // 1000 for key in keys for number, us in key.since}

    found: Mapping[tuple[str, int], int] = {}
    with contextlib.suppress(TimeoutError, Denied, Unavailable):
        async with asyncio.timeout(_WAIT_S):
            found = await works.through_engine(Read(key_id(names[0]), look, works.deadline_us()))
    return [
        {**row, "since_ms": since}
        if (since := found.get((_recorded(row), row.get("generation", FIRST)))) is not None
        else row
        for row in rows
    ]


def _recorded(row: Mapping[str, Any]) -> str:
    name = str(row["key"])
    return _TOGETHER.get(name, name)
