"""The gateway process: wires listener, relay and link together, runs until SIGTERM or SIGINT."""

import asyncio
import os
import resource
import signal
import time
from contextlib import suppress
from typing import Any, Final, TextIO

from adapters.gateway.config import GatewayConfig, gateway_config
from adapters.gateway.counters import StatusFile
from adapters.gateway.listener import Listener
from adapters.gateway.log import Log
from adapters.gateway.monitor import gateway_monitor
from adapters.gateway.relay import Relay
from adapters.gateway.validation_http import ValidationServer
from adapters.monitoring.server import Monitor
from adapters.tls_rotation import WatchedTls
from protocol.errors import UNAVAILABLE

_SWEEP_S: Final = 1.0
_GOODBYE_S: Final = 1.5
_SPARE_DESCRIPTORS: Final = 64


async def run(settings: Any) -> None:
    """Runs the gateway of these settings. Raises OSError when it cannot listen or read its keys.

    Made for uvloop (`uvloop.run(run(settings))`); works on asyncio's own loop too, slower.
    """
    await serve(gateway_config(settings))


async def serve(config: GatewayConfig, log_to: TextIO | None = None) -> None:
    """Runs a gateway until SIGTERM or SIGINT, or until cancelled."""
    gateway = Gateway(config, log_to)
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    gateway.start()
    try:
        await stop.wait()
    finally:
        await gateway.stop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


class Gateway:
    """One gateway inside a running event loop."""

    def __init__(self, config: GatewayConfig, log_to: TextIO | None = None) -> None:
        self.config = config
        self.port = config.port
        self.relay = Relay(config, Log(log_to))
        self._tls = WatchedTls(config.home, "gateway")
        self.relay.superseded = self._tls.state.superseded
        self._listener = Listener(self.relay, self._tls.state.server)
        self._validation = (
            ValidationServer(self.relay.link.questions, config.host, config.validation_port)
            if config.validation_port
            else None
        )
        self._status = StatusFile(config.home / "run" / "gateway.json")
        self._monitor: Monitor | None = None
        self._started_ms = time.time_ns() // 1_000_000
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Listens and connects to the backend. Raises OSError when the port is taken."""
        _raise_descriptor_limit(self.config.max_connections + _SPARE_DESCRIPTORS)
        self.port = self._listener.start()
        self.relay.log("listening", host=self.config.host, port=self.port)
        if self._validation is not None:
            self._validation.start()
        loop = asyncio.get_running_loop()
        if self.config.monitor_port:
            self._monitor = gateway_monitor(self, loop)
            self._monitor.start()
        self._tasks = [
            loop.create_task(work)
            for work in (
                self.relay.link.keep_up(lambda: self._tls.state.client),
                self._sweep(),
                self._show(),
            )
        ]

    async def stop(self) -> None:
        """Tells every device, ends every connection, forgets the status."""
        self._listener.stop()
        if self._validation is not None:
            await self._validation.stop()
        for task in self._tasks:
            task.cancel()
        for connection in list(self.relay.connections.values()):
            connection.drop(UNAVAILABLE)
        with suppress(TimeoutError):
            await asyncio.wait_for(self.relay.emptied(), _GOODBYE_S)
        self.relay.link.close()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._monitor is not None:
            await asyncio.to_thread(self._monitor.stop)
        self._status.remove()
        self.relay.log("stopped")

    @property
    def places_taken(self) -> int:
        """Connections, those still in the TLS handshake included."""
        return self._listener.places_taken

    def status(self) -> dict[str, Any]:
        """What `run/gateway.json` shows."""
        connections = self.relay.connections.values()
        bound: dict[str, int] = {}
        for connection in connections:
            if connection.role:
                bound[connection.role] = bound.get(connection.role, 0) + 1
        return {
            "pid": os.getpid(),
            "ms": time.time_ns() // 1_000_000,
            "started_ms": self._started_ms,
            "address": f"{self.config.host}:{self.port}",
            "backend": f"{self.config.backend_host}:{self.config.backend_port}",
            "link": "up" if self.relay.link.up else "down",
            "open": len(connections),
            "places_taken": self.places_taken,
            "bound": bound,
            "totals": self.relay.counters.as_json(),
        }

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(_SWEEP_S)
            self.relay.check_times()
            self._listener.check_times()
            if self._tls.look(lambda why: self.relay.log("tls-unfit", why=why)):
                self._use_new_tls()

    def _use_new_tls(self) -> None:
        """For connections from now on; those that are open stay as they are."""
        self.relay.superseded = self._tls.state.superseded
        self._listener.context = self._tls.state.server
        self.relay.log("tls-reloaded")

    async def _show(self) -> None:
        while True:
            try:
                self._status.write(self.status())
            except OSError as error:
                self.relay.log("status-failed", why=type(error).__name__)
            await asyncio.sleep(self.config.status_every_s)


def _raise_descriptor_limit(wanted: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))
