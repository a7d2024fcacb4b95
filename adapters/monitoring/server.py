"""A small HTTP server in threads of its own: `/health`, its `/live` and `/ready`, `/metrics`.

For this machine: it listens on loopback unless a setting says otherwise, asks nobody who they are,
and answers only requests for the host that it is, so that no web page can read it by a name of its
own. Bad input: another path 404, another method 501 or 405, another host 421, a slow sender is cut
off after five seconds, more than eight at a time are closed unanswered.
"""

import asyncio
import contextlib
import json
import logging
import os
import socket
import threading
from collections.abc import Callable, Iterable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar, Final

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from adapters.monitoring.health import Check, Health

log = logging.getLogger(__name__)
Collect = Callable[[], Iterable[Metric]]
AT_A_TIME: Final = 8
SLOW_S: Final = 5.0
LOOP_S: Final = 2.0
"""An event loop that does not answer for so long is taken for dead."""


class Monitor:
    """`start` and `stop`. A port that is taken is said in the log: no reason not to serve."""

    def __init__(self, host: str, port: int, check: Check, collect: Collect) -> None:
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Families(collect))
        ProcessCollector(registry=registry)
        self._host = host
        self.port = port
        self._check = check
        self._registry = registry
        self._server: _Server | None = None

    def start(self) -> None:
        """Starts the threads."""
        handler = type("_OurHandler", (_Handler,), {"monitor": self})
        try:
            self._server = _Server((self._host, self.port), handler)
        except OSError as error:
            log.error(
                "no health and metrics at %s:%d: %s", self._host, self.port, error.strerror or error
            )
            return
        self.port = int(self._server.server_address[1])
        threading.Thread(target=self._server.serve_forever, name="monitor", daemon=True).start()

    def stop(self) -> None:
        """Ends it."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()

    def hosts(self) -> set[str]:
        """The `Host` headers that are answered."""
        return {f"{name}:{self.port}" for name in (self._host, "localhost", "127.0.0.1", "[::1]")}

    def health(self) -> Health:
        """The server's own word; what fails in asking is a reason, too."""
        try:
            return self._check()
        except Exception as error:  # whatever it is, an alarm is better than no answer
            log.exception("health")
            return Health(reasons={"monitor": f"the check failed: {type(error).__name__}"})

    def metrics(self) -> bytes:
        """All families in Prometheus' text format."""
        return generate_latest(self._registry)


class _Families:
    """What the registry asks."""

    def __init__(self, collect: Collect) -> None:
        self._collect = collect

    def collect(self) -> Iterable[Metric]:
        return self._collect()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, address: tuple[str, int], handler: Any) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self._places = threading.BoundedSemaphore(AT_A_TIME)
        super().__init__(address, handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._places.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A caller that went away, or was too slow, is nothing to talk about."""


class _Handler(BaseHTTPRequestHandler):
    monitor: ClassVar[Monitor]
    timeout = SLOW_S
    server_version = "monitor"
    sys_version = ""

    def do_GET(self) -> None:
        hosts = self.headers.get_all("Host", [])
        if len(hosts) != 1 or hosts[0].lower() not in self.monitor.hosts():
            self._answer(HTTPStatus.MISDIRECTED_REQUEST, "text/plain", b"Another host.\n")
            return
        match self.path:
            case "/metrics":
                content = self.monitor.metrics()
                self._answer(HTTPStatus.OK, CONTENT_TYPE_PLAIN_0_0_4, content)
            case "/health" | "/health/live" | "/health/ready":
                self._answer_health()
            case _:
                self._answer(HTTPStatus.NOT_FOUND, "text/plain", b"There is no such page.\n")

    def _answer_health(self) -> None:
        health = self.monitor.health()
        good = health.live if self.path == "/health/live" else health.ready
        body = {
            "live": health.live,
            "ready": health.ready,
            "reasons": health.reasons,
            "warnings": health.warnings,
            "pid": os.getpid(),
        }
        status = HTTPStatus.OK if good else HTTPStatus.SERVICE_UNAVAILABLE
        self._answer(status, "application/json", json.dumps(body).encode() + b"\n")

    def _answer(self, status: HTTPStatus, media_type: str, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: it would log what callers send."""


def loop_answers(loop: asyncio.AbstractEventLoop) -> bool:
    """Whether an event loop, asked from another thread, still runs what it is given."""
    answered = threading.Event()
    with contextlib.suppress(RuntimeError):  # closed
        loop.call_soon_threadsafe(answered.set)
    return answered.wait(LOOP_S)
