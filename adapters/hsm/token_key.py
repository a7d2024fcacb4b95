"""A P-256 key of the token as `cryptography` wants to have one, to sign certificates with."""

import hashlib
from typing import NoReturn

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    KeySerializationEncryption,
    PrivateFormat,
)

from adapters.hsm.token import Token


class TokenPrivateKey(ec.EllipticCurvePrivateKey):
    """Signs with ECDSA over SHA-256 inside the token; knows nothing that could leave it.

    `sign` raises HsmUnavailable when the token does not answer.
    """

    def __init__(self, token: Token, label: str) -> None:
        self._token = token
        self._label = label
        self._public = token.run(lambda keys: keys.public_key_p256(label))

    def sign(
        self,
        data: bytes | bytearray | memoryview,
        signature_algorithm: ec.EllipticCurveSignatureAlgorithm,
    ) -> bytes:
        """The DER signature of the data, or of its SHA-256 where the algorithm is `Prehashed`."""
        algorithm = signature_algorithm.algorithm
        if isinstance(algorithm, SHA256):
            digest = hashlib.sha256(data).digest()
        elif isinstance(algorithm, Prehashed) and len(data) == SHA256.digest_size:
            digest = bytes(data)
        else:
            raise ValueError("the token's keys sign with SHA-256 only")
        raw = self._token.run(lambda keys: keys.sign_ecdsa(self._label, digest))
        return encode_dss_signature(int.from_bytes(raw[:32]), int.from_bytes(raw[32:]))

    def public_key(self) -> ec.EllipticCurvePublicKey:
        """The public half."""
        return self._public

    @property
    def curve(self) -> ec.EllipticCurve:
        """P-256."""
        return ec.SECP256R1()

    @property
    def key_size(self) -> int:
        """In bits."""
        return 256

    def exchange(
        self,
        algorithm: ec.ECDH,
        peer_public_key: ec.EllipticCurvePublicKey,
    ) -> NoReturn:
        """A signing key agrees on nothing."""
        raise TypeError("this key of the token signs only")

    def private_numbers(self) -> NoReturn:
        """The token does not tell them."""
        raise TypeError("the key does not leave the token")

    def private_bytes(
        self,
        encoding: Encoding,
        format: PrivateFormat,
        encryption_algorithm: KeySerializationEncryption,
    ) -> NoReturn:
        """The token does not tell them."""
        raise TypeError("the key does not leave the token")

    def __copy__(self) -> "TokenPrivateKey":
        return self

    def __deepcopy__(self, memo: dict[int, object]) -> "TokenPrivateKey":
        return self
