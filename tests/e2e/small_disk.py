"""A small file system that a test can fill: a tmpfs, seen by nobody but this process's children."""

import asyncio
import contextlib
import ctypes
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

_CLONE_NEWNS = 0x00020000
_MS_REC, _MS_PRIVATE, _MNT_DETACH = 0x4000, 0x40000, 2
_BALLAST = "ballast"
_PAGE = 4096
_REFILL_S = 0.02


@contextlib.contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator["SmallDisk"]:
    """Mounted at `folder` within the block, in a mount namespace of our own: should we be killed,
    it goes with us. Skips the test where mounting is not allowed."""
    libc = ctypes.CDLL(None, use_errno=True)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    place, options = str(folder).encode(), f"size={megabytes}m,mode=0700".encode()
    if (
        libc.unshare(_CLONE_NEWNS) != 0
        or libc.mount(None, b"/", None, _MS_REC | _MS_PRIVATE, None) != 0
        or libc.mount(b"tmpfs", place, b"tmpfs", 0, options) != 0
    ):
        pytest.skip(f"no tmpfs can be mounted here: {os.strerror(ctypes.get_errno())}")
    try:
        yield SmallDisk(folder)
    finally:
        libc.umount2(place, _MNT_DETACH)


class SmallDisk:
    """A file system with a ballast file on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / _BALLAST

    def fill(self) -> None:
        """Not a byte is left, not even in the pages that logs have begun."""
        for log in self.folder.glob("logs/*.log"):
            with log.open("ab") as file:
                file.write(b"\n" * (-log.stat().st_size % _PAGE))
        with self._ballast.open("ab", buffering=0) as file, contextlib.suppress(OSError):
            for size in (1 << 20, 1 << 12, 1):
                with contextlib.suppress(OSError):
                    while file.write(b"\0" * size):
                        pass

    @contextlib.asynccontextmanager
    async def kept_full(self) -> AsyncIterator[None]:
        """Full within the block, also where somebody gives up what he had."""

        async def keep() -> None:
            while True:
                self.fill()
                await asyncio.sleep(_REFILL_S)

        self.fill()
        keeping = asyncio.create_task(keep())
        try:
            yield
        finally:
            keeping.cancel()
            self._ballast.unlink()

    @property
    def free_bytes(self) -> int:
        """What could still be written."""
        found = os.statvfs(self.folder)
        return found.f_bavail * found.f_frsize
