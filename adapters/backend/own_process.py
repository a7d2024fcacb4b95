"""A process of the backend's own that does one kind of work: started, replaced, ended with it.

It is a module of ours, run with one end of a socket pair as its standard input. It ends when that
closes, so a backend that was killed leaves none behind. One that dies is replaced after a pause.
"""

import asyncio
import logging
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from typing import Final, Protocol, cast

log = logging.getLogger(__name__)
AGAIN_S: Final = 1.0
AGAIN_MOST_S: Final = 30.0
_STOP_S: Final = 5.0


class Owner(Protocol):
    """Who gives the process its work. Called in the event loop."""

    def started(self) -> bytes:
        """What the process is told first."""

    def heard(self, data: bytes) -> None:
        """Bytes from it, in pieces of any size."""

    def lost(self) -> None:
        """It is gone, and with it what it was asked; another one may come."""


class OwnProcess(asyncio.Protocol):
    """Lives in the event loop. `name` is for people.

    `may_start` is asked before each start. A process that ends with a status in `final` is not
    replaced: it would fare no better.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        name: str,
        module: str,
        owner: Owner,
        *,
        environment: Mapping[str, str],
        may_start: Callable[[], bool] = lambda: True,
        final: frozenset[int] = frozenset(),
    ) -> None:
        self._loop = loop
        self._name = name
        self._module = module
        self._owner = owner
        self._environment = environment
        self._may_start = may_start
        self._final = final
        self._process: subprocess.Popen[bytes] | None = None
        self._transport: asyncio.WriteTransport | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._pause_s = AGAIN_S
        self._stopping = False

    @property
    def at_work(self) -> bool:
        """Whether the process is there."""
        return self._transport is not None

    def start(self) -> None:
        """Starts the process; it answers from a moment later on. In the event loop."""
        if not self._may_start():
            self._loop.call_later(AGAIN_S, self._start_again)
            return
        ours, theirs = socket.socketpair()
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", self._module],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                env=self._environment,
            )
        except OSError as error:
            ours.close()
            log.error("no process for %s: %s", self._name, error.strerror)
            self._later()
            return
        finally:
            theirs.close()
        self._connecting = self._loop.create_task(self._connect(ours))

    async def _connect(self, ours: socket.socket) -> None:
        await self._loop.create_connection(lambda: self, sock=ours)

    def stop(self) -> None:
        """Ends the process. For another thread, while the event loop runs."""
        self._stopping = True
        self._loop.call_soon_threadsafe(self._close)
        if self._process is not None:
            try:
                self._process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def _close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def write(self, data: bytes) -> None:
        """Only while it is at work."""
        assert self._transport is not None, "it is at work"
        self._transport.write(data)

    def kill(self) -> None:
        """Ends one that hangs: another one comes."""
        if self._process is not None:
            self._process.kill()

    def works(self) -> None:
        """It did its work: the next one that dies is replaced soon again."""
        if self._pause_s != AGAIN_S:
            log.info("there is a process for %s again", self._name)
            self._pause_s = AGAIN_S

    # What the connection tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The process can be asked."""
        self._transport = cast(asyncio.WriteTransport, transport)
        self._transport.write(self._owner.started())
        if self._stopping:
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        """For the owner."""
        self._owner.heard(data)

    def connection_lost(self, _error: Exception | None) -> None:
        """The process is gone."""
        self._transport = None
        if not self._stopping:
            log.error("the process for %s is gone", self._name)
            self._later()
        self._owner.lost()

    def _later(self) -> None:
        self._loop.call_later(self._pause_s, self._start_again)
        self._pause_s = min(AGAIN_MOST_S, 2 * self._pause_s)

    def _start_again(self) -> None:
        ended = self._process.poll() if self._process is not None else None
        if ended in self._final:
            log.error("no other process for %s: the last one ended with %d", self._name, ended)
        elif not self._stopping:
            self.start()
