"""Uvicorn's HTTP, and what it leaves out: an end to slow heads, to many connections of one address.

Answers that the application never sees (a request that is none, a full house) carry the same
headers as its own.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, cast

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_S = 10.0
"""For request line and headers to arrive whole, from the connection or their first byte on."""
_GIVEN_TO_SAY_SO_S = 1.0
_BUSY = (b"503 Service Unavailable", b"Too many connections. Try again.\n")
_LATE = (b"408 Request Timeout", b"The request took too long to arrive.\n")
_NO_REQUEST = (b"400 Bad Request", b"This is not an HTTP request.\n")


def patient(
    headers: Sequence[tuple[bytes, bytes]],
    *,
    most: int,
    most_of_address: int,
    no_limit_for: frozenset[str] = frozenset(),
    head_s: float = HEAD_S,
) -> type[asyncio.Protocol]:
    """A protocol for `uvicorn.Config(http=…)`, without that one's `limit_concurrency`.

    `headers` of its own answers; `most` connections, `most_of_address` of one address, but for
    those in `no_limit_for`: proxies that speak for many.
    """

    class Patient(_Patient):
        limits = _Limits(tuple(headers), most, most_of_address, no_limit_for, head_s)

    return Patient


class _Limits:
    def __init__(
        self,
        headers: tuple[tuple[bytes, bytes], ...],
        most: int,
        most_of_address: int,
        no_limit_for: frozenset[str],
        head_s: float,
    ) -> None:
        self.headers, self.most, self.most_of_address = headers, most, most_of_address
        self.no_limit_for, self.head_s = no_limit_for, head_s


class _Patient(H11Protocol):
    limits: _Limits

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._late: asyncio.TimerHandle | None = None
        self._was_late = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if not self._is_welcome():
            self._end(_BUSY)
            return
        self._expect_more()

    def _is_welcome(self) -> bool:
        limits, address = self.limits, self.client[0] if self.client else ""
        if len(self.connections) > limits.most:
            return False
        if address in limits.no_limit_for:
            return True
        others = cast(set[H11Protocol], self.connections)
        same = sum(other.client is not None and other.client[0] == address for other in others)
        return same <= limits.most_of_address

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        super().data_received(data)
        if self.conn.their_state in (h11.IDLE, h11.SEND_BODY):
            self._expect_more()
        else:
            self._it_came()

    def _expect_more(self) -> None:
        if self._late is None and not self.transport.is_closing():
            self._late = self.loop.call_later(self.limits.head_s, self._is_late)

    def _it_came(self) -> None:
        self._was_late = False
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _is_late(self) -> None:
        """A head is late. A body is the application's to wait for, while it has not answered."""
        self._late = None
        if self.conn.their_state is h11.IDLE:
            self._end(_LATE)
        elif self.cycle is None or self.cycle.response_complete or self._was_late:
            self.transport.abort()
        else:
            self._was_late = True
            self._expect_more()

    def connection_lost(self, exc: Exception | None) -> None:
        self._it_came()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """What is no request; in the middle of an answer there is nothing left to say."""
        if self.conn.our_state is h11.IDLE:
            self._end(_NO_REQUEST)
        else:
            self.transport.close()

    def _end(self, answer: tuple[bytes, bytes]) -> None:
        if self.transport.is_closing():
            return
        status, text = answer
        head = [
            b"HTTP/1.1 " + status,
            b"content-type: text/plain; charset=utf-8",
            b"content-length: %d" % len(text),
            b"cache-control: no-store",
            b"connection: close",
            *(name + b": " + value for name, value in self.limits.headers),
        ]
        self.transport.write(b"\r\n".join(head) + b"\r\n\r\n" + text)
        self._it_came()
        self.transport.close()
        # One that reads nothing would stay until it does.
        self.loop.call_later(_GIVEN_TO_SAY_SO_S, self.transport.abort)
