"""A line of TR-TPR: clear routing header, base64url payload (section 3).

`TR1 <kind> <verb> <to> <session> <sequence> <base64url>` and a line feed, all ASCII.
"""

import re
from typing import Final, NamedTuple

from protocol.encoding import b64_bytes, from_json, to_json, unb64
from protocol.errors import (
    LINE_TOO_LONG,
    MALFORMED,
    NOT_UTF8,
    TEXTS,
    LineError,
)

MAX_LINE: Final = 65536
"""Bytes of the longest line, its line feed included."""

UUID_PATTERN: Final = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"

_HEADER: Final = re.compile(
    r"TR1 ([IDC]) ([A-Z][A-Z-]{1,15}) "
    rf"(backend|peer|{UUID_PATTERN}) "
    r"(-|[0-9a-f]{16}(?:[0-9a-f]{16})?) "
    r"(0|[1-9][0-9]{0,6})",
    re.ASCII,
)
_CODE: Final = re.compile("[a-z][a-z0-9-]{0,39}", re.ASCII)
_MAX_ERROR_TEXT: Final = 200


class Line(NamedTuple):
    """One message as it is routed. `payload` is the decoded base64url field."""

    kind: str
    """`I` information, `D` data, `C` command."""
    verb: str
    to: str
    """`backend`, `peer`, or the UUID of a terminal."""
    session: str
    """`-`, 16 hex digits (the offer in HELLO), or 32 hex digits."""
    sequence: int
    payload: bytes


def parse(raw: bytes) -> Line:
    """The line in `raw`, with or without its line feed.

    Raises LineError: `line-too-long`, `not-utf8`, `malformed`. Unknown verbs pass: only the
    addressed end knows its verbs.
    """
    if len(raw) > MAX_LINE:
        raise LineError(LINE_TOO_LONG)
    head, _, tail = raw.removesuffix(b"\n").rpartition(b" ")
    try:
        match = _HEADER.fullmatch(head.decode("ascii"))
        if match is None or not tail:
            raise ValueError("not the grammar")
        kind, verb, to, session, sequence = match.groups()
        return Line(kind, verb, to, session, int(sequence), unb64(tail))
    except ValueError:
        raise LineError(_code_of(raw)) from None


def _code_of(raw: bytes) -> str:
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return NOT_UTF8
    return MALFORMED


def encode(line: Line) -> bytes:
    """The bytes of `line` with its line feed. Raises LineError for what `parse` would refuse."""
    header = f"TR1 {line.kind} {line.verb} {line.to} {line.session} {line.sequence}"
    if _HEADER.fullmatch(header) is None or not line.payload:
        raise LineError(MALFORMED)
    raw = b"%b %b\n" % (header.encode("ascii"), b64_bytes(line.payload))
    if len(raw) > MAX_LINE:
        raise LineError(LINE_TOO_LONG)
    return raw


def error_line(code: str, text: str = "", to: str = "peer") -> bytes:
    """An `I ERROR` outside any session: from the gateway, or before there are keys."""
    body = {"code": code, "text": text or TEXTS.get(code, "")}
    return encode(Line("I", "ERROR", to, "-", 0, to_json(body)))


def read_error(line: Line) -> tuple[str, str] | None:
    """Code and text if `line` is an unsealed `I ERROR`, else None.

    Such a line is not authenticated: it may end an attempt, it decides nothing.
    """
    if line.verb != "ERROR" or line.kind != "I" or line.session != "-":
        return None
    try:
        body = from_json(line.payload)
    except ValueError:
        raise LineError(MALFORMED) from None
    code, text = body.get("code"), body.get("text", "")
    if type(code) is not str or _CODE.fullmatch(code) is None or type(text) is not str:
        raise LineError(MALFORMED)
    # Anybody on the way may have written the text, and somebody will print it on a screen.
    return code, "".join(filter(str.isprintable, text))[:_MAX_ERROR_TEXT]
