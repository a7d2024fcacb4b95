"""The line to the gateway: TLS, the session with the backend, and coming back when it breaks.

Lines of other sessions (card and POS talk over the same connection) go to `on_line`; nothing that
the gateway says in clear decides anything, it can only end the connection.
"""

import asyncio
import contextlib
import random
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from devices.exchange import Body, Exchange, Unreachable
from devices.identity import GATEWAY_NAME, Device
from devices.renewal import is_due, renew
from devices.roots import take_up_roots
from protocol import errors
from protocol.encoding import from_json, to_json
from protocol.errors import HandshakeError, LineError, PeerError, ProtocolError
from protocol.handshake import Initiator
from protocol.line import MAX_LINE, Line, encode, parse, read_error
from protocol.record import Session

CONNECT_TIMEOUT_S = 10.0
KEEP_ALIVE_S = 60.0
SILENCE_S = 10.0
_KEEP_ALIVE = encode(Line("I", "STATUS", "backend", "-", 0, b"{}"))
_RENEWAL_ID = 0
"""Of the one request before the session is handed out; the others count from 1."""
_NO_ACCESS = {
    errors.EXPIRED_CERTIFICATE: "a certificate of this connection has expired",
    errors.REVOKED_CERTIFICATE: "a certificate of this connection was revoked",
    errors.RETIRED_ROOT: "this device's certificate is of a retired root: it must enrol again",
    errors.UNTRUSTED_CERTIFICATE: "a certificate is not from the expected authority",
    errors.WRONG_CLASS: "this program may not connect with this identity",
    errors.WRONG_ROLE: "this identity is for another kind of program",
    errors.FORBIDDEN: "this device is not admitted",
}
"""Reasons that waiting does not mend: who asks is told at once, the retries go on slowly."""


@dataclass(slots=True)
class Backoff:
    """Seconds until the next attempt: doubling, with jitter, so that a fleet does not march."""

    first_s: float = 0.1
    most_s: float = 3.0
    _next_s: float = 0.0

    def reset(self) -> None:
        self._next_s = 0.0

    def next_s(self) -> float:
        self._next_s = min(max(self._next_s * 2, self.first_s), self.most_s)
        return self._next_s * random.uniform(0.75, 1.25)


class _Renewed(Exception):
    """The identity has its next certificate: connect again with it."""


class Link:
    """One connection at a time, kept up from `start` to `close`.

    `on_line` gets lines that are not of the session with the backend; `on_error` the session, code
    and text of the gateway's errors about such a session; `on_change` hears of up and down.
    """

    def __init__(
        self,
        device: Device,
        *,
        backoff: Backoff | None = None,
        keep_alive_s: float = KEEP_ALIVE_S,
        silence_s: float = SILENCE_S,
    ) -> None:
        """`keep_alive_s`: how often the gateway is asked for a sign of life; it has `silence_s`."""
        self.device = device
        self._keep_alive_s = keep_alive_s
        self._silence_s = silence_s
        self.on_line: Callable[[Line], None] = lambda _: None
        self.on_error: Callable[[str, str, str], None] = lambda *_: None
        self.on_change: Callable[[bool], None] = lambda _: None
        self.ready: Body = {}
        self._backoff = backoff or Backoff()
        self._backend: Exchange | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._known = asyncio.Event()  # up, or certain that waiting is no use
        self._reason = "not connected yet"
        self._ahead_ms = 0
        self._heard = 0.0
        self._keeper: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._keeper = asyncio.create_task(self._keep(), name="link")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._keeper is not None:
            self._keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._keeper
        self._drop("closed")

    @property
    def connected(self) -> bool:
        return self._backend is not None

    def now_ms(self) -> int:
        """Milliseconds since 1970 UTC by the backend's clock, as it said when the session opened.

        A box without a battery may not know the time; its contracts must still be fresh.
        """
        return time.time_ns() // 1_000_000 + self._ahead_ms

    async def backend(self, timeout_s: float) -> Exchange:
        """The open session with the backend. Raises Unreachable, with the reason in plain words."""
        if self._backend is not None and self._backend.session.is_over(self.now_ms()):
            self._drop("the session was too old")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._known.wait()
        if self._backend is None:
            raise Unreachable(self._reason)
        return self._backend

    def write(self, raw: bytes) -> None:
        """Sends a whole line. Raises Unreachable."""
        if self._writer is None:
            raise Unreachable(self._reason)
        self._writer.write(raw)

    async def _keep(self) -> None:
        while True:
            try:
                async with asyncio.timeout(CONNECT_TIMEOUT_S):
                    reader = await self._connect()
                self._backoff.reset()
                assert self._writer is not None
                beating = asyncio.create_task(self._keep_alive(self._writer))
                try:
                    await self._listen(reader)
                finally:
                    beating.cancel()
                reason, no_access = "the connection was lost", False
            except _Renewed:
                self._drop("connecting again with the new certificate")
                continue
            except (OSError, EOFError, ValueError, ProtocolError, Unreachable) as error:
                reason, no_access = _explain(error)
            self._drop(reason)
            if no_access:
                self._known.set()
            await asyncio.sleep(self._backoff.next_s())

    async def _connect(self) -> asyncio.StreamReader:
        host, port = self.device.gateway
        reader, writer = await asyncio.open_connection(
            host, port, ssl=self.device.tls, server_hostname=GATEWAY_NAME, limit=MAX_LINE
        )
        self._writer = writer
        me = self.device
        initiator = Initiator(me.identity, me.trust, "backend", "backend", self.now_ms())
        writer.write(initiator.hello())
        writer.write(initiator.prove(await _read(reader)))
        session, self.ready = initiator.ready(await _read(reader))
        take_up_roots(me.folder, me.trust, session, self.ready, self.now_ms())
        await self._renew_if_due(session, reader, writer)
        theirs = self.ready.get("time_ms")
        if isinstance(theirs, int):
            self._ahead_ms = theirs - time.time_ns() // 1_000_000
        self._backend = Exchange(session, "backend", self.write)
        self._known.set()
        self.on_change(True)
        return reader

    async def _renew_if_due(
        self, session: Session, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Before the session is used for anything: the next certificate, if it is time.

        Raises _Renewed once it is in place: the next connection is made with it.
        """
        shown = session.peer.certificate
        if not is_due(self.device.identity.chain_der, self.now_ms(), shown):
            return

        async def ask(kind: str, verb: str, body: Body) -> Body | None:
            writer.write(session.seal(kind, verb, "backend", to_json({"id": _RENEWAL_ID, **body})))
            while True:
                line = await _read(reader)
                if line.session != session.id:
                    if line.session != "-":
                        self.on_line(line)
                    continue
                answer = from_json(session.open(line))
                if answer.get("re") == _RENEWAL_ID:
                    return answer if line.verb == "STATUS" else None

        if await renew(self.device.folder, ask):
            self.device.reload()
            raise _Renewed

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        while self._backend is not None:
            line = await _read(reader)
            self._heard = time.monotonic()
            if line.session == "-":
                self._notice(line)
            elif self._backend is not None and line.session == self._backend.session.id:
                self._backend.receive(line)
            else:
                self.on_line(line)

    def _notice(self, line: Line) -> None:
        """The gateway's own word. Raises PeerError: the connection is of no use any more."""
        error = read_error(line)
        if error is None:
            return  # the answer to a keep-alive
        session = from_json(line.payload).get("session")
        if type(session) is not str:
            # Something that was sent did not arrive, so the sequence of the session is broken.
            raise PeerError(*error)
        self.on_error(session, *error)

    async def _keep_alive(self, writer: asyncio.StreamWriter) -> None:
        """Ends a connection over which not even the gateway answers any more."""
        while True:
            await asyncio.sleep(self._keep_alive_s)
            writer.write(_KEEP_ALIVE)
            asked = time.monotonic()
            await asyncio.sleep(self._silence_s)
            if self._heard < asked:
                writer.transport.abort()

    def _drop(self, reason: str) -> None:
        self._reason = reason
        self._known.clear()
        backend, self._backend = self._backend, None
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()
        if backend is not None:
            backend.end(reason)
            self.on_change(False)


async def _read(reader: asyncio.StreamReader) -> Line:
    raw = await reader.readline()
    if not raw.endswith(b"\n"):
        raise EOFError
    return parse(raw)


def _explain(error: Exception) -> tuple[str, bool]:
    """Why there is no connection, for people; and whether waiting is of no use."""
    match error:
        case ssl.SSLCertVerificationError():
            return "the gateway's certificate is not from our authority", True
        case ssl.SSLError() if "ALERT" in (error.reason or ""):
            return "the gateway did not accept this device's TLS certificate", True
        case TimeoutError():
            return "the gateway does not answer", False
        case ConnectionRefusedError():
            return "nothing listens at the gateway's address", False
        case PeerError() | HandshakeError() if error.code in _NO_ACCESS:
            return _NO_ACCESS[error.code], True
        case LineError() | ProtocolError():
            return error.text or error.code, False
    return "the connection was lost", False
