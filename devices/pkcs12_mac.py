"""The seal of a PKCS#12 file (RFC 7292 section 4 and appendix B), made again with more rounds.

`cryptography` always makes it with 2,048, whatever rounds the encryption has: whoever guesses
passwords would then try them at the seal. This file replaces the seal and nothing else.
"""

import hmac
import os
from hashlib import sha256
from typing import Final

_BLOCK: Final = 64  # of SHA-256, in bytes
_FOR_MAC: Final = 3  # RFC 7292 appendix B.3
_SALT_BYTES: Final = 16
_SEQUENCE, _INTEGER, _OCTETS = 0x30, 0x02, 0x04
_ALGORITHM: Final = bytes.fromhex("300d06096086480165030402010500")
"""AlgorithmIdentifier of SHA-256, with NULL parameters."""


def with_rounds(data: bytes, password: bytes, rounds: int) -> bytes:
    """The same file (DER, as `cryptography` wrote it), sealed by HMAC-SHA-256 with `rounds`.

    `password` in UTF-8. Raises ValueError for what is no such file.
    """
    content = _only(data, _SEQUENCE)
    version, rest = _split(content)
    safe, _ = _split(rest)
    authenticated = _only(_only(_split(_only(safe, _SEQUENCE))[1], 0xA0), _OCTETS)
    salt = os.urandom(_SALT_BYTES)
    key = _mac_key(password, salt, rounds)
    digest = hmac.digest(key, authenticated, "sha256")
    count = rounds.to_bytes(rounds.bit_length() // 8 + 1)
    sealed = _der(_SEQUENCE, _ALGORITHM + _der(_OCTETS, digest))
    mac = _der(_SEQUENCE, sealed + _der(_OCTETS, salt) + _der(_INTEGER, count))
    return _der(_SEQUENCE, version + safe + mac)


def rounds_of(data: bytes) -> int:
    """With how many a file is sealed. Raises ValueError for what is no such file."""
    _, rest = _split(_only(data, _SEQUENCE))
    _, rest = _split(rest)
    _, rest = _split(_only(rest, _SEQUENCE))
    _, count = _split(rest)
    return int.from_bytes(_only(count, _INTEGER)) if count else 1


def _mac_key(password: bytes, salt: bytes, rounds: int) -> bytes:
    """Appendix B.2, for a key as long as the hash: one block, and no second one to derive."""
    text = (password.decode("utf-8") + "\0").encode("utf-16-be")
    block = bytes([_FOR_MAC]) * _BLOCK + _filled(salt) + _filled(text)
    for _ in range(rounds):
        block = sha256(block).digest()
    return block


def _filled(data: bytes) -> bytes:
    """Repeated to whole blocks."""
    length = -(-len(data) // _BLOCK) * _BLOCK
    return (data * (length // len(data) + 1))[:length]


def _der(tag: int, body: bytes) -> bytes:
    if len(body) < 0x80:
        return bytes([tag, len(body)]) + body
    length = len(body).to_bytes((len(body).bit_length() + 7) // 8)
    return bytes([tag, 0x80 | len(length)]) + length + body


def _split(data: bytes) -> tuple[bytes, bytes]:
    """The first element, whole, and what follows."""
    _, _, rest = _element(data)
    end = len(data) - len(rest)
    return data[:end], rest


def _only(data: bytes, tag: int) -> bytes:
    """The content of the one element that it is."""
    found, body, rest = _element(data)
    if found != tag or rest:
        raise ValueError("no PKCS#12 file as it is written here")
    return body


def _element(data: bytes) -> tuple[int, bytes, bytes]:
    if len(data) < 2:
        raise ValueError("no PKCS#12 file as it is written here")
    at, length = 2, data[1]
    if length & 0x80:
        at += length & 0x7F
        length = int.from_bytes(data[2:at])
    if length == 0 or len(data) < at + length:
        raise ValueError("no PKCS#12 file as it is written here")
    return data[0], data[at : at + length], data[at + length :]
