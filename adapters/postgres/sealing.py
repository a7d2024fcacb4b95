"""Sealed bytes in the ledger database: AES-256-GCM bound to the place where they are stored.

blob = magic "TR" · format 1 · generation (2) · data-key id (8) · nonce (12) · ciphertext, tag.
The generation is that of K_DB under which the data key was when it sealed; the data key may have
been sealed anew since.
Additional data = every part of the place, then the header, each with a 4-byte length in front:
a row that is moved, swapped or renumbered does not open. Nonces are random (never derived from
a version: the loser of a race seals another text at the same version).
"""

import os
import struct
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

MAGIC = b"TR\x01"
_HEADER = struct.Struct(">3sHQ")
HEADER_BYTES = _HEADER.size
_NONCE_BYTES = 12
_LP_HEADER = struct.pack(">I", HEADER_BYTES)
SEALS_MOST = 1 << 31
"""A key with random 96-bit nonces serves at most 2^31 seals (NIST SP 800-38D: 2^-32 risk)."""


class NotSealedHere(Exception):
    """The bytes were not sealed by this system for this place, or were changed since."""


class DataKey:
    """A data key in memory, with its header prepared."""

    __slots__ = (
        "_cipher",
        "_nonces",
        "generation",
        "header",
        "id",
        "lp_header",
        "seals",
    )

    def __init__(self, id: int, generation: int, key: bytes) -> None:
        self.id = id
        self.generation = generation
        self.header = _HEADER.pack(MAGIC, generation, id)
        self.lp_header = _LP_HEADER + self.header
        self.seals = 0
        self._cipher = AESGCM(key)
        self._nonces: list[bytes] = []

    def seal(self, plaintext: bytes, place: bytes) -> bytes:
        """The blob of `plaintext` at `place` (length-prefixed parts, see `place`)."""
        try:
            # One step: the engine and the projections seal under the same key in two threads.
            nonce = self._nonces.pop()
        except IndexError:
            nonce, *more = _fresh_nonces()
            self._nonces.extend(more)
        self.seals += 1
        return self.header + nonce + self._cipher.encrypt(nonce, plaintext, place + self.lp_header)

    def open(self, blob: bytes, place: bytes) -> bytes:
        """The plaintext of a blob at `place`. Raises NotSealedHere."""
        lp_header, header = self.lp_header, blob[:HEADER_BYTES]
        if header != self.header:
            if key_id(blob) != self.id:
                raise NotSealedHere("another data key")
            lp_header = _LP_HEADER + header  # sealed under an earlier generation of K_DB
        nonce_end = HEADER_BYTES + _NONCE_BYTES
        try:
            return self._cipher.decrypt(
                blob[HEADER_BYTES:nonce_end], blob[nonce_end:], place + lp_header
            )
        except InvalidTag:
            raise NotSealedHere("the tag does not fit") from None


def _fresh_nonces() -> list[bytes]:
    """As many as one call of the system's generator pays for."""
    fresh = os.urandom(_NONCE_BYTES * 256)
    return [fresh[at : at + _NONCE_BYTES] for at in range(0, len(fresh), _NONCE_BYTES)]


class KeyRing(Protocol):
    """Where data keys come from."""

    def run_key(self) -> DataKey:
        """The key that seals now."""

    def key(self, id: int) -> DataKey:
        """An earlier key. Raises KeyError where it is unknown or was erased."""


def key_id(blob: bytes) -> int:
    """Which data key sealed a blob. Raises NotSealedHere for other bytes."""
    if len(blob) < HEADER_BYTES + _NONCE_BYTES + 16 or not blob.startswith(MAGIC):
        raise NotSealedHere("not a sealed blob")
    return int(_HEADER.unpack_from(blob)[2])


def place(*parts: bytes) -> bytes:
    """The parts of a place, each with its length in front."""
    return b"".join(struct.pack(">I", len(part)) + part for part in parts)
