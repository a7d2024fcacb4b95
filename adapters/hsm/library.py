"""The PKCS#11 module in this process: loaded once, started anew when a token must be found again.

python-pkcs11 is not safe in threads (it passes no locking flags and releases the GIL): whoever
calls into the module holds `LOCK`. A module has one state per process, so there is one `Library`
for each path, and all tokens share its starts.
"""

import contextlib
import threading
from pathlib import Path
from typing import Any

import pkcs11
from pkcs11.exceptions import PKCS11Error

LOCK = threading.RLock()


class Library:
    """A loaded module. Whatever was made in one start of it is dead in the next: handles of the
    past may even be valid again and mean other objects, so `starts` must be compared first."""

    def __init__(self, module_path: str) -> None:
        self._module_path = module_path
        self._lib: Any = None
        self.starts = 0

    def start(self) -> None:
        """Loads the module, or finalizes and initializes it, so that it reads its configuration
        and its tokens again. Raises PKCS11Error."""
        self.starts += 1
        if self._lib is None:
            self._lib = pkcs11.lib(self._module_path)
            return
        # After a fork, or a start that failed, the module says that it is not running: good.
        with contextlib.suppress(PKCS11Error):
            self._lib.finalize()
        self._lib.initialize()

    def slots(self) -> list[Any]:
        """All slots of the module, with or without a token."""
        return list(self._lib.get_slots())

    def token(self, label: str) -> Any:
        """The token of that label. Raises PKCS11Error where there is none, or several."""
        return self._lib.get_token(token_label=label)


_LIBRARIES: dict[str, Library] = {}


def library(module_path: str | Path) -> Library:
    """The one `Library` of this process for a module."""
    with LOCK:
        return _LIBRARIES.setdefault(str(module_path), Library(str(module_path)))
