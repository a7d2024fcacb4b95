"""How commands get done: through the engine, and before it in the HSM's lane where they need it.

What is made in the HSM cannot be taken back, so it is made only for a command whose id is new.
"""

import asyncio
import contextlib
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar, cast
from uuid import UUID

from adapters.backend.operator_ports import Denied, Submit, Surroundings
from application.command import Command, Refused, Used
from application.work import IN_DOUBT, Failed, Work
from domain.ids import PARTITIONS
from protocol.errors import BUSY, INTERNAL, TEXTS, UNAVAILABLE

DEADLINE_US = 10_000_000
Answer = dict[str, Any]
_T = TypeVar("_T")


class CarryingOut:
    """For the event loop. Methods raise Denied for a refusal, and what a job raises."""

    def __init__(self, surroundings: Surroundings) -> None:
        self._outside = surroundings
        self._acting: dict[UUID, asyncio.Lock] = {}
        self._users: Counter[UUID] = Counter()

    def now_us(self) -> int:
        """The backend's time."""
        return self._outside.clock.now_us()

    def deadline_us(self) -> int:
        """Until when the engine may begin a command that is given now."""
        return self._outside.clock.now_us() + DEADLINE_US

    async def carry_out(self, command: Command) -> Answer:
        """The engine's answer to a command, once it is stored."""
        return cast(Answer, await self.through_engine(command))

    async def through_engine(self, work: Work) -> Any:
        """The engine's answer to any work."""
        return await self._answer(self._outside.submit, work)

    async def later(self, work: Work) -> Any:
        """The same, of a work that payments do not wait for."""
        return await self._answer(self._outside.submit_later, work)

    async def _answer(self, submit: Submit, work: Work) -> Any:
        waiting: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if not submit(work, lambda answer: _settle(waiting, answer)):
            raise Denied(BUSY, TEXTS[BUSY])
        answer = await waiting
        if isinstance(answer, Refused):
            raise Denied(answer.code, answer.text)
        if isinstance(answer, Failed):
            raise _not_decided(answer)
        return answer

    @contextlib.asynccontextmanager
    async def alone(self, command_id: UUID) -> AsyncIterator[None]:
        """Nobody else acts under that command id within the block.

        So what `used` says holds until the engine has answered: we are the shard's one writer.
        """
        self._users[command_id] += 1
        try:
            async with self._acting.setdefault(command_id, asyncio.Lock()):
                yield
        finally:
            self._users[command_id] -= 1
            if not self._users[command_id]:
                del self._users[command_id], self._acting[command_id]

    async def used(self, command_id: UUID) -> bool:
        """Whether something is stored under that id. Then nothing may be done for it outside of the
        engine: it may be another command, and only the engine's answer says which."""
        return bool(await self.through_engine(Used(command_id, self.deadline_us())))

    async def in_lane(self, job: Callable[[], _T]) -> _T:
        """What `job` returns or raises in the HSM's lane."""
        waiting: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if not self._outside.lane.submit(job, lambda result: _settle(waiting, result)):
            raise Denied(BUSY, TEXTS[BUSY])
        result = await waiting
        if isinstance(result, Exception):
            raise result
        return cast(_T, result)


def any_partition() -> int:
    """Where something new lives that belongs to nothing older."""
    return secrets.randbelow(PARTITIONS)


def _settle(waiting: "asyncio.Future[Any]", result: Any) -> None:
    if not waiting.done():
        waiting.set_result(result)


def _not_decided(failed: Failed) -> Denied:
    if failed == IN_DOUBT:
        text = "It is not known whether this was stored. Give the same command again to find out."
        return Denied("in-doubt", text)
    if failed.code == "91":
        return Denied(UNAVAILABLE, "The ledger is not available now. Nothing was stored.")
    return Denied(INTERNAL, TEXTS[INTERNAL])
