"""Somebody who just pays while others misbehave, in a thread and session of his own."""

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from devices.identity import Device
from devices.pos.payment import Outcome
from tests.e2e.installation import until
from tests.e2e.tills import Till, Tills
from tests.e2e.town import Town

SLOW_S = 5.0
"""Nobody waits that long here, unless he was harmed."""


class Bystander:
    """`untouched` is asked after each misdeed of the others."""

    def __init__(self, town: Town) -> None:
        self._town = town
        self._till: Till | None = None
        self._losses = 0
        self._seen = 0
        self._stopping = threading.Event()
        self._fault: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="bystander", daemon=True)

    @classmethod
    @contextmanager
    def paying(cls, town: Town) -> Iterator["Bystander"]:
        """The first terminal of the town pays all the while."""
        bystander = cls(town)
        bystander._thread.start()
        try:
            yield bystander
        finally:
            bystander._stopping.set()
            bystander._thread.join(30)

    @property
    def device(self) -> Device:
        """His terminal."""
        return self._town.device()

    def untouched(self) -> None:
        """He was answered since the last time, always with a decision, in one session, soon."""
        before = len(self._outcomes())
        until(lambda: len(self._outcomes()) > before or self._fault, "the bystander pays", SLOW_S)
        assert self._fault is None, self._fault
        outcomes = self._outcomes()
        undecided = [outcome for outcome in outcomes[self._seen :] if not outcome.decided]
        assert not undecided, undecided
        assert self._losses == 0, "he lost his connection"
        self._seen = len(outcomes)

    def _outcomes(self) -> list[Outcome]:
        return list(self._till.outcomes) if self._till else []

    def _run(self) -> None:
        try:
            asyncio.run(self._pay())
        except BaseException as error:
            self._fault = error

    async def _pay(self) -> None:
        async with Tills.opened(self._town) as tills:
            (till,) = tills.tills
            changed = till.pos.link.on_change

            def noticed(up: bool) -> None:
                self._losses += not up
                changed(up)

            till.pos.link.on_change = noticed
            self._till = till
            while not self._stopping.is_set():
                asked_s = time.monotonic()
                await till.pay(1)
                assert time.monotonic() - asked_s < SLOW_S, "he waited too long"
            till.pos.link.on_change = changed
