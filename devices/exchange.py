"""Questions and answers over one open session: an answer's `re` names its question's `id`."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

from protocol.encoding import from_json, to_json
from protocol.errors import BAD_BODY, BodyError
from protocol.line import Line
from protocol.record import Session

Body = dict[str, Any]
WORKING = "working"
"""The state in a sign of life."""
_MOST_UNREAD = 256


class Unreachable(Exception):
    """There is no session with the other end, or it ended before the answer came."""


class NoAnswer(Exception):
    """The other end did not answer in time; it may have acted all the same."""


class Refused(Exception):
    """The other end answered `I ERROR`: a code for programs, a text for people."""

    def __init__(self, code: str, text: str = "") -> None:
        super().__init__(text or code)
        self.code = code


@dataclass(frozen=True, slots=True)
class Message:
    """One opened record."""

    kind: str
    verb: str
    body: Body


_Inbox = asyncio.Queue[Message | None]  # None: the session ended


class Exchange:
    """One session's traffic. `write` takes a whole line; `to` is the address on each line.

    Answers go to whoever asked; everything else goes, in order, to `next_message`.
    """

    def __init__(self, session: Session, to: str, write: Callable[[bytes], None]) -> None:
        self.session = session
        self.ended = asyncio.Event()
        self._to = to
        self._write = write
        self._last_id = 0
        self._unread = _Inbox()
        self._waiting: dict[int, _Inbox] = {}
        self._end_reason = "the connection was lost"

    def post(self, kind: str, verb: str, body: Body) -> None:
        """Sends without waiting for an answer. Raises Unreachable."""
        if self.ended.is_set():
            raise Unreachable(self._end_reason)
        self._write(self.session.seal(kind, verb, self._to, to_json(body)))

    def next_id(self) -> int:
        """A number for a question, not used before in this session."""
        self._last_id += 1
        return self._last_id

    def expect(self, number: int) -> None:
        """From now on answers to `number` are kept for `asked` or `answers`."""
        self._waiting[number] = _Inbox()

    async def ask(self, kind: str, verb: str, body: Body, timeout_s: float) -> Message:
        """Sends with a fresh `id` and waits for its answer.

        Raises Refused, NoAnswer, Unreachable.
        """
        number = self.next_id()
        self.expect(number)
        try:
            self.post(kind, verb, {"id": number, **body})
            return await self._next_answer(number, timeout_s)
        finally:
            self._waiting.pop(number, None)

    async def asked(self, number: int, timeout_s: float) -> Message:
        """The answer to what was posted under an expected `number`. Raises as `ask`."""
        try:
            return await self._next_answer(number, timeout_s)
        finally:
            self._waiting.pop(number, None)

    async def worked_out(self, number: int, silence_s: float) -> Message:
        """The same of an end that is trusted to work as long as it gives signs of life, `silence_s`
        apart at most. The last of them and the answer may come at once: neither is lost."""
        try:
            while True:
                message = await self._next_answer(number, silence_s)
                if message.body.get("state") != WORKING:
                    return message
        finally:
            self._waiting.pop(number, None)

    async def answers(
        self, kind: str, verb: str, body: Body, timeout_s: float
    ) -> AsyncIterator[Message]:
        """As `ask`, for answers in several messages: progress, rows, chunks. `timeout_s` is the
        longest silence between two of them."""
        number = self.next_id()
        self.expect(number)
        try:
            self.post(kind, verb, {"id": number, **body})
            more = True
            while more:
                message = await self._next_answer(number, timeout_s)
                more = bool(message.body.get("more")) or message.body.get("state") == WORKING
                yield message
        finally:
            self._waiting.pop(number, None)

    async def _next_answer(self, number: int, timeout_s: float) -> Message:
        if self.ended.is_set():
            raise Unreachable(self._end_reason)
        try:
            async with asyncio.timeout(timeout_s):
                message = await self._waiting[number].get()
        except TimeoutError:
            raise NoAnswer(f"no answer in {timeout_s:g} s") from None
        if message is None:
            raise Unreachable(self._end_reason)
        if message.verb == "ERROR":
            raise _refusal(message.body)
        return message

    def receive(self, line: Line) -> None:
        """Takes the next record of this session. Raises ProtocolError: the session is over."""
        try:
            body = from_json(self.session.open(line))
        except ValueError:
            raise BodyError(BAD_BODY) from None
        message = Message(line.kind, line.verb, body)
        answered = body.get("re")
        waiting = self._waiting.get(answered) if type(answered) is int else None
        inbox = self._unread if waiting is None else waiting
        if inbox.qsize() >= _MOST_UNREAD:  # nobody reads: the oldest news is worth least
            inbox.get_nowait()
        inbox.put_nowait(message)

    async def next_message(self) -> Message:
        """The next message that answers no question. Raises Unreachable when the session ended."""
        message = await self._unread.get()
        if message is None:
            self._unread.put_nowait(None)
            raise Unreachable(self._end_reason)
        return message

    def end(self, reason: str) -> None:
        """No more traffic: every waiting question fails with Unreachable."""
        if self.ended.is_set():
            return
        self._end_reason = reason
        self.ended.set()
        for inbox in (self._unread, *self._waiting.values()):
            inbox.put_nowait(None)


def _refusal(body: Body) -> Refused:
    code, text = body.get("code"), body.get("text")
    return Refused(
        code if isinstance(code, str) else BAD_BODY, text if isinstance(text, str) else ""
    )
