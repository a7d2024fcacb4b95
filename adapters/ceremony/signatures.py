"""The signatures under a transcript: by the root key in the HSM, and by each participant's key.

All are over the same bytes: a line that says what this is, and the hash of the last entry. No
certificate, request or checkpoint begins like that line.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from protocol.encoding import b64, unb64

SIGNATURES_FILE: Final = "signatures.json"
_WHAT: Final = "TicketRestaurant US key ceremony/1"
ParticipantKey = ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey


class KeyFileError(Exception):
    """A participant's own key cannot be used; the message says why."""


@dataclass(frozen=True, slots=True)
class Signatures:
    """`root` is by the root key (ECDSA, DER); `people` by name. All base64url.

    `before`: by the key of the root before, where the ceremony was for a later one; else empty.
    """

    head: str
    root: str
    people: dict[str, str]
    before: str = ""

    def by_name(self) -> list[tuple[str, str]]:
        """Who signed, as documents name them, and the signature."""
        if not self.before:
            return [("the root key in the HSM", self.root), *self.people.items()]
        roots = [("the new root key in the HSM", self.root), ("the root key before", self.before)]
        return [*roots, *self.people.items()]

    def as_json(self) -> bytes:
        """The file's content."""
        body: dict[str, Any] = {"head": self.head, "root": self.root, "people": self.people}
        if self.before:
            body["before"] = self.before
        return json.dumps(body, indent=1, ensure_ascii=False).encode() + b"\n"

    @classmethod
    def read(cls, raw: bytes) -> "Signatures":
        """Raises ValueError."""
        found: Any = json.loads(raw)
        try:
            people = {str(name): str(text) for name, text in found["people"].items()}
            before = str(found.get("before", ""))
            return cls(str(found["head"]), str(found["root"]), people, before)
        except (AttributeError, KeyError, TypeError):
            raise ValueError("no signatures") from None


def signed_bytes(head: str) -> bytes:
    """What every signature is over."""
    return f"{_WHAT}\n{head}\n".encode()


def passing_key() -> str:
    """A key for this ceremony only, PEM: it proves that the program went on with the same people
    in the same sitting, and no more."""
    key = ed25519.Ed25519PrivateKey.generate()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def own_key(path: Path) -> ParticipantKey:
    """A participant's own Ed25519 or P-256 key, PEM without a password. Raises KeyFileError."""
    try:
        return private_key(path.read_bytes())
    except OSError as error:
        raise KeyFileError(f"{path}: {error.strerror}") from None
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise KeyFileError(f"{path} holds no Ed25519 or P-256 key without a password") from None


def private_key(pem: bytes) -> ParticipantKey:
    """Raises ValueError, TypeError."""
    key = load_pem_private_key(pem, None)
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key
    if isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP256R1):
        return key
    raise ValueError("no Ed25519 or P-256 key")


def public_pem(key: ParticipantKey) -> str:
    """The public half, as the transcript holds it."""
    public = key.public_key()
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def sign(key: ParticipantKey, head: str) -> str:
    """A participant's signature."""
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return b64(key.sign(signed_bytes(head)))
    return b64(key.sign(signed_bytes(head), ec.ECDSA(SHA256())))


def verifies(pem: str, signature: str, head: str) -> bool:
    """Whether a participant's signature is by the key in the transcript."""
    try:
        key = load_pem_public_key(pem.encode())
        raw = unb64(signature)
        if isinstance(key, ed25519.Ed25519PublicKey):
            key.verify(raw, signed_bytes(head))
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(raw, signed_bytes(head), ec.ECDSA(SHA256()))
        else:
            return False
    except (InvalidSignature, ValueError, UnsupportedAlgorithm):
        return False
    return True


def root_verifies(root: x509.Certificate, signature: str, head: str) -> bool:
    """Whether the root key signed."""
    key = root.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey):
        return False
    try:
        key.verify(unb64(signature), signed_bytes(head), ec.ECDSA(SHA256()))
    except (InvalidSignature, ValueError):
        return False
    return True
