"""The machine codes of `I ERROR`, and the exceptions that carry them (TR-TPR section 11)."""

from typing import Final

# Lines
LINE_TOO_LONG: Final = "line-too-long"
NOT_UTF8: Final = "not-utf8"
MALFORMED: Final = "malformed"
UNKNOWN_VERB: Final = "unknown-verb"

# Handshake
UNSUPPORTED_VERSION: Final = "unsupported-version"
UNSUPPORTED_SUITE: Final = "unsupported-suite"
OUT_OF_TURN: Final = "out-of-turn"
WEAK_KEY: Final = "weak-key"
BAD_SIGNATURE: Final = "bad-signature"
BAD_MAC: Final = "bad-mac"
WRONG_CLASS: Final = "wrong-class"
WRONG_ROLE: Final = "wrong-role"
WRONG_PEER: Final = "wrong-peer"
EXPIRED_CERTIFICATE: Final = "expired-certificate"
REVOKED_CERTIFICATE: Final = "revoked-certificate"
UNTRUSTED_CERTIFICATE: Final = "untrusted-certificate"
RETIRED_ROOT: Final = "retired-root"

# Records
BAD_SEQUENCE: Final = "bad-sequence"
BAD_TAG: Final = "bad-tag"
WRONG_SESSION: Final = "wrong-session"
SESSION_OVER: Final = "session-over"
SESSION_REPLACED: Final = "session-replaced"

# Bodies
BAD_BODY: Final = "bad-body"
BAD_CONTRACT: Final = "bad-contract"
WRONG_SIGNER: Final = "wrong-signer"
BAD_PIN_BLOCK: Final = "bad-pin-block"
BAD_TRACK: Final = "bad-track"
FORBIDDEN: Final = "forbidden"
NOT_FOUND: Final = "not-found"
CONFLICT: Final = "conflict"
REFUSED: Final = "refused"

# Gateway and service
NOT_BOUND: Final = "not-bound"
NO_SUCH_PEER: Final = "no-such-peer"
BUSY: Final = "busy"
RATE_LIMITED: Final = "rate-limited"
TIMED_OUT: Final = "timed-out"
UNAVAILABLE: Final = "unavailable"
INTERNAL: Final = "internal"

TEXTS: Final[dict[str, str]] = {
    LINE_TOO_LONG: "the line has more than 65536 bytes",
    NOT_UTF8: "the line is not UTF-8",
    MALFORMED: "the line or its clear content does not follow the grammar",
    UNKNOWN_VERB: "this verb is not known here",
    UNSUPPORTED_VERSION: "this protocol version is not supported",
    UNSUPPORTED_SUITE: "this cipher suite is not supported",
    OUT_OF_TURN: "this handshake message is not expected now",
    WEAK_KEY: "the ephemeral key gives no shared secret",
    BAD_SIGNATURE: "the signature does not verify",
    BAD_MAC: "the key confirmation does not verify",
    WRONG_CLASS: "this role may not connect with this TLS certificate",
    WRONG_ROLE: "the certificate is for another role",
    WRONG_PEER: "the other end is not the one that was called",
    EXPIRED_CERTIFICATE: "a certificate is outside its validity",
    REVOKED_CERTIFICATE: "a certificate is revoked",
    UNTRUSTED_CERTIFICATE: "the certificate chain does not lead to a trusted root",
    RETIRED_ROOT: "the root of this certificate was retired; enrol again",
    BAD_SEQUENCE: "the record does not have the next sequence number",
    BAD_TAG: "the sealed content does not verify",
    WRONG_SESSION: "the line names another session",
    SESSION_OVER: "the session is over; open a new one",
    SESSION_REPLACED: "the same identity opened another session",
    BAD_BODY: "the body is not what this verb needs",
    BAD_CONTRACT: "the contract is not acceptable",
    WRONG_SIGNER: "the signature names another key or purpose",
    BAD_PIN_BLOCK: "the PIN block is not acceptable",
    BAD_TRACK: "the sealed track is not acceptable",
    FORBIDDEN: "this role may not do this",
    NOT_FOUND: "there is no such thing",
    CONFLICT: "this contradicts what is already stored",
    REFUSED: "refused at the other end",
    NOT_BOUND: "authenticate first",
    NO_SUCH_PEER: "this terminal is not connected",
    BUSY: "too much work at once; try again",
    RATE_LIMITED: "too many messages; slow down",
    TIMED_OUT: "no answer in time",
    UNAVAILABLE: "the service is not available now",
    INTERNAL: "an error of the service itself",
}


class ProtocolError(Exception):
    """Something received breaks TR-TPR. `code` is what `I ERROR` says; never holds secrets."""

    def __init__(self, code: str, text: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.text = text or TEXTS.get(code, "")

    def __str__(self) -> str:
        return f"{self.code}: {self.text}" if self.text else self.code


class LineError(ProtocolError):
    """A line that does not follow the grammar."""


class HandshakeError(ProtocolError):
    """The handshake cannot go on; both ends forget it."""


class CertificateError(HandshakeError):
    """A certificate chain that is not acceptable."""


class PeerError(HandshakeError):
    """The other end, or the gateway, sent `I ERROR`. Outside a record it is not authenticated."""


class RecordError(ProtocolError):
    """A record that does not open, or a session that is used up."""


class BodyError(ProtocolError):
    """An opened body, contract, signature or sealed part that is not acceptable."""
