"""Sealed records of an open session (TR-TPR section 6): AES-256-GCM, strict order, hot path.

A session is used by one thread or event loop at a time.
"""

from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from protocol.certificates import Peer
from protocol.encoding import b64_bytes
from protocol.errors import (
    BAD_SEQUENCE,
    BAD_TAG,
    LINE_TOO_LONG,
    SESSION_OVER,
    WRONG_SESSION,
    RecordError,
)
from protocol.line import MAX_LINE, Line

MAX_RECORDS: Final = 1 << 20
"""Records in one direction of a session."""
MAX_AGE_MS: Final = 24 * 60 * 60 * 1000
"""Age of the oldest session, in milliseconds."""
TAG_BYTES: Final = 16


class DirectionKeys:
    """Key (32 bytes) and IV (12 bytes) of one direction."""

    __slots__ = ("cipher", "iv")

    def __init__(self, key: bytes, iv: bytes) -> None:
        self.cipher = AESGCM(key)
        self.iv = int.from_bytes(iv, "big")


class Session:
    """Keys and counters of one open session, at one end.

    `t4` binds contracts and PIN blocks to the session; `pin` and `export` are 32-byte secrets
    derived from it. `peer` is who proved to be at the other end; `opened_ms` when. `pin_key`, at
    the backend: the number of the key for PIN blocks that READY showed in this session.
    """

    __slots__ = (
        "_in", "_in_iv", "_out", "_out_iv", "_received", "_sent", "_tail",
        "export", "id", "opened_ms", "peer", "pin", "pin_key", "t4",
    )  # fmt: skip

    def __init__(
        self,
        *,
        session_id: str,
        outgoing: DirectionKeys,
        incoming: DirectionKeys,
        t4: bytes,
        pin: bytes,
        export: bytes,
        peer: Peer,
        opened_ms: int,
    ) -> None:
        self.id = session_id
        self.t4 = t4
        self.pin = pin
        self.export = export
        self.peer = peer
        self.opened_ms = opened_ms
        self.pin_key = 0
        self._out = outgoing.cipher.encrypt
        self._out_iv = outgoing.iv
        self._in = incoming.cipher.decrypt
        self._in_iv = incoming.iv
        self._sent = 0
        self._received = 0
        self._tail = f" {session_id} "

    def seal(self, kind: str, verb: str, to: str, body: bytes) -> bytes:
        """The next outgoing line, line feed included. `body` is at most about 48 KiB.

        Raises RecordError: `session-over` after 2^20 records, `line-too-long`.
        """
        sequence = self._sent
        if sequence >= MAX_RECORDS:
            raise RecordError(SESSION_OVER)
        header = f"TR1 {kind} {verb} {to}{self._tail}{sequence}".encode("ascii")
        nonce = (self._out_iv ^ sequence).to_bytes(12, "big")
        raw = b"%b %b\n" % (header, b64_bytes(self._out(nonce, body, header)))
        if len(raw) > MAX_LINE:
            raise RecordError(LINE_TOO_LONG)
        self._sent = sequence + 1
        return raw

    def open(self, line: Line) -> bytes:
        """The body of the next incoming line.

        Raises RecordError: `wrong-session` (the line is not this session's; nothing changes),
        `bad-sequence`, `bad-tag`, `session-over`. After any but the first the session opens
        nothing more; it still seals, so that the error can be told.
        """
        kind, verb, to, session, sequence, payload = line
        if session != self.id:
            raise RecordError(WRONG_SESSION)
        if self._received >= MAX_RECORDS:
            raise RecordError(SESSION_OVER)
        if sequence != self._received:
            self._received = MAX_RECORDS
            raise RecordError(BAD_SEQUENCE)
        header = f"TR1 {kind} {verb} {to}{self._tail}{sequence}".encode("ascii")
        nonce = (self._in_iv ^ sequence).to_bytes(12, "big")
        try:
            body = self._in(nonce, payload, header)
        except InvalidTag:
            self._received = MAX_RECORDS
            raise RecordError(BAD_TAG) from None
        self._received = sequence + 1
        return body

    def is_over(self, now_ms: int) -> bool:
        """Whether a new handshake is due: 24 hours old, or a direction used up or broken."""
        return (
            now_ms - self.opened_ms >= MAX_AGE_MS
            or self._sent >= MAX_RECORDS
            or self._received >= MAX_RECORDS
        )

    def __repr__(self) -> str:
        return f"<Session {self.id} with {self.peer.role} {self.peer.subject_id}>"
