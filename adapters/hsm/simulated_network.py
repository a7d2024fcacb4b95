"""A session whose every call takes as long as over a network: for measurements and tests only.

The delay is spent where a network HSM spends it: in the calling thread, outside the interpreter's
lock, once for each call that goes to the token. C_…Init counts with the call that it prepares, as
the makers' libraries send both at once; searching for a handle, done once a session, counts too.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any

from pkcs11 import ObjectClass

from adapters.hsm.session import KeySession, SessionKey


class DelayedSession(KeySession):
    """Waits `delay_s` before each call."""

    def __init__(self, session: Any, delay_s: float) -> None:
        super().__init__(session)
        self._delay_s = delay_s

    def hmac(self, label: str, data: bytes) -> bytes:
        """One call."""
        time.sleep(self._delay_s)
        return super().hmac(label, data)

    def encrypt_gcm(self, label: str, nonce: bytes, plaintext: bytes, aad: bytes) -> bytes:
        """One call."""
        time.sleep(self._delay_s)
        return super().encrypt_gcm(label, nonce, plaintext, aad)

    def decrypt_gcm(self, label: str, nonce: bytes, sealed: bytes, aad: bytes) -> bytes:
        """One call."""
        time.sleep(self._delay_s)
        return super().decrypt_gcm(label, nonce, sealed, aad)

    def sign_ecdsa(self, label: str, digest: bytes) -> bytes:
        """One call."""
        time.sleep(self._delay_s)
        return super().sign_ecdsa(label, digest)

    def sign_ed25519(self, label: str, message: bytes) -> bytes:
        """One call."""
        time.sleep(self._delay_s)
        return super().sign_ed25519(label, message)

    def derive_ecdh(self, label: str, point: bytes) -> SessionKey:
        """One call."""
        time.sleep(self._delay_s)
        return super().derive_ecdh(label, point)

    def derive_aes_ecb(self, base: SessionKey, data: bytes) -> SessionKey:
        """One call."""
        time.sleep(self._delay_s)
        return super().derive_aes_ecb(base, data)

    def unwrap_secret(self, wrapping: SessionKey, wrapped: bytes) -> SessionKey:
        """One call."""
        time.sleep(self._delay_s)
        return super().unwrap_secret(wrapping, wrapped)

    def wrap(self, label: str, secret: SessionKey) -> bytes:
        """One call."""
        time.sleep(self._delay_s)
        return super().wrap(label, secret)

    def destroy(self, key: SessionKey) -> None:
        """One call."""
        time.sleep(self._delay_s)
        super().destroy(key)

    def search(self, kind: ObjectClass, label: str) -> Sequence[Any]:
        """One call."""
        time.sleep(self._delay_s)
        return super().search(kind, label)


def delayed(delay_ms: int) -> Callable[[Any], KeySession]:
    """What makes such sessions; ordinary ones for no delay."""
    if delay_ms == 0:
        return KeySession
    return lambda session: DelayedSession(session, delay_ms / 1000)
