"""Questions that the gateway itself puts to the backend over their link, and the answers."""

import asyncio
from base64 import b64decode, b64encode
from collections.abc import Callable
from typing import Final

TIMEOUT_S: Final = 3.0
OUTSTANDING_MOST: Final = 64


class Questions:
    """`say` queues a control line for the backend; it gives False while there is no link."""

    def __init__(self, say: Callable[[bytes], bool]) -> None:
        self._say = say
        self._waiting: dict[int, asyncio.Future[bytes]] = {}
        self._last = 0

    async def ask(self, what: str, body: bytes) -> bytes:
        """The backend's answer; empty where it has none, or none in time."""
        if len(self._waiting) >= OUTSTANDING_MOST:
            return b""
        self._last += 1
        number = self._last
        waiting = self._waiting[number] = asyncio.get_running_loop().create_future()
        try:
            if not self._say(b"0 @ASK %d %b %b\n" % (number, what.encode(), _b64(body))):
                return b""
            return await asyncio.wait_for(waiting, TIMEOUT_S)
        except TimeoutError:
            return b""
        finally:
            del self._waiting[number]

    def told(self, number: bytes, answer: bytes) -> None:
        """An answer came; one that nobody waits for any more is dropped."""
        waiting = self._waiting.get(int(number)) if number.isdigit() else None
        if waiting is not None and not waiting.done():
            waiting.set_result(b64decode(answer) if answer != b"-" else b"")


def _b64(body: bytes) -> bytes:
    return b64encode(body) or b"-"
