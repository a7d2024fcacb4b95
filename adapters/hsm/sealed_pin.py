"""The token's PIN, sealed to the key pair of a smart card: a file that opens with the card only.

ECDH on P-256 between a key made for the file and the card's, HKDF-SHA-256 (RFC 5869) over both
public keys, AES-256-GCM. The private half never leaves the card; it gives a shared secret.
"""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from adapters.hsm.token import HsmUnavailable
from devices.durable import write_durably

_VERSION: Final = 1
_LABEL: Final = b"TR-CARD-PIN/1"
_NONCE_BYTES: Final = 12
_MOST_BYTES: Final = 4_096


def write(path: Path, pin: str, card_key: ec.EllipticCurvePublicKey) -> None:
    """Seals the PIN into a new file of mode 0600. Raises OSError."""
    fresh = ec.generate_private_key(ec.SECP256R1())
    place = _point(fresh.public_key()), _point(card_key)
    nonce = os.urandom(_NONCE_BYTES)
    key = _key(fresh.exchange(ec.ECDH(), card_key), *place)
    box = AESGCM(key).encrypt(nonce, pin.encode(), _LABEL)
    facts = {
        "version": _VERSION,
        "ephemeral": place[0].hex(),
        "card_key": place[1].hex(),
        "nonce": nonce.hex(),
        "box": box.hex(),
    }
    write_durably(path, json.dumps(facts, indent=1).encode() + b"\n")


def read(path: Path, shared_secret: Callable[[bytes], bytes]) -> str:
    """The PIN. `shared_secret` is the card's ECDH with a point. Raises HsmUnavailable."""
    facts = _facts(path)
    ephemeral, card_key = facts["ephemeral"], facts["card_key"]
    key = _key(shared_secret(ephemeral), ephemeral, card_key)
    try:
        return AESGCM(key).decrypt(facts["nonce"], facts["box"], _LABEL).decode()
    except InvalidTag:
        raise HsmUnavailable(f"{path} was sealed to another card, or altered") from None


def card_key(path: Path) -> ec.EllipticCurvePublicKey:
    """The public key of the card that it is sealed to. Raises HsmUnavailable."""
    return _public(path, _facts(path)["card_key"])


def _facts(path: Path) -> dict[str, bytes]:
    try:
        text = path.read_bytes()
        facts: dict[str, Any] = json.loads(text) if len(text) <= _MOST_BYTES else {}
        if facts.pop("version") != _VERSION:
            raise ValueError
        found = {name: bytes.fromhex(value) for name, value in facts.items()}
        _public(path, found["ephemeral"])
        if len(found["nonce"]) != _NONCE_BYTES or not found["box"] or not found["card_key"]:
            raise ValueError
    except OSError as error:
        raise HsmUnavailable(f"{path}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise HsmUnavailable(f"{path} is no sealed PIN") from None
    return found


def _public(path: Path, point: bytes) -> ec.EllipticCurvePublicKey:
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
    except ValueError:
        raise HsmUnavailable(f"{path} is no sealed PIN") from None


def _key(secret: bytes, ephemeral: bytes, card: bytes) -> bytes:
    info = _LABEL + ephemeral + card
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(secret)


def _point(key: ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
