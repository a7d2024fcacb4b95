"""Where a device's secrets live: the port, and its software stand-in on files.

The real device keeps its key in a secure EEPROM, the phone in its SIM card or protected memory
(TR-PFS, seed 4.1 and 5.3). `FileKeyStore` stands in for them: its keys are files of mode 0600 in
the identity folder, so whoever can read that folder as its owner can use, and copy, the device.
"""

import contextlib
import os
from pathlib import Path
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from devices.durable import write_durably

KEY_FILE = "key.pem"
SEALING_KEY_FILE = "sealing.key"
_ES256 = ec.ECDSA(hashes.SHA256())
_VERSION = b"\x01"
_NONCE_BYTES = 12


class KeyStoreError(Exception):
    """The key store cannot do it: a key is missing, readable by others, or the seal is broken."""


class KeyStore(Protocol):
    """What a device asks of its protected component. No key ever leaves it."""

    def sign(self, message: bytes) -> bytes:
        """ES256 over the message with the individual key: 64 bytes, r then s."""

    def seal(self, purpose: str, secret: bytes) -> bytes:
        """The secret so that only this key store reads it, and only for the same purpose."""

    def unseal(self, purpose: str, sealed: bytes) -> bytes:
        """What `seal` was given for that purpose. Raises KeyStoreError."""


class FileKeyStore:
    """The software stand-in: ES256 key and AES-256-GCM sealing key in files of mode 0600."""

    def __init__(self, folder: Path) -> None:
        pem = _read_private(folder / KEY_FILE)
        key = serialization.load_pem_private_key(pem, password=None)
        if not isinstance(key, ec.EllipticCurvePrivateKey) or key.curve.name != "secp256r1":
            raise KeyStoreError(f"{KEY_FILE} is not a P-256 key")
        self._key = key
        self._seal = AESGCM(_sealing_key(folder / SEALING_KEY_FILE))

    def sign(self, message: bytes) -> bytes:
        r, s = decode_dss_signature(self._key.sign(message, _ES256))
        return r.to_bytes(32) + s.to_bytes(32)

    def seal(self, purpose: str, secret: bytes) -> bytes:
        nonce = os.urandom(_NONCE_BYTES)
        return _VERSION + nonce + self._seal.encrypt(nonce, secret, _label(purpose))

    def unseal(self, purpose: str, sealed: bytes) -> bytes:
        start = len(_VERSION) + _NONCE_BYTES
        if sealed[:1] != _VERSION or len(sealed) < start:
            raise KeyStoreError("not sealed by a key store of this version")
        try:
            return self._seal.decrypt(sealed[1:start], sealed[start:], _label(purpose))
        except InvalidTag:
            raise KeyStoreError("sealed by another key store, or altered") from None


def _label(purpose: str) -> bytes:
    return b"TR-KEYSTORE/1 " + purpose.encode()


def _read_private(path: Path) -> bytes:
    try:
        if path.stat().st_mode & 0o077:
            raise KeyStoreError(f"{path.name} can be read by others: set its mode to 0600")
        return path.read_bytes()
    except OSError as error:
        raise KeyStoreError(f"{path.name}: {error.strerror}") from None


def _sealing_key(path: Path) -> bytes:
    """The folder's sealing key; made at the first use, whole or not at all."""
    if not path.exists():
        fresh = path.with_name(f"{path.name}.{os.getpid()}")
        try:
            write_durably(fresh, AESGCM.generate_key(256))
            with contextlib.suppress(FileExistsError):
                os.link(fresh, path)
            fresh.unlink()
        except OSError as error:
            raise KeyStoreError(f"{path.name}: {error.strerror}") from None
    key = _read_private(path)
    if len(key) != 32:
        raise KeyStoreError(f"{path.name} is damaged")
    return key
