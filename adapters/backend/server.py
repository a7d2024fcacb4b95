"""The backend process: the engine, the HSM's lane, the link to the gateway, in one event loop.

Started by the composition root, which hands everything in ready to run.
"""

import asyncio
import logging
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from adapters.backend.hsm_lane import HsmLane
from adapters.backend.link import LinkServer, OnAsk, serve_link
from adapters.backend.sessions import Sessions
from adapters.tls_rotation import LOOK_EVERY_S, WatchedTls
from application.group_commit import GroupCommit
from application.work import Done

log = logging.getLogger(__name__)


class Part(Protocol):
    """Something that runs in a thread of its own beside the engine."""

    def start(self) -> None: ...

    def stop(self) -> None: ...


@dataclass
class Backend:
    """The parts, wired. `parts` start in order and stop in reverse."""

    host: str
    port: int
    tls: WatchedTls
    lane: HsmLane
    engine: GroupCommit
    sessions: Sessions
    asked: OnAsk
    parts: list[Part] = field(default_factory=list)
    link_changed: Callable[[bool], None] = lambda up: None
    """Told when the gateway comes and goes."""


class Delivery:
    """Brings the answers of a batch from the engine's thread to the event loop at once."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def __call__(self, batch: list[Done]) -> None:
        """In the engine's thread."""
        try:
            self._loop.call_soon_threadsafe(_answer, batch)
        except RuntimeError:
            log.warning("stopped with %d answers on the way", len(batch))


def _answer(batch: list[Done]) -> None:
    for done, answer in batch:
        try:
            done(answer)
        except Exception:
            log.exception("answering")


async def run(build: Callable[[asyncio.AbstractEventLoop], Backend]) -> None:
    """Serves until SIGTERM or SIGINT. Raises OSError where the port is taken."""
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    backend = build(loop)
    sessions = backend.sessions
    backend.lane.start()
    backend.engine.start()
    for part in backend.parts:
        part.start()
    link: LinkServer = await serve_link(
        backend.host,
        backend.port,
        backend.tls.state.server,
        sessions.on_open,
        sessions.on_line,
        sessions.on_close,
        lambda: backend.link_changed(True),
        lambda: backend.link_changed(False),
        backend.asked,
    )
    link.superseded = backend.tls.state.superseded
    watching = loop.create_task(_watch_tls(backend.tls, link))
    sessions.attach(link)
    log.info("backend listens on %s:%d", backend.host, backend.port)
    await stopping.wait()
    watching.cancel()
    await link.close()
    await asyncio.to_thread(_stop, backend)
    log.info("backend stopped")


async def _watch_tls(tls: WatchedTls, link: LinkServer) -> None:
    """Takes over certificates that were replaced while we serve."""
    while True:
        await asyncio.sleep(LOOK_EVERY_S)
        if tls.look(lambda why: log.warning("the TLS files do not fit, the old stay: %s", why)):
            try:
                await link.use(tls.state.server, tls.state.superseded)
            except OSError as error:
                log.warning("the new TLS certificates cannot be used: %s", error.strerror)
            else:
                log.info("new TLS certificates are in use")


def _stop(backend: Backend) -> None:
    backend.engine.stop()
    for part in reversed(backend.parts):
        part.stop()
    backend.lane.stop()
