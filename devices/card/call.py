"""A card's call to a terminal: through the gateway, end to end sealed, past the backend."""

import asyncio
import time
from uuid import UUID

from devices.exchange import Exchange, NoAnswer, Refused, Unreachable
from devices.link import Link
from protocol.encoding import from_json
from protocol.errors import MALFORMED, ProtocolError
from protocol.handshake import Initiator
from protocol.line import Line

HANDSHAKE_TIMEOUT_S = 10.0
_KEPT_S = 300.0  # shorter than a POS keeps a silent caller


class Calls:
    """One call at a time over the link of a card; kept open for the next question to the same
    terminal."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._session_id = ""  # the offer, until the terminal has answered
        self._terminal: UUID | None = None
        self._used_s = 0.0
        self._exchange: Exchange | None = None
        self._answers: asyncio.Queue[Line | Exception] = asyncio.Queue()
        link.on_line = self._take
        link.on_error = self._error
        link.on_change = self._line_changed

    async def to(self, terminal: UUID) -> Exchange:
        """An open session with the terminal.

        Raises Unreachable (no connection), Refused (no such terminal), NoAnswer, ProtocolError (it
        is not that terminal).
        """
        await self._link.backend(HANDSHAKE_TIMEOUT_S)
        kept, idle_s = self._exchange, time.monotonic() - self._used_s
        self._used_s = time.monotonic()
        if kept is not None and not kept.ended.is_set():
            if self._terminal == terminal and idle_s < _KEPT_S:
                return kept
            kept.end("another call was made")
        self._exchange, self._terminal = None, terminal
        self._exchange = await self._open(terminal)
        return self._exchange

    async def _open(self, terminal: UUID) -> Exchange:
        me = self._link.device
        initiator = Initiator(me.identity, me.trust, str(terminal), "pos", self._link.now_ms())
        self._answers = asyncio.Queue()
        self._session_id = initiator.offer
        self._link.write(initiator.hello())
        self._link.write(initiator.prove(await self._next_line()))
        session, _ = initiator.ready(await self._next_line())
        self._session_id = session.id
        return Exchange(session, "peer", self._link.write)

    async def _next_line(self) -> Line:
        try:
            async with asyncio.timeout(HANDSHAKE_TIMEOUT_S):
                line = await self._answers.get()
        except TimeoutError:
            raise NoAnswer("the terminal does not answer") from None
        if isinstance(line, Exception):
            raise line
        return line

    def _take(self, line: Line) -> None:
        if not self._session_id or not line.session.startswith(self._session_id):
            return
        if self._exchange is None:
            self._answers.put_nowait(_declined(line) if line.verb == "ERROR" else line)
            return
        try:
            self._exchange.receive(line)
        except ProtocolError as error:
            self._exchange.end(f"the terminal's message was not acceptable ({error.code})")

    def _error(self, session_id: str, code: str, text: str) -> None:
        if self._session_id and session_id.startswith(self._session_id):
            self._fail(Refused(code, text))

    def _line_changed(self, up: bool) -> None:
        if not up:
            self._fail(Unreachable("the connection was lost"))

    def _fail(self, error: Exception) -> None:
        if self._exchange is not None:
            self._exchange.end(str(error))
        else:
            self._answers.put_nowait(error)


def _declined(line: Line) -> Refused:
    try:
        body = from_json(line.payload)
    except ValueError:
        body = {}
    code, text = body.get("code"), body.get("text")
    known = code if type(code) is str else MALFORMED
    return Refused(known, text if type(text) is str else "")
