"""ES256 as TR-TPR uses it: 64 raw bytes r‖s over SHA-256 of the message (RFC 7518 section 3.4).

PKCS#11 tokens give the same form, so that a key may live in a file or in an HSM.
"""

from collections.abc import Callable
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import (
    Prehashed,
    decode_dss_signature,
    encode_dss_signature,
)
from cryptography.hazmat.primitives.hashes import SHA256

Sign = Callable[[bytes], bytes]
"""Message in, raw 64-byte signature out. Hashing is inside."""

SIGNATURE_BYTES: Final = 64
_ES256: Final = ec.ECDSA(SHA256())
_ES256_HASHED: Final = ec.ECDSA(Prehashed(SHA256()))


def software_signer(private_key: ec.EllipticCurvePrivateKey) -> Sign:
    """A signer for a P-256 key in this process's memory (devices, tests)."""
    if private_key.curve.name != "secp256r1":
        raise ValueError("ES256 needs a P-256 key")

    def sign(message: bytes) -> bytes:
        r, s = decode_dss_signature(private_key.sign(message, _ES256))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    return sign


def verifies(public_key: ec.EllipticCurvePublicKey, signature: bytes, message: bytes) -> bool:
    """Whether the raw `signature` over `message` is by the holder of `public_key` (P-256)."""
    return _verifies(public_key, signature, message, _ES256)


def verifies_hashed(public_key: ec.EllipticCurvePublicKey, signature: bytes, hash: bytes) -> bool:
    """As `verifies`, with the SHA-256 of the message (32 bytes)."""
    return _verifies(public_key, signature, hash, _ES256_HASHED)


def _verifies(
    public_key: ec.EllipticCurvePublicKey, signature: bytes, data: bytes, algorithm: ec.ECDSA
) -> bool:
    if len(signature) != SIGNATURE_BYTES:
        return False
    der = encode_dss_signature(
        int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    )
    try:
        public_key.verify(der, data, algorithm)
    except InvalidSignature:
        return False
    return True
