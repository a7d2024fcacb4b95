"""A real gateway, a real link, a scripted backend and device connections, all over real TLS."""

import asyncio
import io
import json
import ssl
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, Self, cast
from uuid import UUID, uuid4

import uvloop

from adapters.backend.link import LinkServer, serve_link
from adapters.gateway.config import GatewayConfig
from adapters.gateway.server import Gateway
from adapters.tls import TlsFiles, client_context, server_context, server_name
from protocol.encoding import to_json
from protocol.line import Line, encode, parse

PATIENCE_S = 5.0
SESSION = "0123456789abcdef" * 2


def run(scenario: Coroutine[Any, Any, None]) -> None:
    """Plays a scenario on the event loop of the servers."""

    async def limited() -> None:
        await asyncio.wait_for(scenario, 60)

    uvloop.run(limited())


async def eventually(condition: Any, what: str = "it") -> None:
    """Waits until `condition()` holds."""
    until = asyncio.get_running_loop().time() + PATIENCE_S
    while not condition():
        assert asyncio.get_running_loop().time() < until, f"{what} did not happen"
        await asyncio.sleep(0.01)


def record(
    body: bytes = b"{}", *, verb: str = "STATUS", to: str = "backend", session: str = SESSION
) -> bytes:
    """A line as a device sends it; to the gateway, whatever is inside is opaque."""
    return encode(Line("I", verb, to, session, 0, body))


def hello(device: UUID, role: str) -> bytes:
    """Stands for the handshake: the scripted backend binds whoever says so."""
    body = to_json({"device": str(device), "role": role})
    return encode(Line("C", "HELLO", "backend", SESSION[:16], 0, body))


class ScriptedBackend:
    """Binds on HELLO, answers every other line with its own payload. Notes what happens."""

    def __init__(self) -> None:
        self.opened: dict[int, tuple[str, str]] = {}
        self.closed: list[int] = []
        self.lines: list[tuple[int, bytes]] = []
        self.ups = 0
        self.downs = 0
        self.fails_on = b"never"
        self.answers = True
        self.server: LinkServer | None = None

    async def start(self, home: Path, port: int = 0) -> int:
        context = server_context(TlsFiles.of_server(home, "backend"))
        self.server = await serve_link(
            "127.0.0.1", port, context,
            self._on_open, self._on_line, self.closed.append, self._on_up, self._on_down,
        )  # fmt: skip
        return self.server.port

    async def stop(self) -> None:
        if self.server is not None:
            await self.server.close()
            self.server = None

    def transport(self) -> asyncio.Transport:
        """The raw link, for a backend that stops reading."""
        assert self.server is not None
        assert self.server._link is not None
        assert self.server._link._transport is not None
        return self.server._link._transport

    def _on_open(self, conn: int, tls_class: str, address: str) -> None:
        assert conn not in self.opened
        self.opened[conn] = (tls_class, address)

    def _on_line(self, conn: int, line: bytes) -> None:
        assert self.server is not None
        self.lines.append((conn, line))
        if self.fails_on in line:
            raise RuntimeError("scripted")
        message = parse(line)
        if message.verb == "HELLO":
            who = json.loads(message.payload)
            self.server.bind(conn, who["device"], who["role"])
        if not self.answers:
            return
        answer = Line("I", "STATUS", "peer", SESSION, message.sequence, message.payload)
        self.server.send(conn, encode(answer))

    def _on_up(self) -> None:
        self.ups += 1

    def _on_down(self) -> None:
        self.downs += 1
        self.opened.clear()


class Device:
    """The device's end of a TLS connection to the gateway."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.id = uuid4()
        self._reader = reader
        self._writer = writer

    @classmethod
    async def connect(cls, port: int, context: ssl.SSLContext) -> Self:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=context, server_hostname=server_name("gateway"),
            ssl_shutdown_timeout=0.2, limit=1 << 20,
        )  # fmt: skip
        return cls(reader, writer)

    def write(self, data: bytes) -> None:
        self._writer.write(data)

    async def drain(self) -> None:
        await self._writer.drain()

    async def write_all(self, lines: list[bytes]) -> None:
        for line in lines:
            self._writer.write(line)
            await self._writer.drain()

    def stop_reading(self) -> None:
        self._transport().pause_reading()

    def _transport(self) -> asyncio.Transport:
        return cast(asyncio.Transport, self._writer.transport)

    async def line(self) -> Line:
        async with asyncio.timeout(PATIENCE_S):
            return parse(await self._reader.readuntil(b"\n"))

    async def error(self) -> str:
        """The code of the `I ERROR` that comes next."""
        message = await self.line()
        assert (message.kind, message.verb) == ("I", "ERROR"), message
        return str(json.loads(message.payload)["code"])

    async def echo(self, body: bytes = b'{"still":"here"}') -> None:
        """The backend is reached and answers: this connection is untouched."""
        self.write(record(body))
        assert (await self.line()).payload == body

    async def bind(self, role: str, device: UUID | None = None) -> Self:
        self.id = device or self.id
        self.write(hello(self.id, role))
        assert (await self.line()).verb == "STATUS"
        return self

    async def ended(self) -> bytes:
        """Waits for the end of the connection; returns what came before it."""
        async with asyncio.timeout(PATIENCE_S):
            try:
                return await self._reader.read()
            except (OSError, asyncio.IncompleteReadError):
                return b""

    def close(self) -> None:
        self._writer.close()

    def vanish(self) -> None:
        """Ends without a word."""
        self._transport().abort()


class World:
    """`async with World(home, limit=…)`: everything up, the link found."""

    def __init__(self, home: Path, *, backend: bool = True, **config: Any) -> None:
        self.home = home
        self.backend = ScriptedBackend()
        self.log = io.StringIO()
        self._with_backend = backend
        self._config = config
        self._devices: list[Device] = []

    async def __aenter__(self) -> Self:
        self.backend_port = await self.backend.start(self.home)
        if not self._with_backend:
            await self.backend.stop()
        config = GatewayConfig(
            home=self.home, port=0, backend_port=self.backend_port, **self._config
        )
        self.gateway = Gateway(config, self.log)
        self.gateway.start()
        if self._with_backend:
            await self.linked()
        return self

    async def __aexit__(self, *_: object) -> None:
        for device in self._devices:
            device.vanish()
        await self.gateway.stop()
        await self.backend.stop()

    async def linked(self) -> None:
        await eventually(lambda: self.gateway.relay.link.up, "the link")

    async def connect(self, tls_class: str = "pos") -> Device:
        context = client_context(TlsFiles.of_server(self.home, tls_class))
        device = await Device.connect(self.gateway.port, context)
        self._devices.append(device)
        return device

    async def bound(self, role: str = "pos", device: UUID | None = None) -> Device:
        tls_class = "website" if role in ("operator", "auditor") else role
        return await (await self.connect(tls_class)).bind(role, device)

    @property
    def refused(self) -> dict[str, int]:
        return self.gateway.relay.counters.refused
