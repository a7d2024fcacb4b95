"""Gateway and backend as the website meets them: real TLS, real handshake, reports by hand."""

import asyncio
import json
import ssl
import threading
from collections.abc import Coroutine
from concurrent.futures import TimeoutError as TooLate
from pathlib import Path
from typing import Any, TypeVar

from protocol.encoding import unb64
from protocol.errors import LineError
from protocol.handshake import Identity, Responder
from protocol.line import error_line, parse
from protocol.record import Session
from tests.integration.web.records import now_us
from tests.integration.web.website_process import free_port
from tests.unit.devices.authority import Authority

T = TypeVar("T")


class FakeBackend:
    """Listens where the website's identity says that the gateway is; one connection at a time."""

    def __init__(self, folder: Path) -> None:
        self.authority = Authority(folder)
        self.port = self.authority.port = free_port()
        self.identity_folder = self.authority.device("website")
        self.us, self._trust = self.authority.backend()
        self.tls = self.authority.server_tls()
        self.have: list[int] = []
        """What the website said it has, at each connection."""
        self.attempts = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server: asyncio.Server | None = None
        self._connected: asyncio.Event | None = None
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._session: Session | None = None

    def listen(self, tls: ssl.SSLContext | None = None, us: Identity | None = None) -> None:
        """Open the door, perhaps with another's TLS certificate or as another party."""
        self._run(self._listen(tls or self.tls, us or self.us))

    def away(self) -> None:
        """Close the door and every connection."""
        self._run(self._close())

    def wait_connected(self) -> None:
        """Until a website opened a session and said what it has."""
        self._run(self._wait())

    def is_connected(self, within_s: float) -> bool:
        try:
            self._run(self._wait(), within_s)
        except TooLate:
            return False
        return True

    def report(self, body: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        """Send a report; verb and body of the answer."""
        return self._run(self._report(json.dumps(body).encode()))

    def answer_command(self, verb: str, answer: dict[str, Any]) -> dict[str, Any]:
        """Waits for a command, answers it by I `verb`; its body, `raw` what is in `body`."""
        return self._run(self._answer_command(verb, answer))

    def report_unheard(self, body: dict[str, Any]) -> bool:
        """Send a report; whether the website hung up without an answer."""
        try:
            self.report(body)
        except (LineError, OSError):
            return True
        return False

    def send_raw(self, raw: bytes) -> None:
        """Bytes as they are, for instance no line of the protocol at all."""
        self._run(self._send(raw))

    def say_unavailable(self) -> None:
        self.send_raw(error_line("unavailable"))

    def tampered(self, body: dict[str, Any]) -> bytes:
        """A report whose last byte somebody changed on the way."""
        assert self._session is not None
        raw = bytearray(self._session.seal("D", "REPORT", "peer", json.dumps(body).encode()))
        raw[-8] = ord("A") if raw[-8] != ord("A") else ord("B")
        return bytes(raw)

    def stop(self) -> None:
        self.away()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def _run(self, work: Coroutine[Any, Any, T], timeout_s: float = 20) -> T:
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result(timeout_s)
        except TooLate:
            future.cancel()
            raise

    async def _listen(self, tls: ssl.SSLContext, us: Identity) -> None:
        self._connected = asyncio.Event()

        async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.attempts += 1
            try:
                await self._greet(reader, writer, us)
            except Exception:
                writer.close()

        self._server = await asyncio.start_server(greet, "127.0.0.1", self.port, ssl=tls)

    async def _greet(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, us: Identity
    ) -> None:
        responder = Responder(us, self._trust, now_us() // 1_000)
        writer.write(responder.answer(parse(await reader.readline())))
        session = responder.finish(parse(await reader.readline()), {"website"})
        writer.write(session.seal("I", "READY", "peer", b'{"time_ms":1}'))
        status = json.loads(session.open(parse(await reader.readline())))
        assert status["state"] == "have"
        self.have.append(status["upto"])
        self._reader, self._writer, self._session = reader, writer, session
        assert self._connected is not None
        self._connected.set()

    async def _wait(self) -> None:
        assert self._connected is not None
        await self._connected.wait()

    async def _report(self, body: bytes) -> tuple[str, dict[str, Any]]:
        assert self._session is not None
        assert self._reader is not None
        await self._send(self._session.seal("D", "REPORT", "peer", body))
        line = parse(await self._reader.readline())
        return line.verb, json.loads(self._session.open(line))

    async def _answer_command(self, verb: str, answer: dict[str, Any]) -> dict[str, Any]:
        assert self._session is not None
        assert self._reader is not None
        assert self._writer is not None
        line = parse(await self._reader.readline())
        told: dict[str, Any] = json.loads(self._session.open(line))
        assert (line.kind, line.verb) == ("C", "WEBHOOK")
        body = json.dumps({"re": told["id"], **answer}).encode()
        self._writer.write(self._session.seal("I", verb, "peer", body))
        await self._writer.drain()
        return {**told, "raw": unb64(told["body"])}

    async def _send(self, raw: bytes) -> None:
        assert self._writer is not None
        assert self._connected is not None
        self._connected.clear()
        self._writer.write(raw)
        await self._writer.drain()

    async def _close(self) -> None:
        if self._connected is not None:
            self._connected.clear()
        if self._server is not None:
            self._server.close()
            self._server = None
        if self._writer is not None:
            self._writer.transport.abort()
            self._writer = None
