"""CRL, OCSP and the authorities' certificates over plain HTTP, as RFC 5280 and RFC 6960 have it.

A port of its own, read-only and public: what is told is signed by the authority in the backend's
HSM. The gateway passes questions on and keeps the last list for when the backend is away.
"""

import asyncio
import base64
import binascii
import contextlib
import re
import socket
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final
from urllib.parse import unquote

import uvicorn

from adapters.gateway.questions import Questions
from adapters.patient_http import patient

OCSP_TYPE: Final = "application/ocsp-response"
MOST_BYTES: Final = 2048
_CRL_KEEP_S: Final = 5.0
_CRL_GOOD_S: Final = 12 * 3600.0
_MOST_CONNECTIONS: Final = 128
_MOST_OF_ADDRESS: Final = 64
_HEADERS: Final = [(b"x-content-type-options", b"nosniff")]
_AUTHORITY: Final = re.compile(r"/ca/((?:root|issuing|link)(?:-[1-9][0-9]?)?)\.cer")
_LIST: Final = re.compile(r"/crl/((?:root|issuing)(?:-[1-9][0-9]?)?)\.crl")
_PLACES: Final = (
    "there is /crl/issuing.crl, /crl/root.crl, /ocsp, /ca/issuing.cer and /ca/root.cer; of later"
    " issuing keys /crl/issuing-2.crl and /ca/issuing-2.cer, and so on; of a root that followed"
    " another /crl/root-2.crl, /ca/root-2.cer and /ca/link-2.cer, the link from the one before"
)
_BACKLOG: Final = 128
_Send = Callable[[dict[str, Any]], Awaitable[None]]
_Receive = Callable[[], Awaitable[dict[str, Any]]]


class ValidationHttp:
    """An ASGI application: /crl/issuing.crl, /crl/root.crl, /ocsp, /ca/issuing.cer, /ca/root.cer.

    Later generations have /crl/issuing-2.crl and /ca/issuing-2.cer, and so on; of the root there is
    also /ca/link-2.cer.
    """

    def __init__(self, questions: Questions) -> None:
        self._questions = questions
        self._lists: dict[str, tuple[bytes, float]] = {}
        self.answered = 0

    async def __call__(self, scope: dict[str, Any], receive: _Receive, send: _Send) -> None:
        """See ASGI. Every answer is short, and says how long it may be kept."""
        if scope["type"] != "http":
            return
        status, kind, body = await self._answer(scope["method"], scope["path"], scope, receive)
        self.answered += 1
        headers = [
            (b"content-type", kind.encode()),
            (b"content-length", str(len(body)).encode()),
            *_HEADERS,
            (b"cache-control", b"no-store" if status != 200 else b"max-age=60, public"),
        ]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        shown = body if scope["method"] != "HEAD" else b""
        await send({"type": "http.response.body", "body": shown})

    async def _answer(
        self, method: str, path: str, scope: dict[str, Any], receive: _Receive
    ) -> tuple[int, str, bytes]:
        if path == "/ocsp" and method == "POST":
            request = await _body(receive)
            return await self._ocsp(request) if request else _text(413, "too much, or nothing")
        if method not in ("GET", "HEAD"):
            return _text(405, "only GET, and POST to /ocsp")
        if found_list := _LIST.fullmatch(path):
            name = found_list[1]
            of_root = name.startswith("root")
            return await self._list("crl-" + name if of_root else name.replace("issuing", "crl"))
        if named := _AUTHORITY.fullmatch(path):
            found = await self._questions.ask(named[1], b"")
            return (200, "application/pkix-cert", found) if found else _text(503, "try again")
        raw = scope.get("raw_path", b"").decode("ascii", "replace")
        if raw.startswith("/ocsp/"):
            request = _from_url(raw.removeprefix("/ocsp/"))
            return await self._ocsp(request) if request else _text(400, "not an OCSP request")
        return _text(404, _PLACES)

    async def _ocsp(self, request: bytes) -> tuple[int, str, bytes]:
        found = await self._questions.ask("ocsp", request)
        return (200, OCSP_TYPE, found) if found else _text(503, "try again")

    async def _list(self, what: str) -> tuple[int, str, bytes]:
        now_s = time.monotonic()
        crl, since_s = self._lists.get(what, (b"", 0.0))
        if not crl or now_s - since_s > _CRL_KEEP_S:
            found = await self._questions.ask(what, b"")
            if found:
                crl, since_s = found, now_s
                self._lists[what] = crl, since_s  # at most two hundred names fit the pattern
        if not crl or now_s - since_s > _CRL_GOOD_S:
            return _text(503, "try again")
        return 200, "application/pkix-crl", crl


class ValidationServer:
    """Serves `ValidationHttp` in the gateway's event loop."""

    def __init__(self, questions: Questions, host: str, port: int) -> None:
        self._address = host, port
        self._server = _Quiet(
            uvicorn.Config(
                ValidationHttp(questions),
                log_config=None,
                access_log=False,
                lifespan="off",
                server_header=False,
                http=patient(_HEADERS, most=_MOST_CONNECTIONS, most_of_address=_MOST_OF_ADDRESS),
                timeout_keep_alive=5,
                h11_max_incomplete_event_size=8192,
            )
        )
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Starts serving. Raises OSError when the port is taken."""
        family = socket.AF_INET6 if ":" in self._address[0] else socket.AF_INET
        listening = socket.create_server(self._address, family=family, backlog=_BACKLOG)
        self._task = asyncio.get_running_loop().create_task(self._server.serve([listening]))

    async def stop(self) -> None:
        """Ends it."""
        self._server.should_exit = self._server.force_exit = True
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)


class _Quiet(uvicorn.Server):
    """Signals are the gateway's business."""

    def install_signal_handlers(self) -> None:
        """None."""

    def capture_signals(self) -> Any:
        """None: a context that does nothing."""
        return contextlib.nullcontext()


async def _body(receive: _Receive) -> bytes:
    """The request's body, empty where it is too long or never ends."""
    body = bytearray()
    try:
        async with asyncio.timeout(5):
            while True:
                message = await receive()
                if message["type"] != "http.request":
                    return b""
                body += message.get("body", b"")
                if len(body) > MOST_BYTES:
                    return b""
                if not message.get("more_body"):
                    return bytes(body)
    except TimeoutError:
        return b""


def _from_url(text: str) -> bytes:
    """RFC 6960 appendix A.1: base64, then percent-encoded."""
    try:
        request = base64.b64decode(unquote(text, errors="strict"), validate=True)
    except (binascii.Error, ValueError):
        return b""
    return request if len(request) <= MOST_BYTES else b""


def _text(status: int, text: str) -> tuple[int, str, bytes]:
    return status, "text/plain; charset=utf-8", text.encode() + b"\n"
