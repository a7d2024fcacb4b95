"""One logged-in PKCS#11 session: typed operations with the keys found through it.

python-pkcs11 mixes its key operations in at run time, so its keys are `Any` here and nowhere else.
Keys are named by their labels (`K_DB/1`) and searched once; their handles die with the session.
Nothing here locks or retries: that is `token.py`.
"""

from collections.abc import Sequence
from typing import Any, NewType

from cryptography.hazmat.primitives.asymmetric import ec
from pkcs11 import (
    KDF,
    Attribute,
    GCMParams,
    KeyType,
    Mechanism,
    MechanismFlag,
    ObjectClass,
)

SessionKey = NewType("SessionKey", object)
"""A key that lives in the token's memory until it is destroyed or the session ends."""

_TAG_BITS = 128
# A session key serves one step and leaves no trace; "sensitive": its value cannot be read.
_HIDDEN = {Attribute.PRIVATE: True, Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False}
# K_PVV must wrap the PIN block to compare it; SENSITIVE still forbids to read it in clear.
_WRAPPABLE = {**_HIDDEN, Attribute.EXTRACTABLE: True}


class KeyMissing(Exception):
    """The token shows no key of that label, or several."""


class KeySession:
    """The keys of one login. All methods raise KeyMissing and pkcs11's errors."""

    def __init__(self, session: Any) -> None:
        self.pkcs11 = session
        self._keys: dict[tuple[ObjectClass, str], Any] = {}

    def has(self, kind: ObjectClass, label: str) -> bool:
        """Whether the token holds an object of that class and label."""
        return bool(self.search(kind, label))

    def hmac(self, label: str, data: bytes) -> bytes:
        """HMAC-SHA-256 (32 bytes) under a generic secret."""
        key = self._find(ObjectClass.SECRET_KEY, label)
        return bytes(key.sign(data, mechanism=Mechanism.SHA256_HMAC))

    def encrypt_gcm(self, label: str, nonce: bytes, plaintext: bytes, aad: bytes) -> bytes:
        """AES-GCM with a 12-byte nonce: ciphertext and 16-byte tag."""
        key = self._find(ObjectClass.SECRET_KEY, label)
        parameters = GCMParams(nonce, aad, _TAG_BITS)
        return bytes(
            key.encrypt(plaintext, mechanism=Mechanism.AES_GCM, mechanism_param=parameters)
        )

    def decrypt_gcm(self, label: str, nonce: bytes, sealed: bytes, aad: bytes) -> bytes:
        """What `encrypt_gcm` was given; a pkcs11 error where the tag does not fit."""
        key = self._find(ObjectClass.SECRET_KEY, label)
        parameters = GCMParams(nonce, aad, _TAG_BITS)
        return bytes(key.decrypt(sealed, mechanism=Mechanism.AES_GCM, mechanism_param=parameters))

    def sign_ecdsa(self, label: str, digest: bytes) -> bytes:
        """Raw ECDSA over a digest, r then s: 64 bytes on P-256."""
        key = self._find(ObjectClass.PRIVATE_KEY, label)
        return bytes(key.sign(digest, mechanism=Mechanism.ECDSA))

    def sign_ed25519(self, label: str, message: bytes) -> bytes:
        """Ed25519 (RFC 8032): 64 bytes."""
        key = self._find(ObjectClass.PRIVATE_KEY, label)
        return bytes(key.sign(message, mechanism=Mechanism.EDDSA))

    def public_point(self, label: str) -> bytes:
        """The public key: 65 bytes (uncompressed point) on P-256, 32 bytes for Ed25519."""
        point = bytes(self._find(ObjectClass.PUBLIC_KEY, label)[Attribute.EC_POINT])
        # PKCS#11 2.40 wraps the point into a DER OCTET STRING; some modules give it bare.
        if len(point) in (34, 67) and point[:2] == bytes([0x04, len(point) - 2]):
            return point[2:]
        return point

    def public_key_p256(self, label: str) -> ec.EllipticCurvePublicKey:
        """The public key of a P-256 pair."""
        return ec.EllipticCurvePublicKey.from_encoded_point(
            ec.SECP256R1(), self.public_point(label)
        )

    def private_key(self, label: str) -> Any:
        """The handle of a private key, as python-pkcs11 has it."""
        return self._find(ObjectClass.PRIVATE_KEY, label)

    def derive_ecdh(self, label: str, point: bytes) -> SessionKey:
        """ECDH of a private key with an uncompressed point; the x-coordinate as an AES-256 key."""
        key = self._find(ObjectClass.PRIVATE_KEY, label)
        shared = key.derive_key(
            KeyType.AES,
            256,
            mechanism=Mechanism.ECDH1_DERIVE,
            mechanism_param=(KDF.NULL, None, point),
            capabilities=MechanismFlag.DERIVE,
            template=_HIDDEN,
        )
        return SessionKey(shared)

    def derive_aes_ecb(self, base: SessionKey, data: bytes) -> SessionKey:
        """A key for unwrapping: the AES-ECB encryption of 32 bytes of data under `base`."""
        key: Any = base
        derived = key.derive_key(
            KeyType.AES,
            256,
            mechanism=Mechanism.AES_ECB_ENCRYPT_DATA,
            mechanism_param=data,
            capabilities=MechanismFlag.UNWRAP,
            template=_HIDDEN,
        )
        return SessionKey(derived)

    def unwrap_secret(self, wrapping: SessionKey, wrapped: bytes) -> SessionKey:
        """The secret in an RFC 5649 block, as a session key that only a key may wrap again."""
        key: Any = wrapping
        secret = key.unwrap_key(
            ObjectClass.SECRET_KEY,
            KeyType.GENERIC_SECRET,
            wrapped,
            mechanism=Mechanism.AES_KEY_WRAP_PAD,
            capabilities=0,
            template=_WRAPPABLE,
        )
        return SessionKey(secret)

    def wrap(self, label: str, secret: SessionKey) -> bytes:
        """RFC 3394 key wrap of a session key: the same bytes for the same secret, always."""
        key = self._find(ObjectClass.SECRET_KEY, label)
        return bytes(key.wrap_key(secret, mechanism=Mechanism.AES_KEY_WRAP))

    def destroy(self, key: SessionKey) -> None:
        """Wipes a session key from the token's memory."""
        gone: Any = key
        gone.destroy()

    def certificate(self, label: str) -> bytes | None:
        """The DER certificate stored under the label, if there is one."""
        found = self.search(ObjectClass.CERTIFICATE, label)
        return bytes(found[0][Attribute.VALUE]) if len(found) == 1 else None

    def _find(self, kind: ObjectClass, label: str) -> Any:
        key = self._keys.get((kind, label))
        if key is None:
            found = self.search(kind, label)
            if len(found) != 1:
                raise KeyMissing(f"{len(found)} keys {label} in the token")
            key = self._keys[kind, label] = found[0]
        return key

    def forget(self, kind: ObjectClass, label: str) -> None:
        """Searches that key again when it is next used."""
        self._keys.pop((kind, label), None)

    def search(self, kind: ObjectClass, label: str) -> Sequence[Any]:
        """All objects of that class and label."""
        # Read to the end at once: an unfinished search would block the session.
        template = {Attribute.CLASS: kind, Attribute.LABEL: label}
        return list(self.pkcs11.get_objects(template))
