"""The backend's end of the gateway link: one TLS connection that carries all devices' lines.

Only the gateway's certificate gets in. Wire form in `adapters/gateway/link.py`. A second gateway is
refused while the first one answers. Every connection that was opened is closed exactly once here,
by `@CLOSE` or because the link was lost.
"""

import asyncio
import logging
import socket
import ssl
import time
import traceback
from base64 import b64decode, b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Final, cast

from adapters.tls import peer_class
from adapters.tls_rotation import SupersededList
from protocol.errors import INTERNAL

log = logging.getLogger(__name__)
_BUFFER_BYTES: Final = 256 * 1024
_HIGH_WATER_BYTES: Final = 4 * 1024 * 1024
_PING_S: Final = 2.0
_SILENT_S: Final = 10.0
_TLS_TIMEOUT_S: Final = 5.0
_TLS_SHUTDOWN_S: Final = 1.0
_BACKLOG: Final = 100


OnOpen = Callable[[int, str, str], None]
"""conn, TLS class, `address:port`: a device's connection is there. Nobody is proven yet."""

OnLine = Callable[[int, bytes], None]
"""conn, a line from a device without its line feed, not yet parsed."""

OnAsk = Callable[[str, bytes, Callable[[bytes], None]], None]
"""What the gateway itself asks (`adapters/gateway/questions.py`): what, its bytes, who is told."""


class LinkServer:
    """The listener and, while a gateway is there, the link. All methods are for the event loop.

    `conn` is the gateway's number of a device connection: never used twice by one gateway, but
    another gateway process starts again at 1; `on_close` and `on_link_down` come in between.
    """

    def __init__(
        self,
        on_open: OnOpen,
        on_line: OnLine,
        on_close: Callable[[int], None],
        on_link_up: Callable[[], None],
        on_link_down: Callable[[], None],
        on_ask: OnAsk,
    ) -> None:
        self._on_ask = on_ask
        self._on_open = on_open
        self._on_line = on_line
        self._on_close = on_close
        self._on_link_up = on_link_up
        self._on_link_down = on_link_down
        self._loop = asyncio.get_running_loop()
        self._server: asyncio.Server | None = None
        self._socket: socket.socket | None = None
        self.superseded = SupersededList()
        self._link: _Link | None = None
        self._connections: set[int] = set()
        self._paused: set[int] = set()
        self._room = asyncio.Event()
        self._out: list[bytes] = []

    @property
    def up(self) -> bool:
        """Whether a gateway is connected."""
        return self._link is not None

    @property
    def port(self) -> int:
        """The port that is listened on."""
        assert self._socket is not None
        return int(self._socket.getsockname()[1])

    async def use(self, context: ssl.SSLContext, superseded: SupersededList) -> None:
        """Handshakes from now on use this context; the link that is open stays as it is.

        The socket is the same all the time, so nobody who connects meanwhile is turned away.
        """
        assert self._socket is not None
        before, self.superseded = self._server, superseded
        self._server = await self._loop.create_server(
            lambda: _Link(self),
            sock=self._socket.dup(),
            ssl=context,
            ssl_handshake_timeout=_TLS_TIMEOUT_S,
            ssl_shutdown_timeout=_TLS_SHUTDOWN_S,
        )
        if before is not None:
            before.close()

    # To the gateway

    def send(self, conn: int, line: bytes) -> None:
        """Queues a line, with its line feed, for a device. For one that is gone: does nothing."""
        out = self._out
        if not out:
            self._loop.call_soon(self._flush)
        out.append(b"%d %b" % (conn, line))

    def bind(self, conn: int, device_id: str, role: str) -> None:
        """After M3: this connection is that device. Send it before READY."""
        self.send(conn, f"@BIND {device_id} {role}\n".encode("ascii"))

    def drop(self, conn: int, code: str) -> None:
        """Has the gateway say `I ERROR code` and end the connection; `on_close` follows."""
        self.send(conn, f"@DROP {code}\n".encode("ascii"))

    async def drain(self, conn: int) -> bool:
        """Waits while device or link take no more. False: the connection is gone.

        For answers of many lines (exports, reports): await it after each line, or a device that
        reads slowly is dropped for it.
        """
        while conn in self._connections:
            await asyncio.sleep(0)
            link = self._link
            if conn not in self._paused and link is not None and not link.write_paused:
                return True
            self._room.clear()
            await self._room.wait()
        return False

    async def close(self) -> None:
        """Ends link and listener."""
        if self._server is not None:
            self._server.close()
        if self._socket is not None:
            self._socket.close()
        if self._link is not None:
            self._flush()
            self._link.close()
        if self._server is not None:
            await self._server.wait_closed()

    def _flush(self) -> None:
        lines, self._out = self._out, []
        if self._link is not None and lines:
            self._link.write(b"".join(lines))

    # From the link

    def _adopt(self, link: "_Link") -> bool:
        if self._link is not None:
            return False
        self._link = link
        self._out.clear()
        log.info("gateway link up")
        self._on_link_up()
        return True

    def _lost(self, link: "_Link") -> None:
        if self._link is not link:
            return
        self._link = None
        self._out.clear()
        for conn in list(self._connections):
            self._closed(conn)
        log.warning("gateway link down")
        self._on_link_down()

    def _lines(self, lines: list[bytes]) -> None:
        connections, on_line = self._connections, self._on_line
        for numbered in lines:
            number, _, line = numbered.partition(b" ")
            conn = int(number)
            if line.startswith(b"@"):
                self._control(conn, line)
            elif conn in connections:
                try:
                    on_line(conn, line)
                except Exception as error:
                    # One device's line must not cost the others their link. The message of an
                    # exception may quote the line, so only its kind and place are told.
                    log.error("a line failed: %s at %s", type(error).__name__, _place(error))
                    self.drop(conn, INTERNAL)

    def _control(self, conn: int, text: bytes) -> None:
        verb, *rest = text.decode("ascii").split(" ")
        if verb == "@OPEN" and len(rest) == 2:
            self._connections.add(conn)
            self._on_open(conn, rest[0], rest[1])
        elif verb == "@CLOSE":
            self._closed(conn)
        elif verb == "@PAUSE":
            self._paused.add(conn)
        elif verb == "@RESUME":
            self._paused.discard(conn)
            self._room.set()
        elif verb == "@PING":
            self.send(0, b"@PONG\n")
        elif verb == "@ASK" and len(rest) == 3:
            number, what, body = rest
            asked = b64decode(body) if body != "-" else b""
            self._on_ask(what, asked, lambda told: self._tell(number, told))

    def _tell(self, number: str, told: bytes) -> None:
        self.send(0, b"@TOLD %b %b\n" % (number.encode("ascii"), b64encode(told) or b"-"))

    def _closed(self, conn: int) -> None:
        if conn in self._connections:
            self._connections.discard(conn)
            self._paused.discard(conn)
            self._room.set()
            self._on_close(conn)


class _Link(asyncio.BufferedProtocol):
    """One TLS connection from something that may be the gateway."""

    def __init__(self, server: LinkServer) -> None:
        self.write_paused = False
        self._server = server
        self._loop = asyncio.get_running_loop()
        self._buffer = memoryview(bytearray(_BUFFER_BYTES))
        self._partial = b""
        self._adopted = False
        self._heard_s = self._loop.time()
        self._transport: asyncio.Transport | None = None
        self._ping: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=_HIGH_WATER_BYTES)
        tls_class = peer_class(transport.get_extra_info("peercert"))
        if tls_class != "gateway":
            log.warning("refused a link: TLS class %s is not gateway", tls_class)
        elif self._is_superseded(transport):
            log.warning("refused a link: its certificate was replaced, and the window is over")
        elif not self._server._adopt(self):
            log.warning("refused a link: there is one already")
        else:
            self._adopted = True
            self._watch()
        if not self._adopted:
            self._transport.abort()

    def _is_superseded(self, transport: asyncio.BaseTransport) -> bool:
        der = transport.get_extra_info("ssl_object").getpeercert(True)
        return self._server.superseded.refuses(der, time.time_ns() // 1_000_000)

    def connection_lost(self, _exc: Exception | None) -> None:
        self._transport = None
        if self._ping is not None:
            self._ping.cancel()
        self.resume_writing()
        self._server._lost(self)

    def pause_writing(self) -> None:
        self.write_paused = True

    def resume_writing(self) -> None:
        self.write_paused = False
        self._server._room.set()

    def get_buffer(self, _sizehint: int) -> memoryview:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        if not self._adopted:
            return
        chunk = bytes(self._buffer[:nbytes])
        self._heard_s = self._loop.time()
        if self._partial:
            chunk = self._partial + chunk
        lines = chunk.split(b"\n")
        self._partial = lines.pop()
        self._server._lines(lines)

    def write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def _watch(self) -> None:
        """Pings; a gateway that says nothing for ten seconds is taken for gone."""
        if self._transport is None:
            return
        if self._loop.time() - self._heard_s > _SILENT_S:
            log.warning("gateway link cut: silent")
            self._transport.abort()
            return
        self._server.send(0, b"@PING\n")
        self._ping = self._loop.call_later(_PING_S, self._watch)


def _place(error: Exception) -> str:
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{Path(last.filename).name}:{last.lineno}"


def _no_answer(what: str, body: bytes, tell: Callable[[bytes], None]) -> None:
    tell(b"")


async def serve_link(
    host: str,
    port: int,
    ssl_context: ssl.SSLContext,
    on_open: OnOpen,
    on_line: OnLine,
    on_close: Callable[[int], None],
    on_link_up: Callable[[], None],
    on_link_down: Callable[[], None],
    on_ask: OnAsk = _no_answer,
) -> LinkServer:
    """Listens for the gateway. `ssl_context`: `adapters.tls.server_context` of class `backend`.

    Raises OSError when the port is taken.
    """
    server = LinkServer(on_open, on_line, on_close, on_link_up, on_link_down, on_ask)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    server._socket = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    server._socket.setblocking(False)
    await server.use(ssl_context, SupersededList())
    return server
