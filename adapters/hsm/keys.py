"""What the backend asks of its keys in the HSM: seal data keys, index, sign. One facade, thin.

Every method raises HsmUnavailable when the token does not answer, and may be called from any
thread (calls queue behind the token's lock; a SoftHSM call takes 0.05 to 0.1 ms).
"""

import hashlib
import os

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from adapters.hsm.generations import labelled
from adapters.hsm.token import HsmRefused, Token
from protocol.encoding import lp

_NONCE_BYTES = 12
_TAG_BYTES = 16


class Hsm:
    """The backend's own keys. `token` is there for what has a file of its own (PINs, cards, CA)."""

    def __init__(self, token: Token) -> None:
        self.token = token

    def heartbeat(self) -> None:
        """Raises HsmUnavailable where the token does not do its work."""
        self.token.heartbeat()

    def seal_data_key(
        self, generation: int, key_id: int, subject: bytes, plaintext: bytes
    ) -> bytes:
        """A data key under K_DB of that generation: nonce (12), ciphertext, tag (16).

        Bound to the three, so that a row moved to another place does not open (AES-256-GCM).
        """
        label, aad = _k_db(generation), _place(generation, key_id, subject)
        nonce = os.urandom(_NONCE_BYTES)
        sealed = self.token.run(lambda keys: keys.encrypt_gcm(label, nonce, plaintext, aad))
        return nonce + sealed

    def open_data_key(self, generation: int, key_id: int, subject: bytes, sealed: bytes) -> bytes:
        """What `seal_data_key` was given. Raises HsmRefused for any other place or bytes."""
        if len(sealed) < _NONCE_BYTES + _TAG_BYTES:
            raise HsmRefused("too short")
        label, aad = _k_db(generation), _place(generation, key_id, subject)
        nonce, box = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        return self.token.run(lambda keys: keys.decrypt_gcm(label, nonce, box, aad))

    def index(self, kind: str, value: str) -> bytes:
        """The 32 bytes by which a value (card number, e-mail) is found without being stored."""
        data = lp(kind.encode()) + value.encode()
        label = self.token.generations.label("K_INDEX")
        return self.token.run(lambda keys: keys.hmac(label, data))

    def indexes(self, kind: str, value: str) -> tuple[bytes, ...]:
        """`index` under each generation, newest first: what was found by an older one still is."""
        data = lp(kind.encode()) + value.encode()
        labels = [labelled("K_INDEX", each) for each in self.token.generations.all("K_INDEX")]
        return self.token.run(lambda keys: tuple([keys.hmac(label, data) for label in labels]))

    def sign_log(self, message: bytes, generation: int = 1) -> bytes:
        """Ed25519 over a checkpoint of the event log: 64 bytes. The first key signs for ever, for
        those who know no other; newer ones beside it."""
        label = labelled("LOG", generation)
        return self.token.run(lambda keys: keys.sign_ed25519(label, message))

    def log_public_key(self, generation: int = 1) -> Ed25519PublicKey:
        """What verifies `sign_log`."""
        label = labelled("LOG", generation)
        return Ed25519PublicKey.from_public_bytes(
            self.token.run(lambda keys: keys.public_point(label))
        )

    @property
    def log_generations(self) -> range:
        """Of LOG: the newer keys that sign beside the first."""
        return range(2, self.token.generations.newest("LOG") + 1)

    def sign_identity(self, message: bytes, generation: int = 0) -> bytes:
        """ES256 over the message as the backend: 64 raw bytes, r then s (RFC 7518).

        `generation` of the key that the certificate names; 0 for the newest.
        """
        digest = hashlib.sha256(message).digest()
        label = labelled("BACKEND-ID", generation or self.token.generations.newest("BACKEND-ID"))
        return self.token.run(lambda keys: keys.sign_ecdsa(label, digest))

    def identity_public_key(self) -> ec.EllipticCurvePublicKey:
        """What verifies `sign_identity`."""
        label = self.token.generations.label("BACKEND-ID")
        return self.token.run(lambda keys: keys.public_key_p256(label))

    @property
    def db_generation(self) -> int:
        """Of K_DB: the one that seals data keys now."""
        return self.token.generations.newest("K_DB")


def _k_db(generation: int) -> str:
    return labelled("K_DB", generation)


def _place(generation: int, key_id: int, subject: bytes) -> bytes:
    return lp(generation.to_bytes(2)) + lp(key_id.to_bytes(8)) + lp(subject)
