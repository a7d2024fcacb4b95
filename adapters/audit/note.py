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
from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import NamedTuple, TypeAlias

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from application.merkle import HASH_BYTES

LogKeys: TypeAlias = Ed25519PublicKey | tuple[Ed25519PublicKey, ...]
"""The log's key, or every generation of it that is trusted."""
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


class Signer(NamedTuple):
    """A key of the log: `sign` makes the 64-byte signature that `key` verifies."""

    key: Ed25519PublicKey
    sign: Callable[[bytes], bytes]


def sign(
    checkpoint: Checkpoint,
    key: Ed25519PublicKey,
    signer: Callable[[bytes], bytes],
    newer: Sequence[Signer] = (),
) -> str:
    """The note. `signer` makes the 64-byte signature that `key` verifies; those of `newer` keys of
    the log follow, a line each."""
    origin, size, root = checkpoint
    text = f"{origin}\n{size}\n{base64.b64encode(root).decode()}\n"
    return sign_text(text, (Signer(key, signer), *newer))


def sign_text(text: str, signers: Sequence[Signer]) -> str:
    """A note of lines, the first of which names it and its keys; signed by each of the signers."""
    name = text.partition("\n")[0]
    if not _NAME.fullmatch(name):
        raise ValueError("an origin has neither blanks nor plus signs")
    lines = [
        base64.b64encode(_key_id(name, each.key) + each.sign(text.encode())).decode()
        for each in signers
    ]
    return f"{text}\n" + "".join(f"— {name} {signature}\n" for signature in lines)


def verify(note: str, key: LogKeys) -> Checkpoint:
    """The checkpoint of a note that `key`, or one of them, signed. Raises BadNote."""
    text = note.rpartition("\n\n")[0]
    origin, size, root, *_ = [*text.split("\n"), "", ""]
    decoded = _decoded(root)
    if len(note) <= LONGEST_NOTE and not (
        text and _NUMBER.fullmatch(size) and len(decoded) == HASH_BYTES
    ):
        raise BadNote("it is not a checkpoint")
    verified_text(note, key)
    return Checkpoint(origin, int(size), decoded)


def verified_text(note: str, key: LogKeys) -> str:
    """The text of a note that `key`, or one of them, signed. Raises BadNote."""
    if len(note) > LONGEST_NOTE:
        raise BadNote("it is too long for a note")
    text, separator, signatures = note.rpartition("\n\n")
    text += "\n"
    name = text.partition("\n")[0]
    keys = key if isinstance(key, tuple) else (key,)
    lines = signatures.split("\n")
    signed = text.encode()
    if not separator or not any(
        _is_signed(signed, name, line, each) for line in lines for each in keys
    ):
        raise BadNote("the log's key did not sign it")
    return text


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
