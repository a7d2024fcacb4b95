"""Puts on record what generations are in use in the HSM although no event says so.

A rotation makes the key, takes it into use and is recorded, in this order, for a record of a key
that is not there would be worse. Killed in between, or told too late that the HSM has done it, the
record is missing. Each start looks, and every ten seconds a look follows.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Final
from uuid import UUID

from adapters.backend.carrying_out import CarryingOut
from adapters.backend.operator_ports import Denied, InUse
from application.command import Command, Origin
from application.record_certificate import RecordCertificate
from application.rotate_key import RotateKey
from domain.aggregates.key import RECORDED
from domain.ids import derived_id

log = logging.getLogger(__name__)
ACTOR: Final = "system:rotation"
WHY: Final = "found in the HSM; the command that made it left no record"
LOOK_EVERY_S: Final = 10.0
_NOBODY: Final = UUID(int=0)


class FoundGenerations:
    """A part of the backend. `find` tells the generations in use, from memory and files.

    `turn` is that of the rotations: what one of them is making now is recorded by itself.
    """

    def __init__(
        self,
        works: CarryingOut,
        turn: asyncio.Lock,
        issuer_id: UUID,
        find: Callable[[], Sequence[InUse]],
    ) -> None:
        self._works, self._turn = works, turn
        self._issuer_id, self._find = issuer_id, find
        self._recorded: set[tuple[str, int]] = set()
        self._task: asyncio.Task[None] | None = None
        self.unrecorded: list[str] = []
        """In use, and not on record as of the last look, as `K_PVV/2`."""

    def start(self) -> None:
        """Begins to look. For the event loop."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    def stop(self) -> None:
        """Looks no more. From any thread."""
        if self._task is not None:
            self._task.get_loop().call_soon_threadsafe(self._task.cancel)

    async def _run(self) -> None:
        while True:
            try:
                async with self._turn:
                    await self.look()
            except Exception:
                log.exception("generations of keys are held against the ledger later")
            await asyncio.sleep(LOOK_EVERY_S)

    async def look(self) -> None:
        """Records what is missing; what cannot be recorded now is in `unrecorded`."""
        left = []
        for each in self._find():
            known = (each.name, each.generation)
            if each.generation == 1 or known in self._recorded:
                continue
            try:
                await self._record(each)
                self._recorded.add(known)
            except Denied as denied:
                left.append(f"{each.name}/{each.generation}")
                log.warning("%s/%d is not on record yet: %s", *known, denied.code)
        self.unrecorded = left

    async def _record(self, found: InUse) -> None:
        if found.rotated:
            for generation in range(2, found.generation + 1):
                if await self._is_new(self._rotated(found.name, generation)):
                    log.warning("%s/%d was not on record: it is now", found.name, generation)
        if found.certificate is not None:
            subject_id, certificate = found.certificate
            name = f"certificate-found:{certificate.serial}"
            origin, deadline_us = self._origin(name), self._works.deadline_us()
            await self._works.carry_out(
                RecordCertificate(
                    origin, deadline_us, subject_id=subject_id, certificate=certificate
                )
            )

    async def _is_new(self, command: Command) -> bool:
        try:
            answer = await self._works.carry_out(command)
        except Denied as denied:
            if denied.code != RECORDED:
                raise
            return False
        return not answer.get("repeated")

    def _rotated(self, name: str, generation: int) -> RotateKey:
        return RotateKey(
            self._origin(f"key-found:{name}/{generation}"),
            self._works.deadline_us(),
            name=name,
            generation=generation,
            why=WHY,
        )

    def _origin(self, what: str) -> Origin:
        """The id is the same at every start, so that the command is carried out once."""
        return Origin(
            command_id=derived_id(what, _NOBODY, 0, 0),
            issued_ms=self._works.now_us() // 1000,
            actor=ACTOR,
            issuer_id=self._issuer_id,
        )
