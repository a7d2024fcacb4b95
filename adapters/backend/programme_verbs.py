"""C PROGRAMME and D REHEARSE: a company's spending rules are set, and tried on its own past."""

import asyncio
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from adapters.backend.operator_ports import Reply, Rows, Surroundings, Tried
from application import fields
from application.programme import SetProgramme
from application.programme_fields import MOST_REHEARSED_DAYS, moment, read_terms

if TYPE_CHECKING:
    from adapters.backend.operator_commands import OperatorCommands
    from adapters.backend.told import Told

TELL_EVERY_S = 0.5


async def programme(commands: "OperatorCommands", told: "Told") -> dict[str, Any]:
    """Terms from a stated time on; with `preview` only what they would change."""
    body = told.body
    return await commands.works.carry_out(
        SetProgramme(
            told.origin,
            commands.works.deadline_us(),
            company_id=fields.uuid(body, "company"),
            changes=read_terms(body),
            from_standard=fields.flag(body, "from_standard"),
            effective=moment(body),
            why=fields.text(body, "why", fields.WHY_MOST),
            preview=fields.flag(body, "preview"),
        )
    )


async def rehearsed(outside: Surroundings, body: Mapping[str, Any], reply: Reply) -> Rows:
    """The rows of a rehearsal, in a thread; meanwhile how many accounts are done."""
    tried = Tried(
        company_id=fields.uuid(body, "company"),
        days=fields.whole(body, "days", 1, MOST_REHEARSED_DAYS),
        changes=read_terms(body),
        from_standard=fields.flag(body, "from_standard"),
    )
    loop, number = asyncio.get_running_loop(), body["id"]
    next_s = time.monotonic() + TELL_EVERY_S

    def tell(done: int, of: int) -> None:
        nonlocal next_s
        if time.monotonic() >= next_s:
            next_s = time.monotonic() + TELL_EVERY_S
            told = {"re": number, "state": "working", "done": done, "of": of}
            loop.call_soon_threadsafe(reply, "I", "STATUS", told)

    def rehearse() -> Rows:
        outside.catch_up()
        return outside.rehearse(tried, tell)

    return await asyncio.to_thread(rehearse)
