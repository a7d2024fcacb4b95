"""The link that brings reports: a client of the gateway, in a session with the backend.

It comes back for ever. No page waits for it: with the gateway down the news stops and the pages
stay. The one thing that goes the other way is what payment processors tell (`webhooks.py`).
"""

import asyncio
import logging
import random
from pathlib import Path
from typing import Literal

from psycopg import Error as PostgresError

from adapters.tls import server_name
from adapters.web.asking import Asking
from adapters.web.config import Clock
from adapters.web.identity import IdentityError, WebsiteIdentity, load_identity
from adapters.web.report_message import ReportRefused, parse_report
from adapters.web.report_store import Gap, ReportStore
from devices.roots import take_up_roots
from protocol.encoding import from_json, to_json
from protocol.errors import PeerError, ProtocolError
from protocol.line import MAX_LINE, Line, parse, read_error
from protocol.record import Session

_log = logging.getLogger("ticketrestaurant.website")

_CONNECT_S = 5.0
_HANDSHAKE_S = 10.0
_SILENCE_S = 60.0  # reports come every few seconds; after this long the connection is dead
_FIRST_WAIT_S = 0.2
_LONGEST_WAIT_S = 5.0

State = Literal["off", "connecting", "connected"]


class ReportLink:
    """Keeps one session with the backend and stores what it reports."""

    def __init__(
        self,
        identity: Path | None,
        store: ReportStore,
        clock: Clock,
        gateway: tuple[str, int] | None = None,
    ) -> None:
        """`gateway`: host and port in place of those in the identity folder."""
        self._folder = identity
        self._gateway = gateway
        self._store = store
        self._clock = clock
        self._wait_s = _FIRST_WAIT_S
        self._last_reason = ""
        self.asking = Asking()
        """What is asked of the backend over the same session."""
        self.state: State = "off"

    async def run(self) -> None:
        """Connect, store reports, come back; returns only when cancelled."""
        if self._folder is None:
            return
        while True:
            self.state = "connecting"
            try:
                await self._connect_and_store(load_identity(self._folder))
            except Exception as error:  # whatever it was, the next attempt may do
                self._say(_reason(error))
            # Jitter: many websites must not all come back in the same moment.
            await asyncio.sleep(self._wait_s * random.uniform(0.5, 1.0))
            self._wait_s = min(self._wait_s * 2, _LONGEST_WAIT_S)

    async def _connect_and_store(self, us: WebsiteIdentity) -> None:
        async with asyncio.timeout(_CONNECT_S):
            reader, writer = await asyncio.open_connection(
                *(self._gateway or us.gateway),
                ssl=us.tls,
                server_hostname=server_name("gateway"),
                limit=MAX_LINE + 1,
            )
        try:
            async with asyncio.timeout(_HANDSHAKE_S):
                session = await self._open_session(us, reader, writer)
            await self._say_what_we_have(session, writer)
            self.asking.opened(
                lambda verb, body: writer.write(session.seal("C", verb, "backend", to_json(body)))
            )
            self.state = "connected"
            self._last_reason = ""
            _log.info("reports: connected")
            await self._store_reports(session, reader, writer)
        finally:
            self.asking.closed()
            writer.close()

    async def _open_session(
        self, us: WebsiteIdentity, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> Session:
        handshake = us.initiator(self._clock() // 1_000)
        writer.write(handshake.hello())
        await writer.drain()
        writer.write(handshake.prove(await _read_line(reader)))
        await writer.drain()
        session, ready = handshake.ready(await _read_line(reader))
        take_up_roots(us.folder, us.trust, session, ready, self._clock() // 1_000)
        return session

    async def _say_what_we_have(self, session: Session, writer: asyncio.StreamWriter) -> None:
        status = {"id": 1, "state": "have", "upto": await self._store.upto()}
        writer.write(session.seal("I", "STATUS", "backend", to_json(status)))
        await writer.drain()

    async def _store_reports(
        self, session: Session, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while not session.is_over(self._clock() // 1_000):
            async with asyncio.timeout(_SILENCE_S):
                line = await _read_line(reader)
            if line.session == "-":
                continue  # the gateway's own words, in clear: they decide nothing
            body = session.open(line)
            if (line.kind, line.verb) == ("D", "REPORT"):
                verb, answer = await self._answer(body)
                writer.write(session.seal("I", verb, "backend", to_json(answer)))
                await writer.drain()
                self._wait_s = _FIRST_WAIT_S
            else:
                self.asking.answered(line, body)

    async def _answer(self, body: bytes) -> tuple[str, dict[str, object]]:
        """Store a report; the verb and body of what the backend hears about it."""
        try:
            report = parse_report(body)
            outcome = await self._store.store(report, self._clock())
        except ReportRefused as refused:
            _log.error("reports: refused, %s", refused)
            return "ERROR", {"re": _id_of(body), "code": refused.code, "text": refused.text}
        state = "have" if isinstance(outcome, Gap) else "stored"
        return "STATUS", {"re": report.id, "state": state, "upto": outcome.upto}

    def _say(self, reason: str) -> None:
        """Log why there is no news: once, not every five seconds for a night."""
        if reason != self._last_reason:
            _log.warning("reports: %s; trying again", reason)
        self._last_reason = reason


def _reason(error: Exception) -> str:
    """What went wrong, in words that hold nothing of what was sent or stored."""
    match error:
        case IdentityError():
            return f"identity: {error}"
        case ProtocolError():
            return f"{type(error).__name__} {error.code}"
        case PostgresError():
            # What was reported is not acknowledged, so it comes again.
            return f"database: {type(error).__name__}"
    return type(error).__name__


async def _read_line(reader: asyncio.StreamReader) -> Line:
    """The next line. Raises `PeerError` if it is an error in clear, `EOFError` at the end."""
    raw = await reader.readline()
    if not raw.endswith(b"\n"):
        raise EOFError
    line = parse(raw)
    error = read_error(line)
    if error is not None:
        raise PeerError(*error)
    return line


def _id_of(body: bytes) -> int:
    """The id of a report that cannot be stored, 0 if even that cannot be read."""
    try:
        found = from_json(body).get("id")
    except ValueError:
        return 0
    return found if isinstance(found, int) else 0
