"""Questions of the website to the backend, over the session that brings reports.

A session may end at any moment; who waits then hears so, and nothing is asked twice by itself.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Final

from protocol.encoding import from_json
from protocol.errors import INTERNAL
from protocol.line import Line

MOST_WAITING: Final = 32
ANSWER_S: Final = 15.0
_FIRST_ID: Final = 1
"""That of the status on connecting; ours follow."""


class NotAsked(Exception):
    """There is no session, no answer in time, or too much is asked already: try later."""


class Refused(Exception):
    """The backend's no. `code` is for programs."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Asking:
    """For the event loop."""

    def __init__(self) -> None:
        self._send: Callable[[str, dict[str, Any]], None] | None = None
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._last_id = _FIRST_ID

    def opened(self, send: Callable[[str, dict[str, Any]], None]) -> None:
        """A session is open: `send` takes verb and body of a command."""
        self._send = send

    def closed(self) -> None:
        """It is over."""
        self._send = None
        waiting, self._waiting = self._waiting, {}
        for future in waiting.values():
            if not future.done():
                future.set_exception(NotAsked("the session ended"))

    async def ask(self, verb: str, body: dict[str, Any]) -> dict[str, Any]:
        """The result of a command. Raises NotAsked, Refused."""
        if self._send is None or len(self._waiting) >= MOST_WAITING:
            raise NotAsked("no session" if self._send is None else "too much at once")
        self._last_id += 1
        number = self._last_id
        future: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        try:
            self._send(verb, {"id": number, **body})
            async with asyncio.timeout(ANSWER_S):
                return await future
        except TimeoutError:
            raise NotAsked("no answer in time") from None
        finally:
            self._waiting.pop(number, None)

    def answered(self, line: Line, body: bytes) -> None:
        """A record that may be an answer; anything else is passed over."""
        try:
            read = from_json(body)
        except ValueError:
            return
        number = read.get("re")
        future = self._waiting.get(number) if isinstance(number, int) else None
        if future is None or future.done():
            return
        if line.verb == "ERROR":
            code = read.get("code")
            future.set_exception(Refused(code if isinstance(code, str) else INTERNAL))
        elif line.verb == "STATUS" and read.get("state") == "done":
            result = read.get("result")
            future.set_result(result if isinstance(result, dict) else {})
