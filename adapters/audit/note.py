"""Signed checkpoints as text: C2SP tlog-checkpoint over C2SP signed-note, Ed25519.

    <origin>
    <number of events>
    <root of the Merkle tree, base64>

    — <origin> <base64 of key id and signature>

The key's name is the origin, so that an origin and a public key are all it takes to verify.
"""

import base64
import binascii
import re
from collections.abc import Callable
from hashlib import sha256
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from application.merkle import HASH_BYTES

_ED25519 = b"\x01"
_NUMBER = re.compile(r"0|[1-9][0-9]{0,17}", re.ASCII)
_NAME = re.compile(r"[^\s+]+")
LONGEST_NOTE = 16_384
"""Characters: room for a hundred witnesses; each signature with our key's id costs a check."""


class BadNote(Exception):
    """The text is no checkpoint, or the log's key did not sign it."""


class Checkpoint(NamedTuple):
    """The log of `origin` had `size` events, with this root."""

    origin: str
    size: int
    root: bytes


def sign(checkpoint: Checkpoint, key: Ed25519PublicKey, signer: Callable[[bytes], bytes]) -> str:
    """The note. `signer` makes the 64-byte signature that `key` verifies."""
    origin, size, root = checkpoint
    if not _NAME.fullmatch(origin):
        raise ValueError("an origin has neither blanks nor plus signs")
    text = f"{origin}\n{size}\n{base64.b64encode(root).decode()}\n"
    signature = base64.b64encode(_key_id(origin, key) + signer(text.encode())).decode()
    return f"{text}\n— {origin} {signature}\n"


def verify(note: str, key: Ed25519PublicKey) -> Checkpoint:
    """The checkpoint of a note that `key` signed. Raises BadNote."""
    if len(note) > LONGEST_NOTE:
        raise BadNote("it is too long for a checkpoint")
    text, separator, signatures = note.rpartition("\n\n")
    origin, size, root, *_ = [*text.split("\n"), "", ""]
    decoded = _decoded(root)
    if not separator or not _NUMBER.fullmatch(size) or len(decoded) != HASH_BYTES:
        raise BadNote("it is not a checkpoint")
    signed = f"{text}\n".encode()
    if not any(_is_signed(signed, origin, line, key) for line in signatures.split("\n")):
        raise BadNote("the log's key did not sign it")
    return Checkpoint(origin, int(size), decoded)


def _is_signed(text: bytes, origin: str, line: str, key: Ed25519PublicKey) -> bool:
    """Whether a signature line is the key's; lines of others are none of ours."""
    dash, _, rest = line.partition(" ")
    name, _, encoded = rest.partition(" ")
    raw = _decoded(encoded)
    if dash != "—" or name != origin or raw[:4] != _key_id(origin, key):
        return False
    try:
        key.verify(raw[4:], text)
    except InvalidSignature:
        return False
    return True


def _key_id(name: str, key: Ed25519PublicKey) -> bytes:
    """Four bytes that find the right signature; they prove nothing."""
    raw = key.public_bytes(Encoding.Raw, PublicFormat.Raw)
    return sha256(name.encode() + b"\n" + _ED25519 + raw).digest()[:4]


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""
