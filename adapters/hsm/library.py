"""The PKCS#11 module in this process: loaded once, started anew when a token must be found again.

python-pkcs11 starts a module without locking flags (`C_Initialize(NULL)`), by which it promises
that one thread alone will call, and then releases the interpreter's lock: threads corrupt the
module's memory. So the module is started here, by its own C_Initialize with CKF_OS_LOCKING_OK
(PKCS#11 2.40, section 5.4), and every thread calls in a session of its own. A module has one state
per process, so there is one `Library` for each path, and all tokens share its starts.
"""

import ctypes
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pkcs11
from pkcs11.exceptions import NoSuchToken, PKCS11Error

from adapters.hsm.gate import Gate

_OS_LOCKING_OK: Final = 0x2
_OK, _CANT_LOCK, _ALREADY_INITIALIZED = 0x0, 0xA, 0x191


class _InitializeArguments(ctypes.Structure):
    """CK_C_INITIALIZE_ARGS: no mutex functions of ours, the module uses the system's."""

    _fields_ = (
        ("create_mutex", ctypes.c_void_p),
        ("destroy_mutex", ctypes.c_void_p),
        ("lock_mutex", ctypes.c_void_p),
        ("unlock_mutex", ctypes.c_void_p),
        ("flags", ctypes.c_ulong),
        ("reserved", ctypes.c_void_p),
    )


class _Functions(ctypes.Structure):
    """The beginning of CK_FUNCTION_LIST: the one symbol that a module must export leads to it."""

    _fields_ = (
        ("version", ctypes.c_ubyte * 2),
        ("initialize", ctypes.CFUNCTYPE(ctypes.c_ulong, ctypes.c_void_p)),
        ("finalize", ctypes.CFUNCTYPE(ctypes.c_ulong, ctypes.c_void_p)),
    )


class ModuleFault(PKCS11Error):
    """The module did not start."""


class Library:
    """A loaded module. Whatever was made in one start of it is dead in the next: handles of the
    past may even be valid again and mean other objects, so `starts` must be compared first."""

    def __init__(self, module_path: str) -> None:
        self._module_path = module_path
        self._lib: Any = None
        self._functions: Any = None
        self.gate = Gate()
        self.starts = 0
        self.overlaps = True
        """Whether several threads call at a time."""
        self.may_overlap = True
        """False keeps to one thread at a time, whatever the module says; from the next start."""
        self._one_at_a_time = threading.RLock()

    @contextmanager
    def call(self) -> Iterator[None]:
        """For each call: the module is not started anew meanwhile. Raises GateBusy."""
        with self.gate.call():
            if self.overlaps:
                yield
            else:
                with self._one_at_a_time:
                    yield

    def start(self) -> None:
        """Loads the module, or finalizes and initializes it, so that it reads its configuration
        and its tokens again. Only within `gate.alone()`. Raises PKCS11Error."""
        self.starts += 1
        if self._lib is None:
            self._lib = pkcs11.lib(self._module_path)
            self._functions = _functions(self._module_path)
        # After a fork, or a start that failed, the module says that it is not running: good.
        self._functions.finalize(None)
        arguments = _InitializeArguments(flags=_OS_LOCKING_OK)
        answer = self._functions.initialize(ctypes.byref(arguments))
        self.overlaps = self.may_overlap and answer != _CANT_LOCK
        if answer == _CANT_LOCK:
            answer = self._functions.initialize(None)
        if answer == _ALREADY_INITIALIZED:
            # Somebody else in this process runs it, we know not how: never two calls at a time.
            self.overlaps = False
        elif answer != _OK:
            raise ModuleFault(f"the module did not start: error {answer:#x}")

    def slots(self) -> list[Any]:
        """All slots of the module, with or without a token."""
        return list(self._lib.get_slots())

    def token(self, label: str, slot: int | None = None) -> Any:
        """The token of that label, in that slot if one is given. Raises PKCS11Error where there
        is none, or several."""
        if slot is None:
            return self._lib.get_token(token_label=label)
        for each in self.slots():
            if int(each.slot_id) == slot:
                token = each.get_token()
                if token.label == label:
                    return token
        raise NoSuchToken(f"no token {label} in slot {slot}")

    def describe(self) -> str:
        """Maker and description, as the module gives them."""
        return f"{self._lib.manufacturer_id} {self._lib.library_description}".strip()


def _functions(module_path: str) -> Any:
    listed = ctypes.POINTER(_Functions)()
    answer = ctypes.CDLL(module_path).C_GetFunctionList(ctypes.byref(listed))
    if answer != _OK:
        raise ModuleFault(f"the module has no function list: error {answer:#x}")
    return listed.contents


_LIBRARIES: dict[str, Library] = {}
_REGISTER = threading.Lock()


def library(module_path: str | Path) -> Library:
    """The one `Library` of this process for a module."""
    with _REGISTER:
        return _LIBRARIES.setdefault(str(module_path), Library(str(module_path)))


def _forget_the_parents() -> None:
    """In a child process the module is not running, and threads that held a gate do not exist."""
    global _REGISTER
    _REGISTER = threading.Lock()
    _LIBRARIES.clear()


os.register_at_fork(after_in_child=_forget_the_parents)
