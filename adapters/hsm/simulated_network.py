"""A session whose every call takes as long as over a network: for measurements and tests only.

The delay is spent where a network HSM spends it: in the calling thread, outside the interpreter's
lock, once for each call that goes to the token. C_…Init counts with the call that it prepares, as
the makers' libraries send both at once; searching for a handle, done once a session, counts too.
"""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from pkcs11 import ObjectClass

from adapters.hsm.session import KeySession, SessionKey


class _Far:
    """Around a call: the way there and back, then the token's own work, one call at a time.

    The software token behind it computes on this machine's processors, which a network HSM does
    not; several calls at once would only make it take more of their time.
    """

    def __init__(self, delay_s: float) -> None:
        self._delay_s = delay_s
        self._token = threading.RLock()  # a call may search for its key first

    def __enter__(self) -> None:
        time.sleep(self._delay_s)
        self._token.acquire()

    def __exit__(self, *_: object) -> None:
        self._token.release()


class DelayedSession(KeySession):
    """Every call goes over that network."""

    def __init__(self, session: Any, far: "_Far") -> None:
        super().__init__(session)
        self._far = far

    def hmac(self, label: str, data: bytes) -> bytes:
        """One call."""
        with self._far:
            return super().hmac(label, data)

    def encrypt_gcm(self, label: str, nonce: bytes, plaintext: bytes, aad: bytes) -> bytes:
        """One call."""
        with self._far:
            return super().encrypt_gcm(label, nonce, plaintext, aad)

    def decrypt_gcm(self, label: str, nonce: bytes, sealed: bytes, aad: bytes) -> bytes:
        """One call."""
        with self._far:
            return super().decrypt_gcm(label, nonce, sealed, aad)

    def sign_ecdsa(self, label: str, digest: bytes) -> bytes:
        """One call."""
        with self._far:
            return super().sign_ecdsa(label, digest)

    def sign_ed25519(self, label: str, message: bytes) -> bytes:
        """One call."""
        with self._far:
            return super().sign_ed25519(label, message)

    def derive_ecdh(self, label: str, point: bytes) -> SessionKey:
        """One call."""
        with self._far:
            return super().derive_ecdh(label, point)

    def derive_aes_ecb(self, base: SessionKey, data: bytes) -> SessionKey:
        """One call."""
        with self._far:
            return super().derive_aes_ecb(base, data)

    def unwrap_secret(self, wrapping: SessionKey, wrapped: bytes) -> SessionKey:
        """One call."""
        with self._far:
            return super().unwrap_secret(wrapping, wrapped)

    def wrap(self, label: str, secret: SessionKey) -> bytes:
        """One call."""
        with self._far:
            return super().wrap(label, secret)

    def destroy(self, key: SessionKey) -> None:
        """One call."""
        with self._far:
            super().destroy(key)

    def search(self, kind: ObjectClass, label: str) -> Sequence[Any]:
        """One call."""
        with self._far:
            return super().search(kind, label)


def delayed(delay_ms: int) -> Callable[[Any], KeySession]:
    """What makes such sessions; ordinary ones for no delay."""
    if delay_ms == 0:
        return KeySession
    far = _Far(delay_ms / 1000)
    return lambda session: DelayedSession(session, far)
