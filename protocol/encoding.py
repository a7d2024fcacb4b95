"""The byte forms that all parts share: base64url, length prefixes, strict compact JSON."""

import json
from binascii import Error as _Base64Error
from binascii import a2b_base64, b2a_base64
from typing import Any, Final

_TO_URL: Final = bytes.maketrans(b"+/", b"-_")
# The standard alphabet's own characters and the padding become characters that never decode.
_FROM_URL: Final = bytes.maketrans(b"-_+/=", b"+/!!!")
_PADDING: Final = (b"", None, b"==", b"=")
# Last characters whose unused low bits are zero, by length modulo 4: one text for one value.
_LAST: Final = (
    None,
    None,
    frozenset(b"AQgw"),
    frozenset(b"AEIMQUYcgkosw048"),
)


def b64_bytes(data: bytes) -> bytes:
    """`data` in base64url without padding (RFC 4648 section 5), as ASCII bytes."""
    return b2a_base64(data, newline=False).translate(_TO_URL).rstrip(b"=")


def b64(data: bytes) -> str:
    """`data` in base64url without padding, as text for a JSON body."""
    return b64_bytes(data).decode("ascii")


def unb64(text: str | bytes) -> bytes:
    """The bytes of a base64url text. Raises ValueError for padding, foreign characters or
    non-canonical last bits, so that no two texts stand for the same bytes."""
    raw = text.encode("ascii") if isinstance(text, str) else text
    rest = len(raw) & 3
    padding = _PADDING[rest]
    last = _LAST[rest]
    if padding is None or (last is not None and raw[-1] not in last):
        raise ValueError("not canonical base64url")
    try:
        return a2b_base64(raw.translate(_FROM_URL) + padding, strict_mode=True)
    except _Base64Error:
        raise ValueError("not base64url") from None


def lp(data: bytes) -> bytes:
    """`data` behind its length as 4 bytes, big endian."""
    return len(data).to_bytes(4, "big") + data


def split_lp(data: bytes, parts: int) -> list[bytes]:
    """Exactly `parts` length-prefixed pieces that fill `data`; ValueError otherwise."""
    pieces = []
    at = 0
    for _ in range(parts):
        length = int.from_bytes(data[at : at + 4], "big")
        piece = data[at + 4 : at + 4 + length]
        if len(data) < at + 4 or len(piece) != length:
            raise ValueError("a length prefix points past the end")
        pieces.append(piece)
        at += 4 + length
    if at != len(data):
        raise ValueError("bytes after the last piece")
    return pieces


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key appears twice")
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _integer(digits: str) -> int:
    # Nothing on the wire needs more than 64 bits; a million digits would cost quadratic time.
    if len(digits) > 20:
        raise ValueError("the number is too large")
    return int(digits)


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_no_duplicates, parse_constant=_no_constant, parse_int=_integer
)
_ENCODER: Final = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":")
)


def to_json(value: dict[str, Any]) -> bytes:
    """Compact UTF-8 JSON with sorted keys."""
    return _ENCODER.encode(value).encode("utf-8")


def from_json(raw: bytes) -> dict[str, Any]:
    """The JSON object in `raw`. Raises ValueError for anything else: other values, duplicate
    keys at any depth, NaN, text around it, invalid UTF-8, absurd nesting or numbers."""
    try:
        value = _DECODER.decode(raw.decode("utf-8"))
        if b"\\u" in raw:
            to_json({"": value})  # raises for half a surrogate pair, which is no text
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if type(value) is not dict:
        raise ValueError("not a JSON object")
    return value
