"""The token: one login for the life of the process, a session for each caller, and back when lost.

Every call goes through `Token.run`, from any thread: in a session that nobody else uses meanwhile
and that is known to belong to the module's present start. The first session stays logged in for
the others and does nothing else. SoftHSM looks at its files whenever a key is used, so any
operation notices at once that they are gone; it never notices their return by itself: only
finalizing and initializing the module does.
"""

import contextlib
import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from pkcs11 import TokenFlag
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

from adapters.hsm.gate import GateBusy
from adapters.hsm.generations import Generations
from adapters.hsm.library import library
from adapters.hsm.session import KeyMissing, KeySession
from application.ports import Unavailable

HEARTBEAT_KEY = "K_INDEX/1"
_HEARTBEAT = b"\0\0\0\x09heartbeat"
REOPEN_PAUSE_S = 0.1
"""At most ten attempts a second to reach a lost token; in between callers are refused at once."""

_T = TypeVar("_T")
Pin = Callable[[], str]
"""Gives the PIN at a login; raises HsmUnavailable where it cannot."""
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


class PinRefused(HsmUnavailable):
    """A PIN was refused, the token's or its smart card's, or has one try left. It is not tried
    again: a few wrong ones lock an HSM."""


class HsmRefused(Exception):
    """The token works and refuses these data: altered, sealed by another key, malformed."""


class Token:
    """A logged-in token. Make it after forking; a child process cannot use its parent's.

    `writable` is for provisioning; the backend's session cannot create or change stored objects.
    `generations` says which generation of each key is in use (`provision.open_token` reads it).
    There are as many sessions as threads ever called at a time. PKCS#11 has no time limits: where
    a module has none of its own, a hanging HSM hangs its callers, and them only.
    """

    def __init__(
        self,
        module_path: str | Path,
        token_label: str,
        pin: str | Pin,
        *,
        slot: int | None = None,
        writable: bool = False,
        sessions: Callable[[Any], KeySession] = KeySession,
        guard: Callable[[], None] | None = None,
        overlap: bool = True,
    ) -> None:
        """Loads the module and logs in. Raises HsmUnavailable.

        `pin` as a function is asked at each login, so that a PIN need not be kept. `guard` is
        asked by each heartbeat and raises HsmUnavailable where the token must not be used.
        Without `overlap` one thread at a time is in the module, for one that is not to be trusted.
        """
        self.generations = Generations()
        self._library = library(module_path)
        self._label = token_label
        self._slot = slot
        self._pin = pin if callable(pin) else lambda: pin
        self._writable = writable
        self._sessions = sessions
        self._guard = guard
        self._process = os.getpid()
        self._token: Any = None
        self._login: Any = None
        self._free: deque[KeySession] = deque()
        self._serial: bytes | None = None
        self._start = 0
        self._reopen_from_s = 0.0
        self._pin_refused = False
        with _patiently(self._library.gate.alone()):
            self._library.may_overlap = overlap
            self._start = self._library.starts  # so that a module started for others starts anew
            self._open_again()

    @property
    def label(self) -> str:
        """The label by which it was found."""
        return self._label

    @property
    def serial(self) -> str:
        """Its serial number, which another token in its place does not have."""
        return (self._serial or b"").decode(errors="replace").strip()

    @property
    def slot_id(self) -> int:
        """The slot that it is in; SoftHSM counts anew when tokens change."""
        return int(self._token.slot.slot_id)

    @property
    def module(self) -> str:
        """Who made the module that is called."""
        return self._library.describe()

    @property
    def overlaps(self) -> bool:
        """Whether several threads are in the module at a time."""
        return self._library.overlaps

    def run(self, operation: Callable[[KeySession], _T]) -> _T:
        """What `operation` returns; alone in its session, tried again once where it was lost.

        So an operation must bear to run twice. Raises HsmUnavailable or HsmRefused.
        """
        if self._process != os.getpid():
            raise RuntimeError("a token is made after the fork, never shared with the parent")
        if not self._is_open():
            self._reopen(None)
        try:
            return self._once(operation)
        except _Lost as lost:
            self._reopen(lost.start)
        try:
            return self._once(operation)
        except _Lost as lost:
            raise HsmUnavailable(lost.reason) from None

    def heartbeat(self) -> None:
        """One real operation (an HMAC, 0.05 ms): HsmUnavailable as soon as the token is gone."""
        if self._guard is not None:
            try:
                self._guard()
            except HsmUnavailable:
                self.close()
                raise
        self.run(_hmac_heartbeat)

    def close(self) -> None:
        """Logs out; a later call logs in again. The module stays loaded: another token of this
        process may use it."""
        login, self._login = self._login, None
        if login is not None and self._start == self._library.starts:
            with contextlib.suppress(HsmUnavailable), _patiently(self._library.gate.alone()):
                self._forget_sessions(login)

    def _is_open(self) -> bool:
        return self._login is not None and self._start == self._library.starts

    def _once(self, operation: Callable[[KeySession], _T]) -> _T:
        """Raises _Lost where the token may have been lost, else HsmUnavailable or HsmRefused."""
        with _patiently(self._library.call()):
            start = self._start
            if not self._is_open():
                raise _Lost(None, "the token was lost a moment ago")
            session: KeySession | None = None
            try:
                session = self._free.pop() if self._free else self._new_session()
                answer = _tried(session, operation)
            except (PKCS11Error, KeyMissing) as error:
                _discard(session)
                raise _Lost(start, _reason(error)) from None
            except HsmRefused:
                assert session is not None
                self._free.append(session)
                raise
            except BaseException:
                _discard(session)
                raise
            self._free.append(session)
            return answer

    def _new_session(self) -> KeySession:
        """Another session: logged in as all of this process are, once one of them is."""
        return self._sessions(self._token.open(rw=self._writable))

    def _reopen(self, lost_start: int | None) -> None:
        """Logs in anew. `lost_start`: in which start of the module a session was lost."""
        with _patiently(self._library.gate.alone()):
            if self._is_open() and self._start != lost_start:
                return  # another thread saw to it
            self._open_again()

    def _open_again(self) -> None:
        """The module starts anew unless another token of ours just saw to that."""
        if self._pin_refused:
            raise PinRefused("the token refused the PIN; it is not tried again")
        lost = self._start == self._library.starts
        now_s = time.monotonic()
        if lost and now_s < self._reopen_from_s:
            raise HsmUnavailable("the token was lost a moment ago")
        self._login = None
        self._free.clear()
        try:
            if lost:
                self._reopen_from_s = now_s + REOPEN_PAUSE_S
            pin = self._pin()
            if lost:
                self._library.start()
            self._log_in(pin)
        except (PinExpired, PinIncorrect, PinLocked):
            # A real HSM locks itself after a few wrong PINs.
            self._pin_refused = True
            raise PinRefused("the token refused the PIN") from None
        except (PKCS11Error, KeyMissing) as error:
            raise HsmUnavailable(_reason(error)) from None
        finally:
            self._start = self._library.starts

    def _log_in(self, pin: str) -> None:
        token = self._library.token(self._label, self._slot)
        if self._serial not in (None, token.serial):
            raise KeyMissing("another token stands in its place")
        if token.flags & TokenFlag.USER_PIN_FINAL_TRY:
            # A wrong PIN in the settings, tried at every start, would lock an HSM for good.
            self._pin_refused = True
            raise PinRefused("the token's PIN has one try left, which is not made here")
        try:
            login = token.open(rw=self._writable, user_pin=pin)
        except UserAlreadyLoggedIn:  # by another Token of this process: login is per process
            login = token.open(rw=self._writable)
        self._serial = token.serial
        self._token, self._login = token, login

    def _forget_sessions(self, login: Any) -> None:
        while self._free:
            _discard(self._free.pop())
        with contextlib.suppress(PKCS11Error):
            login.close()


class _Lost(Exception):
    """An operation failed, and the token with it; in that start of the module."""

    def __init__(self, start: int | None, reason: str) -> None:
        super().__init__(reason)
        self.start = start
        self.reason = reason


@contextlib.contextmanager
def _patiently(entered: contextlib.AbstractContextManager[None]) -> Iterator[None]:
    """The gate; where it is busy for too long, the HSM is not there for us."""
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(entered)
        except GateBusy as error:
            raise HsmUnavailable(str(error)) from None
        yield


def _hmac_heartbeat(session: KeySession) -> bytes:
    return session.hmac(HEARTBEAT_KEY, _HEARTBEAT)


def _tried(session: KeySession, operation: Callable[[KeySession], _T]) -> _T:
    """Raises HsmRefused where the token works and the operation fails; pkcs11's error where the
    token does not work. Tried twice: a token that went and came back meanwhile refuses nothing."""
    try:
        return operation(session)
    except (PKCS11Error, KeyMissing) as error:
        if not _works(session, error):
            raise
    try:
        return operation(session)
    except (PKCS11Error, KeyMissing) as error:
        if not _works(session, error):
            raise
        raise HsmRefused(type(error).__name__) from None


def _works(session: KeySession, error: Exception) -> bool:
    """Whether the token itself works, and refuses these data: SoftHSM calls that a general
    error, as it calls a loss."""
    if isinstance(error, _GONE):
        return False
    with contextlib.suppress(PKCS11Error, KeyMissing):
        _hmac_heartbeat(session)
        return True
    return False


def _discard(session: KeySession | None) -> None:
    if session is not None:
        with contextlib.suppress(PKCS11Error):
            session.pkcs11.close()


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, KeyMissing) else type(error).__name__
