"""The sealed PIN block: from the PIN pad to the HSM without a stop (TR-TPR section 8).

ECDH with the HSM's PIN-ENC key, a key bound to session, counter and time, AES key wrap with
padding (RFC 5649). Every step is one that a PKCS#11 token can undo inside.
"""

from hashlib import sha256
from typing import Final, TypedDict

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.keywrap import (
    InvalidUnwrap,
    aes_key_unwrap_with_padding,
    aes_key_wrap_with_padding,
)
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from protocol.encoding import b64, unb64
from protocol.errors import BAD_PIN_BLOCK, BodyError

MIN_PIN: Final = 4
MAX_PIN: Final = 12
POINT_BYTES: Final = 65
WRAPPED_BYTES: Final = 40
_FORMAT: Final = b"\x01"
_LABEL: Final = b"TR-PIN/1"


class SealedPin(TypedDict):
    """As it stands in a body: base64url of the point (65 bytes) and the block (40 bytes)."""

    ephemeral: str
    block: str


def pin_block(pin: str, pan: str) -> bytes:
    """The 32 clear bytes: 0x01 ‖ length ‖ digits, filled with 0xFF to 14 ‖ half a hash of the
    card, so that a block opened for one card proves nothing for another."""
    if not (MIN_PIN <= len(pin) <= MAX_PIN and pin.isascii() and pin.isdigit()):
        raise ValueError("a PIN has 4 to 12 digits")
    digits = pin.encode("ascii").ljust(14, b"\xff")
    card = sha256(_LABEL + pan.encode("ascii")).digest()[:16]
    return _FORMAT + bytes([len(pin)]) + digits + card


def pin_context(t4: bytes, counter: int, ms: int) -> bytes:
    """The 32 bytes that bind a block to its session and purchase: the data that the HSM
    encrypts with the ECDH result to get the wrapping key."""
    place = counter.to_bytes(8, "big") + ms.to_bytes(8, "big")
    return sha256(_LABEL + t4 + place).digest()


def seal_pin(
    pin: str,
    pan: str,
    pin_certificate_public_key: ec.EllipticCurvePublicKey,
    t4: bytes,
    counter: int,
    ms: int,
    *,
    ephemeral: ec.EllipticCurvePrivateKey | None = None,
) -> SealedPin:
    """The block for PRESENT-PIN or an operator's PIN command. ValueError for a bad PIN.

    `ephemeral` is for test vectors only: a key used twice shows equal PINs.
    """
    own = ephemeral or ec.generate_private_key(ec.SECP256R1())
    key = _wrapping_key(own, pin_certificate_public_key, pin_context(t4, counter, ms))
    point = own.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    block = aes_key_wrap_with_padding(key, pin_block(pin, pan))
    return {"ephemeral": b64(point), "block": b64(block)}


def read_sealed_pin(ephemeral: str, block: str) -> tuple[bytes, bytes]:
    """Point and wrapped block for the HSM. Raises BodyError `bad-pin-block` for wrong sizes or
    a point that is not on the curve."""
    try:
        point, wrapped = unb64(ephemeral), unb64(block)
        if len(point) != POINT_BYTES or len(wrapped) != WRAPPED_BYTES:
            raise ValueError("wrong size")
        ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
    except ValueError:
        raise BodyError(BAD_PIN_BLOCK) from None
    return point, wrapped


def open_pin(
    ephemeral: str,
    block: str,
    private_key: ec.EllipticCurvePrivateKey,
    t4: bytes,
    counter: int,
    ms: int,
) -> bytes:
    """The clear 32 bytes, in software: what the HSM does inside. For tests and vectors; a
    backend with an HSM never sees this value. Raises BodyError `bad-pin-block`."""
    point, wrapped = read_sealed_pin(ephemeral, block)
    public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
    key = _wrapping_key(private_key, public, pin_context(t4, counter, ms))
    try:
        return aes_key_unwrap_with_padding(key, wrapped)
    except InvalidUnwrap:
        raise BodyError(BAD_PIN_BLOCK) from None


def _wrapping_key(
    private_key: ec.EllipticCurvePrivateKey,
    public_key: ec.EllipticCurvePublicKey,
    context: bytes,
) -> bytes:
    shared = private_key.exchange(ec.ECDH(), public_key)
    # Two independent blocks under a key used once: CKM_AES_ECB_ENCRYPT_DATA as a derivation.
    encryptor = Cipher(algorithms.AES(shared), modes.ECB()).encryptor()  # noqa: S305
    return encryptor.update(context) + encryptor.finalize()
