"""The token: one login for the life of the process, behind one lock, and back after a removal.

Every call goes through `Token.run`: alone on the module, in a session that is known to belong to
its present start. SoftHSM looks at its files whenever a key is used, so any operation notices at
once that they are gone; it never notices their return by itself: only finalizing and initializing
the module does.
"""

import contextlib
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from pkcs11.exceptions import (
    DeviceError,
    DeviceRemoved,
    KeyHandleInvalid,
    ObjectHandleInvalid,
    PinExpired,
    PinIncorrect,
    PinLocked,
    PKCS11Error,
    SessionClosed,
    SessionHandleInvalid,
    TokenNotPresent,
    UserAlreadyLoggedIn,
    UserNotLoggedIn,
)

from adapters.hsm.library import LOCK, library
from adapters.hsm.session import KeyMissing, KeySession
from application.ports import Unavailable

HEARTBEAT_KEY = "K_INDEX/1"
_HEARTBEAT = b"\0\0\0\x09heartbeat"
REOPEN_PAUSE_S = 0.1
"""At most ten attempts a second to reach a lost token; in between callers are refused at once."""

_T = TypeVar("_T")
_GONE = (
    DeviceError,
    DeviceRemoved,
    KeyHandleInvalid,
    KeyMissing,
    ObjectHandleInvalid,
    SessionClosed,
    SessionHandleInvalid,
    TokenNotPresent,
    UserNotLoggedIn,
)


class HsmUnavailable(Unavailable):
    """The token does not answer (removed, locked, a key missing). Nothing was decided: 91."""


class HsmRefused(Exception):
    """The token works and refuses these data: altered, sealed by another key, malformed."""


class Token:
    """A logged-in token. Make it after forking; a child process cannot use its parent's.

    `writable` is for provisioning; the backend's session cannot create or change stored objects.
    PKCS#11 has no time limits: where a module has none of its own, a hanging HSM hangs callers.
    """

    def __init__(
        self, module_path: str | Path, token_label: str, pin: str, *, writable: bool = False
    ) -> None:
        """Loads the module and logs in. Raises HsmUnavailable."""
        self._library = library(module_path)
        self._label = token_label
        self._pin = pin
        self._writable = writable
        self._process = os.getpid()
        self._session: KeySession | None = None
        self._serial: bytes | None = None
        self._start = 0
        self._pin_refused = False
        self._reopen_from_s = 0.0
        with LOCK:
            self._start = self._library.starts  # so that a module started for others starts anew
            self._reopen()

    def run(self, operation: Callable[[KeySession], _T]) -> _T:
        """What `operation` returns; alone on the token, tried again once where it was lost.

        So an operation must bear to run twice. Raises HsmUnavailable or HsmRefused.
        """
        if self._process != os.getpid():
            raise RuntimeError("a token is made after the fork, never shared with the parent")
        with LOCK:
            session = self._session
            if session is None or self._start != self._library.starts:
                session = self._reopen()
            try:
                return operation(session)
            except (PKCS11Error, KeyMissing) as error:
                _raise_refusal(session, error)
            session = self._reopen()
            try:
                return operation(session)
            except (PKCS11Error, KeyMissing) as error:
                _raise_refusal(session, error)
                raise HsmUnavailable(_reason(error)) from None

    def heartbeat(self) -> None:
        """One real operation (an HMAC, 0.05 ms): HsmUnavailable as soon as the token is gone."""
        self.run(_hmac_heartbeat)

    def close(self) -> None:
        """Logs out. The module stays loaded: another token of this process may use it."""
        with LOCK:
            session, self._session = self._session, None
            if session is not None and self._start == self._library.starts:
                with contextlib.suppress(PKCS11Error):
                    session.pkcs11.close()

    def _reopen(self) -> KeySession:
        """A new session; the module starts anew unless another token of ours just saw to that."""
        if self._pin_refused:
            raise HsmUnavailable("the token refused the PIN; it is not tried again")
        lost = self._start == self._library.starts
        now_s = time.monotonic()
        if lost and now_s < self._reopen_from_s:
            raise HsmUnavailable("the token was lost a moment ago")
        self._session = None
        try:
            if lost:
                self._reopen_from_s = now_s + REOPEN_PAUSE_S
                self._library.start()
            self._session = self._login()
        except (PinExpired, PinIncorrect, PinLocked):
            # A real HSM locks itself after a few wrong PINs.
            self._pin_refused = True
            raise HsmUnavailable("the token refused the PIN") from None
        except (PKCS11Error, KeyMissing) as error:
            raise HsmUnavailable(_reason(error)) from None
        finally:
            self._start = self._library.starts
        return self._session

    def _login(self) -> KeySession:
        token = self._library.token(self._label)
        if self._serial not in (None, token.serial):
            raise KeyMissing("another token stands in its place")
        try:
            session = token.open(rw=self._writable, user_pin=self._pin)
        except UserAlreadyLoggedIn:  # by another Token of this process: login is per process
            session = token.open(rw=self._writable)
        self._serial = token.serial
        return KeySession(session)


def _hmac_heartbeat(session: KeySession) -> bytes:
    return session.hmac(HEARTBEAT_KEY, _HEARTBEAT)


def _raise_refusal(session: KeySession, error: Exception) -> None:
    """Raises HsmRefused where the token itself works: SoftHSM calls bad data a general error."""
    if isinstance(error, _GONE):
        return
    with contextlib.suppress(PKCS11Error, KeyMissing):
        _hmac_heartbeat(session)
        raise HsmRefused(type(error).__name__) from None


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, KeyMissing) else type(error).__name__
