"""The gateway's end of its one connection to the backend, kept up for ever.

Lines: `<conn> <line>` both ways; `<conn> @OPEN <class> <address>`, `@CLOSE`, `@PAUSE`, `@RESUME` to
the backend; `<conn> @BIND <device id> <role>`, `@DROP <code>` from it; `0 @PING` and `0 @PONG`;
`0 @ASK <n> <what> <base64>` to it, `0 @TOLD <n> <base64>` from it, with `-` for no bytes.
What the devices say within one turn of the event loop goes out in one write.
"""

import asyncio
import ssl
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, cast

from adapters.gateway.config import GatewayConfig
from adapters.gateway.questions import Questions
from adapters.tls import peer_class, server_name

if TYPE_CHECKING:
    from adapters.gateway.device import DeviceConnection
    from adapters.gateway.relay import Relay

_BUFFER_BYTES: Final = 256 * 1024
_TLS_SHUTDOWN_S: Final = 1


class BackendLink(asyncio.BufferedProtocol):
    """`up` only after the backend answered a ping: TLS 1.3 lets a refused client start talking."""

    def __init__(self, relay: "Relay", config: GatewayConfig) -> None:
        self.up = False
        self.write_paused = False
        self.generation = 0
        self._relay = relay
        self._config = config
        self._loop = asyncio.get_running_loop()
        self._out: list[bytes] = []
        self._buffer = memoryview(bytearray(_BUFFER_BYTES))
        self._partial = b""
        self._transport: asyncio.Transport | None = None
        self._heard_s = 0.0
        self._lost = asyncio.Event()
        self.questions = Questions(self._say)

    async def keep_up(self, context: Callable[[], ssl.SSLContext]) -> None:
        """Connects, with what `context` gives then, whenever the link is lost, until cancelled."""
        wait_s = self._config.link_retry_min_s
        while True:
            try:
                self._lost.clear()
                await self._connect(context())
                generation = self.generation
                await self._watch()
                if self.generation != generation:
                    wait_s = self._config.link_retry_min_s
            except (OSError, TimeoutError) as error:
                self._relay.log("link-failed", why=_reason(error))
                await self._end()
            await asyncio.sleep(wait_s)
            wait_s = min(wait_s * 2, self._config.link_retry_max_s)

    async def _connect(self, context: ssl.SSLContext) -> None:
        config = self._config
        async with asyncio.timeout(config.tls_timeout_s):
            await self._loop.create_connection(
                lambda: self,
                config.backend_host,
                config.backend_port,
                ssl=context,
                server_hostname=server_name("backend"),
                ssl_handshake_timeout=config.tls_timeout_s,
                ssl_shutdown_timeout=_TLS_SHUTDOWN_S,
            )

    async def _watch(self) -> None:
        """Pings until the link is lost; a silent one is cut."""
        while not self._lost.is_set():
            self._queue(b"0 @PING\n")
            try:
                async with asyncio.timeout(self._config.link_ping_s):
                    await self._lost.wait()
            except TimeoutError:
                if self._loop.time() - self._heard_s > self._config.link_timeout_s:
                    self._cut("silent")

    async def _end(self) -> None:
        # An attempt that timed out at the last moment may still have a transport.
        if self._transport is not None:
            self._transport.abort()
            await self._lost.wait()

    def _cut(self, why: str) -> None:
        self._relay.log("link-cut", why=why)
        if self._transport is not None:
            self._transport.abort()

    @property
    def backlog_bytes(self) -> int:
        """What waits here for the backend to read."""
        return self._transport.get_write_buffer_size() if self._transport is not None else 0

    def close(self) -> None:
        """Ends the link after what is queued was written: the gateway is stopping."""
        if self._transport is not None:
            self._flush()
            self._transport.close()

    # The transport's calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=self._config.link_high_water_bytes)
        self._heard_s = self._loop.time()
        self._partial = b""
        self._out.clear()
        if peer_class(transport.get_extra_info("peercert")) != "backend":
            self._cut("wrong-class")
        elif self._relay.is_superseded(transport):
            self._cut("superseded-certificate")

    def connection_lost(self, _exc: Exception | None) -> None:
        self._transport = None
        self._lost.set()
        was_up, self.up = self.up, False
        self.resume_writing()
        self._out.clear()
        if was_up:
            self._relay.link_lost()

    def pause_writing(self) -> None:
        self.write_paused = True

    def resume_writing(self) -> None:
        self.write_paused = False
        self._relay.let_go()

    def get_buffer(self, _sizehint: int) -> memoryview:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        chunk = bytes(self._buffer[:nbytes])
        self._relay.counters.bytes_from_backend += nbytes
        self._heard_s = self._loop.time()
        if self._partial:
            chunk = self._partial + chunk
            self._partial = b""
        lines = chunk.splitlines(True)
        if not chunk.endswith(b"\n"):
            self._partial = lines.pop()
        connections = self._relay.connections
        count = 0
        for numbered in lines:
            number, _, line = numbered.partition(b" ")
            if line.startswith(b"@"):
                self._controlled(number, line)
                continue
            connection = connections.get(number)
            if connection is not None:
                count += 1
                connection.send(line)
        self._relay.counters.lines_to_devices += count

    def _controlled(self, number: bytes, line: bytes) -> None:
        verb, *rest = line.split()
        if verb == b"@PONG":
            self._answered()
        elif verb == b"@PING":
            self._queue(b"0 @PONG\n")
        elif verb == b"@TOLD" and len(rest) == 2:
            self.questions.told(rest[0], rest[1])
        elif (connection := self._relay.connections.get(number)) is None:
            return
        elif verb == b"@BIND" and len(rest) == 2:
            self._relay.bind(connection, rest[0], rest[1].decode("ascii"))
        elif verb == b"@DROP" and len(rest) == 1:
            connection.drop(rest[0].decode("ascii"))
        else:
            self._relay.log("link-unknown", verb=verb.decode("ascii", "replace"))

    def _answered(self) -> None:
        if not self.up:
            self.up = True
            self.generation += 1
            self._relay.link_found()

    # To the backend

    def relay(self, prefix: bytes, line: bytes) -> None:
        """Queues a device's line. `prefix` is its connection number and a space."""
        out = self._out
        if not out:
            self._loop.call_soon(self._flush)
        out.append(prefix)
        out.append(line)

    def control(self, connection: "DeviceConnection", text: bytes) -> None:
        """Says something about a connection that this backend knows; else nothing."""
        if self.up and connection.opened_on == self.generation:
            self._queue(connection.prefix + text + b"\n")

    def open(self, connection: "DeviceConnection") -> None:
        """Introduces a connection to the backend that is there now."""
        if self.up:
            connection.opened_on = self.generation
            text = f"@OPEN {connection.tls_class} {connection.address}"
            self.control(connection, text.encode("ascii"))

    def _say(self, line: bytes) -> bool:
        if self.up:
            self._queue(line)
        return self.up

    def _queue(self, line: bytes) -> None:
        if self._transport is not None:
            self.relay(b"", line)

    def _flush(self) -> None:
        if self._transport is not None and self._out:
            data = b"".join(self._out)
            self._out.clear()
            self._transport.write(data)


def _reason(error: BaseException) -> str:
    if isinstance(error, ssl.SSLError):
        return f"tls: {error.reason}"
    return type(error).__name__
