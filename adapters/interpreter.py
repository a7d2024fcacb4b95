"""How the interpreter is set where the engine runs: in the backend, and where it is measured."""

import ctypes
import gc
import sys

_ARENA_MAX = -8
"""M_ARENA_MAX of mallopt(3)."""
SWITCH_S = 0.0005
"""How long the event loop may keep the interpreter from the engine's thread that has a commit."""


def set_for_engine() -> None:
    """To be called once, before any work.

    The states of 100,000 accounts hold some 700,000 objects that the collector would walk through
    a hundred times while they are loaded, though reference counts free what a payment leaves. It
    still comes, seldom, for cycles such as exceptions and ended sessions make them.
    """
    sys.setswitchinterval(SWITCH_S)
    _one_arena()
    gc.set_threshold(50_000, 20, 100)


def _one_arena() -> None:
    """With glibc, all threads take memory from one place: else each keeps what it once needed,
    and the interpreter's lock lets hardly two of them ask at a time."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_ARENA_MAX, 1)
