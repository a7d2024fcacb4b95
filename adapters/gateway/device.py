"""One device's connection: cuts the stream into lines, limits them, reads the clear header.

This is the hot path: every authorization passes here twice. The payload is never looked at.
"""

import asyncio
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, cast

from adapters.gateway.limits import Bucket, Place
from adapters.gateway.notices import KEEP_ALIVE, LINK_DOWN, LINK_UP, REFUSALS, refusal
from protocol.errors import (
    LINE_TOO_LONG,
    MALFORMED,
    NO_SUCH_PEER,
    NOT_BOUND,
    NOT_UTF8,
    RATE_LIMITED,
    TIMED_OUT,
    UNAVAILABLE,
    LineError,
)
from protocol.line import MAX_LINE, UUID_PATTERN, parse

if TYPE_CHECKING:
    from adapters.gateway.relay import Relay

# Which group matched last says where a line goes: none = to the backend and sealed.
_HEADER: Final = re.compile(
    rb"TR1 [IDC] (?:(HELLO|PROVE)|[A-Z][A-Z-]{1,15}) (?:backend|(peer)|(%b)) "
    rb"(?:(-)|[0-9a-f]{16}(?:[0-9a-f]{16})?) (?:0|[1-9][0-9]{0,6}) [\w-]" % UUID_PATTERN.encode(),
    re.ASCII,
).match
_HANDSHAKE, _PEER, _TERMINAL, _UNSEALED = 1, 2, 3, 4
_TOKEN_SHIFT: Final = 12
"""A line costs one token and one more for each 4 KiB."""

# All connections read into one buffer: what it holds is copied out before the next one reads.
_BUFFER: Final = memoryview(bytearray(MAX_LINE))


class DeviceConnection(asyncio.BufferedProtocol):
    """A connection after TLS. `device_id` and `role` are empty until the backend binds them."""

    __slots__ = (
        "_address_bucket", "_bad_lines", "_bucket", "_partial", "_partial_since_s",
        "_paused_since_s", "_transport", "_write", "accepted_s", "address", "closing",
        "counters", "device_bucket", "device_id", "fingerprint", "handshakes", "introduced",
        "last_line_s", "lines_to_backend", "lines_to_devices", "number", "offers", "opened_on",
        "peer_tokens", "peers", "place", "prefix", "relay", "role", "tls_class", "why",
        "write_paused",
    )  # fmt: skip

    def __init__(self, relay: "Relay", address: str, place: Place) -> None:
        config = relay.config
        clock = relay.clock
        self.relay = relay
        self.counters = relay.counters
        self.address = address
        self.place = place
        self.fingerprint = ""
        self._address_bucket = place.address.tokens
        self.number = b""
        self.prefix = b""
        self.tls_class = ""
        self.device_id = b""
        self.role = ""
        self.introduced = False
        self.opened_on = 0
        self.closing = False
        self.why = "closed"
        self.peers: dict[bytes, DeviceConnection] = {}
        self.offers: dict[bytes, float] = {}
        self.handshakes = Bucket(config.handshake_lines_per_s, clock)
        self.peer_tokens = Bucket(config.peer_tokens_per_s, clock)
        self.device_bucket: Bucket | None = None
        self._bucket = Bucket(config.tokens_per_s_per_connection, clock)
        self._bad_lines = 0
        self._partial = b""
        self._partial_since_s = 0.0
        self.write_paused = False
        self._paused_since_s = 0.0
        self.accepted_s = self.last_line_s = clock()
        self.lines_to_backend = 0
        self.lines_to_devices = 0
        self._transport: asyncio.Transport | None = None
        self._write: Callable[[bytes], None] = _nowhere

    # The transport's calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=self.relay.config.write_high_water_bytes)
        self._write = self._transport.write
        self.relay.admit(self, transport)

    @property
    def connected(self) -> bool:
        """Whether TLS was ever up here."""
        return self._transport is not None

    def connection_lost(self, _exc: Exception | None) -> None:
        self.closing = True
        self.relay.closed(self)

    def get_buffer(self, _sizehint: int) -> memoryview:
        return _BUFFER

    def buffer_updated(self, nbytes: int) -> None:
        if self.closing:
            return
        chunk = bytes(_BUFFER[:nbytes])
        self.counters.bytes_from_devices += nbytes
        if self._partial:
            chunk = self._partial + chunk
            self._partial = b""
        if chunk.find(b"\n") == len(chunk) - 1:
            self._line(chunk)
        else:
            self._lines(chunk)
        if self.relay.link.write_paused:
            self.relay.hold_back(self)

    def pause_writing(self) -> None:
        self.write_paused = True
        self._paused_since_s = self.relay.clock()
        self.relay.link.control(self, b"@PAUSE")

    def resume_writing(self) -> None:
        self.write_paused = False
        self.relay.link.control(self, b"@RESUME")

    # Lines from the device

    def _lines(self, chunk: bytes) -> None:
        *whole, rest = chunk.split(b"\n")
        for line in whole:
            self._line(line + b"\n")
            if self.closing:
                return
        if len(rest) >= MAX_LINE:
            self.drop(LINE_TOO_LONG)
        elif rest:
            if whole or not self._partial_since_s:
                self._partial_since_s = self.relay.now_s
            self._partial = rest

    def _line(self, line: bytes) -> None:
        if len(line) > MAX_LINE:
            self.drop(LINE_TOO_LONG)
            return
        if not self._may_send(1 + (len(line) >> _TOKEN_SHIFT)):
            self.drop(RATE_LIMITED)
            return
        self._partial_since_s = 0.0
        header = _HEADER(line)
        if header is None or not line.isascii():
            self._bad(NOT_UTF8 if not _is_utf8(line) else MALFORMED)
            return
        to = header.lastindex
        if to is None:
            if self.device_id:
                self.last_line_s = self.relay.now_s
                self._to_backend(line)
            else:
                self._bad(NOT_BOUND)
        else:
            self._other_line(to, line)

    def _may_send(self, tokens: int) -> bool:
        if not self._bucket.take(tokens):
            return False
        of_device, of_address = self.device_bucket, self._address_bucket
        return (of_device is None or of_device.take(tokens)) and (
            of_address is None or of_address.take(tokens)
        )

    def _to_backend(self, line: bytes) -> None:
        link = self.relay.link
        if link.up:
            self.counters.lines_to_backend += 1
            self.lines_to_backend += 1
            link.relay(self.prefix, line)
        else:
            self.refuse(UNAVAILABLE)

    def _other_line(self, to: int, line: bytes) -> None:
        if to == _HANDSHAKE:
            if not self.handshakes.take():
                self.drop(RATE_LIMITED)
                return
            self.introduced = self.introduced or self.relay.link.up
            self._to_backend(line)
        elif to == _UNSEALED and line.startswith(KEEP_ALIVE):
            if not _is_whole(line):  # nobody behind us would notice
                self._bad(MALFORMED)
                return
            self.counters.keep_alives += 1
            self.last_line_s = self.relay.now_s
            self.send(LINK_UP if self.relay.link.up else LINK_DOWN)
        elif not self.device_id:
            self._bad(NOT_BOUND)
        elif to == _TERMINAL:
            self.last_line_s = self.relay.now_s
            self.relay.peers.to_terminal(self, line)
        elif to == _PEER:
            self.last_line_s = self.relay.now_s
            self.relay.peers.to_peer(self, line)
        elif b" peer - " in line[:64]:
            self.refuse(NO_SUCH_PEER)
        else:
            self._bad(MALFORMED)

    def _bad(self, code: str) -> None:
        self._bad_lines += 1
        if self._bad_lines >= self.relay.config.max_bad_lines:
            self.drop(code)
        else:
            self.refuse(code)

    # Lines to the device

    def send(self, line: bytes) -> None:
        """Writes a whole line; drops the connection if it has stopped reading."""
        if self.closing:
            return
        self._write(line)
        self.last_line_s = self.relay.now_s
        if self.write_paused:
            self._check_backlog()

    def refuse(self, code: str, session: bytes = b"") -> None:
        """`I ERROR`; the connection stays."""
        self.counters.refused[code] += 1
        self.send(refusal(code, session) if session else REFUSALS[code])

    def drop(self, code: str, why: str = "") -> None:
        """`I ERROR` and the end of this connection, of no other; `why`: for log and counters."""
        if self.closing or self._transport is None:
            return
        self.why = why or code
        self.counters.refused[self.why] += 1
        self._write(REFUSALS.get(code) or refusal(code))
        self.closing = True
        self._transport.close()

    def abort(self, why: str) -> None:
        """The end without a word, for one that does not read."""
        if self.closing or self._transport is None:
            return
        self.counters.refused[why] += 1
        self.why = why
        self.closing = True
        self._transport.abort()

    def _check_backlog(self) -> None:
        assert self._transport is not None
        if self._transport.get_write_buffer_size() > self.relay.config.write_limit_bytes:
            self.abort("slow-reader")

    # Flow and time

    def pause_reading(self) -> None:
        """Takes nothing more from the device for now; TCP slows it down."""
        if self._transport is not None and not self.closing:
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Goes on after `pause_reading`."""
        if self._transport is not None and not self.closing:
            self._transport.resume_reading()

    def check_time(self, now_s: float) -> None:
        """Called every second: drops what has waited too long."""
        if self.closing:
            return
        if self._overdue(now_s):
            self.drop(TIMED_OUT)
        elif self._reads_too_slowly(now_s):
            self.abort("slow-reader")
        elif self.offers:
            self.relay.peers.expire(self, now_s)

    def _overdue(self, now_s: float) -> bool:
        config = self.relay.config
        if not self.device_id and now_s - self.accepted_s > config.bind_timeout_s:
            return True
        if self._partial_since_s and now_s - self._partial_since_s > config.line_timeout_s:
            return True
        return now_s - self.last_line_s > config.idle_timeout_s

    def _reads_too_slowly(self, now_s: float) -> bool:
        limit_s = self.relay.config.slow_reader_timeout_s
        return self.write_paused and now_s - self._paused_since_s > limit_s


def _nowhere(_line: bytes) -> None:
    raise ConnectionError("no transport yet")


def _is_whole(line: bytes) -> bool:
    """Whether the payload is one too, and nothing, as a carriage return, stands after it."""
    try:
        parse(line)
    except LineError:
        return False
    return True


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
