"""The outermost layer of the site: what holds for every answer, whatever went wrong inside.

Security headers, the hosts that are answered, a time limit for reading a request, HEAD, and one
log line a request that holds the route's pattern but no address, no query and nothing of a person.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from adapters.web.config import WebConfig

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Any, Any, Any], Awaitable[None]]

READ_LIMIT_S = 10.0
"""How long a request may take to arrive, body included."""

_log = logging.getLogger("ticketrestaurant.website")

_CONTENT_SECURITY_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)

# Referrer-Policy must let our own pages through: with no-referrer browsers post "Origin: null".
_HEADERS = {
    "content-security-policy": _CONTENT_SECURITY_POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=()",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
_ONE_YEAR = "max-age=31536000"


def security_headers(config: WebConfig) -> list[tuple[bytes, bytes]]:
    """What every answer carries."""
    headers = _HEADERS | ({"strict-transport-security": _ONE_YEAR} if config.https else {})
    return [(name.encode(), value.encode()) for name, value in headers.items()]


class Edge:
    """An ASGI application around the site's."""

    def __init__(
        self, app: App, config: WebConfig, answers: MutableMapping[int, int] | None = None
    ) -> None:
        """`answers` counts what was answered, by status."""
        self._answers = {} if answers is None else answers
        self._app = app
        self._hosts = config.allowed_hosts
        self._headers = security_headers(config)

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """One request (or the life span of the process)."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return
        started_ns = time.perf_counter_ns()
        answer = _Answer(send, self._headers)
        if not self._is_our_host(scope):
            await answer.plain(421, b"This host is not served here.\n")
            return
        # HEAD is a GET whose body the server leaves out.
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        inner = {**scope, "method": method}
        try:
            await self._app(inner, _within(READ_LIMIT_S, receive), answer.send)
        except TimeoutError:
            await answer.plain(408, b"The request took too long to arrive.\n")
        except Exception as error:  # the last resort: nothing of the error may reach log or answer
            _log.error("unexpected %s in %s", type(error).__name__, _pattern(inner))
            await answer.plain(500, b"Something went wrong.\n")
        self._answers[answer.status] = self._answers.get(answer.status, 0) + 1
        spent_ms = (time.perf_counter_ns() - started_ns) // 1_000_000
        _log.info("%s %s %s %d ms", method, _pattern(inner), answer.status, spent_ms)

    def _is_our_host(self, scope: MutableMapping[str, Any]) -> bool:
        hosts = [value for name, value in scope["headers"] if name == b"host"]
        return len(hosts) == 1 and hosts[0].decode("latin-1").lower() in self._hosts


class _Answer:
    """Adds the headers to whatever is answered, and remembers the status."""

    def __init__(self, send: Send, headers: list[tuple[bytes, bytes]]) -> None:
        self._send = send
        self._headers = headers
        self.status = 0

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = self._with_ours(message.get("headers", ()))
        await self._send(message)

    async def plain(self, status: int, text: bytes) -> None:
        """A bare answer, if none was begun."""
        if self.status:
            return
        media_type = (b"content-type", b"text/plain; charset=utf-8")
        length = (b"content-length", str(len(text)).encode())
        start = {"type": "http.response.start", "status": status, "headers": [media_type, length]}
        await self.send(start)
        await self.send({"type": "http.response.body", "body": text})

    def _with_ours(self, theirs: Any) -> list[tuple[bytes, bytes]]:
        headers = [(bytes(name), bytes(value)) for name, value in theirs]
        if not any(name.lower() == b"cache-control" for name, _ in headers):
            # Pages hold a shop's figures: no copy in a cache, none behind the "back" button.
            headers.append((b"cache-control", b"no-store"))
        return headers + self._headers


def _within(seconds: float, receive: Receive) -> Receive:
    """`receive`, until `seconds` from now have passed while the request still arrives."""
    deadline = time.monotonic() + seconds
    whole = False

    async def limited() -> Message:
        nonlocal whole
        if whole:
            return await receive()
        async with asyncio.timeout(max(0.0, deadline - time.monotonic())):
            message = await receive()
        whole = not message.get("more_body", False)
        return message

    return limited


def _pattern(scope: MutableMapping[str, Any]) -> str:
    """The route's pattern, `/shops/{shop_id}`, never the path itself."""
    return str(scope.get("path_template") or "(no page)")
