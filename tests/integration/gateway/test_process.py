"""The gateway as the process it is: signals, status file, log, a backend that is killed."""

import asyncio
import json
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from adapters.tls import client_context
from protocol.encoding import b64
from tests.integration.gateway.authority import Authority
from tests.integration.gateway.world import (
    SESSION,
    Device,
    ScriptedBackend,
    eventually,
    record,
    run,
)

PROGRAM = """
import sys
from pathlib import Path
from types import SimpleNamespace
import uvloop
from adapters.gateway.server import run
home, port, backend_port = sys.argv[1:]
settings = SimpleNamespace(
    home=Path(home), gateway_port=int(port), backend_port=int(backend_port),
    gateway_status_every_s=0.1,
)
uvloop.run(run(settings))
"""


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


class GatewayProcess:
    """A gateway started as `ticketrestaurant gateway` starts it."""

    def __init__(self, home: Path, backend_port: int) -> None:
        self.port = free_port()
        self.status_file = home / "run" / "gateway.json"
        self._process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(home), str(self.port), str(backend_port)],
            stderr=subprocess.PIPE,
            text=True,
        )

    def status(self) -> dict[str, object]:
        try:
            found: dict[str, object] = json.loads(self.status_file.read_text())
        except FileNotFoundError:
            return {}
        return found if found["pid"] == self._process.pid else {}

    async def linked(self) -> None:
        await eventually(lambda: self.status().get("link") == "up", "the link")

    async def end(self, number: signal.Signals) -> tuple[int, str]:
        """Exit status and log."""
        self._process.send_signal(number)
        _, log = await asyncio.to_thread(self._process.communicate, timeout=10)
        return self._process.returncode, log

    async def gone(self) -> None:
        if self._process.poll() is None:
            await self.end(signal.SIGKILL)


@asynccontextmanager
async def running(authority: Authority, backend: ScriptedBackend) -> AsyncIterator[GatewayProcess]:
    port = await backend.start(authority.home)
    gateway = GatewayProcess(authority.home, port)
    try:
        await gateway.linked()
        yield gateway
    finally:
        await gateway.gone()
        await backend.stop()


def test_sigterm_ends_it_cleanly(authority: Authority) -> None:
    async def scenario() -> None:
        backend = ScriptedBackend()
        async with running(authority, backend) as gateway:
            context = client_context(authority.files("pos"))
            device = await (await Device.connect(gateway.port, context)).bind("pos")
            status, _ = await gateway.end(signal.SIGTERM)
            assert status == 0
            assert await device.error() == "unavailable"
            assert not gateway.status_file.exists()
            await eventually(lambda: backend.downs == 1)

    run(scenario())


def test_killed_it_leaves_a_backend_that_takes_the_next_one(authority: Authority) -> None:
    async def scenario() -> None:
        backend = ScriptedBackend()
        async with running(authority, backend) as gateway:
            context = client_context(authority.files("pos"))
            device = await (await Device.connect(gateway.port, context)).bind("pos")
            await gateway.end(signal.SIGKILL)
            await device.ended()
            await eventually(lambda: backend.closed == [1] and backend.downs == 1)
            assert backend.server is not None
            second = GatewayProcess(authority.home, backend.server.port)
            try:
                await second.linked()
                device = await (await Device.connect(second.port, context)).bind("pos")
                await device.echo()
            finally:
                await second.gone()

    run(scenario())


def test_status_shows_what_is_going_on(authority: Authority) -> None:
    async def scenario() -> None:
        async with running(authority, ScriptedBackend()) as gateway:
            context = client_context(authority.files("pos"))
            device = await (await Device.connect(gateway.port, context)).bind("pos")
            await device.echo()
            device.write(b"garbage\n")
            await device.error()
            await eventually(lambda: _totals(gateway)["refused"] == {"malformed": 1})
            shown, totals = gateway.status(), _totals(gateway)
            assert (shown["link"], shown["open"], shown["bound"]) == ("up", 1, {"pos": 1})
            assert shown["address"] == f"127.0.0.1:{gateway.port}"
            assert (totals["connections"], totals["lines_to_backend"]) == (1, 2)
            assert totals["lines_to_devices"] == 2
            assert stat.S_IMODE(gateway.status_file.stat().st_mode) == 0o600

    run(scenario())


def test_no_line_and_no_payload_is_ever_logged(authority: Authority) -> None:
    secret = b"5312-0000-1111-2222"

    async def scenario() -> None:
        async with running(authority, ScriptedBackend()) as gateway:
            context = client_context(authority.files("pos"))
            device = await (await Device.connect(gateway.port, context)).bind("pos")
            await device.echo(secret)
            for line in (
                secret,
                b"TR1 I STATUS " + secret,
                record(secret) + b"\xff",
                record(secret)[5:],
            ):
                device.write(line + b"\n")
            device.write(record(secret, to="peer"))
            device.write(secret * 4000)
            await device.ended()
            _, log = await gateway.end(signal.SIGTERM)
            events = [json.loads(line) for line in log.splitlines()]
            assert {"listening", "link-up", "bound", "closed", "stopped"} <= {
                event["event"] for event in events
            }
            for trace in (secret.decode(), b64(secret), SESSION):
                assert trace not in log

    run(scenario())


def _totals(gateway: GatewayProcess) -> dict[str, object]:
    totals = gateway.status()["totals"]
    assert isinstance(totals, dict)
    return totals
