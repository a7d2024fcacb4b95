"""What kind of program calls: the JA4 fingerprint of a TLS ClientHello, seen before TLS begins.

JA4 (FoxIO, open specification): transport, version, SNI, counts and ALPN in clear, then truncated
SHA-256 of the sorted cipher suites and of the sorted extensions with the signature algorithms.
All devices with the same program and TLS library share one; a tool of another make stands out.
"""

import asyncio
import hashlib
import socket
import struct
from typing import Final

MAX_HELLO: Final = 16 * 1024
"""Bytes of the largest TLS record, more than any honest ClientHello."""
_RECORD_HEADER: Final = 5
_PEEK_AGAIN_S: Final = 0.02
_SNI, _ALPN, _VERSIONS, _SIGNATURES = 0, 16, 43, 13
_VERSION_TEXT: Final = {0x0304: "13", 0x0303: "12", 0x0302: "11", 0x0301: "10", 0x0300: "s3"}


class NotTlsError(Exception):
    """The first bytes are no ClientHello."""


async def peek_hello(sock: socket.socket) -> bytes:
    """The first TLS record of a connection, left in the socket for TLS itself.

    Raises NotTlsError, or ConnectionError if the peer goes. The caller sets the time limit.
    """
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    descriptor = sock.fileno()
    loop.add_reader(descriptor, readable.set)
    try:
        await readable.wait()
    finally:
        loop.remove_reader(descriptor)
    while True:
        seen = sock.recv(_RECORD_HEADER + MAX_HELLO, socket.MSG_PEEK)
        if not seen:
            raise ConnectionResetError
        size = _record_size(seen)
        if len(seen) >= size:
            return seen[:size]
        # What was peeked at stays readable, so readiness says nothing more: look again soon.
        await asyncio.sleep(_PEEK_AGAIN_S)


def _record_size(seen: bytes) -> int:
    if seen[0] != 22 or seen[1:2] not in (b"", b"\x03") or seen[5:6] not in (b"", b"\x01"):
        raise NotTlsError
    if len(seen) < _RECORD_HEADER:
        return _RECORD_HEADER
    size = int.from_bytes(seen[3:5])
    if not 0 < size <= MAX_HELLO:
        raise NotTlsError
    return _RECORD_HEADER + size


def ja4(record: bytes) -> str:
    """The JA4 text of the ClientHello in a TLS record. Raises NotTlsError for anything else."""
    try:
        return _ja4(record)
    except (struct.error, IndexError):
        raise NotTlsError from None


def _ja4(record: bytes) -> str:
    (version,) = struct.unpack_from(">H", record, 9)
    at = 43  # record header 5, handshake header 4, version 2, random 32
    at += 1 + record[at]
    (size,) = struct.unpack_from(">H", record, at)
    ciphers = _numbers(record[at + 2 : at + 2 + size])
    at += 2 + size
    at += 1 + record[at]
    extensions = _extensions(record, at)

    versions = _numbers(extensions.get(_VERSIONS, b"")[1:])
    kinds = [kind for kind in extensions if not _is_grease(kind)]
    clear = "".join(
        (
            "t",
            _VERSION_TEXT.get(max(versions, default=version), "00"),
            "d" if _SNI in extensions else "i",
            f"{min(len(ciphers), 99):02}{min(len(kinds), 99):02}",
            _first_and_last(extensions.get(_ALPN, b"")),
        )
    )
    hashed = _hexes(sorted(kind for kind in kinds if kind not in (_SNI, _ALPN)))
    signatures = _hexes(_numbers(extensions.get(_SIGNATURES, b"")[2:]))
    if signatures:
        hashed += "_" + signatures
    return f"{clear}_{_digest(_hexes(sorted(ciphers)))}_{_digest(hashed)}"


def _extensions(record: bytes, at: int) -> dict[int, bytes]:
    if at == len(record):
        return {}
    (size,) = struct.unpack_from(">H", record, at)
    at += 2
    end = at + size
    if end > len(record):
        raise NotTlsError
    found: dict[int, bytes] = {}
    while at < end:
        kind, length = struct.unpack_from(">HH", record, at)
        found[kind] = record[at + 4 : at + 4 + length]
        at += 4 + length
    return found


def _numbers(raw: bytes) -> list[int]:
    pairs = struct.unpack(f">{len(raw) // 2}H", raw[: len(raw) // 2 * 2])
    return [number for number in pairs if not _is_grease(number)]


def _is_grease(number: int) -> bool:
    """RFC 8701: reserved values that clients sprinkle in at random."""
    return number & 0x0F0F == 0x0A0A and number >> 8 == number & 0xFF


def _first_and_last(alpn: bytes) -> str:
    if len(alpn) < 4:
        return "00"
    first = alpn[3 : 3 + alpn[2]]
    if not first:
        return "00"
    text = first.decode("latin-1")
    if text[0].isascii() and text[0].isalnum() and text[-1].isascii() and text[-1].isalnum():
        return text[0] + text[-1]
    return first.hex()[0] + first.hex()[-1]


def _hexes(numbers: list[int]) -> str:
    return ",".join(f"{number:04x}" for number in numbers)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12] if text else "0" * 12
