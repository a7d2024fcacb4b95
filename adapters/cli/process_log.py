"""The log file of one server process: appended to by the process itself, kept small by us.

The process writes to the file directly, so that its last words are there even if we are gone. The
price: what it writes in the instant between copying and cutting is lost.
"""

import os
import shutil
from pathlib import Path


class ProcessLog:
    """`<folder>/<name>.log`, and up to `files` older ones named `<name>.log.1`, `.2`, …"""

    def __init__(self, folder: Path, name: str, *, max_bytes: int, files: int) -> None:
        self.path = folder / f"{name}.log"
        self._max_bytes = max_bytes
        self._files = files

    def open(self) -> int:
        """A file descriptor for a new process to append to. Raises OSError."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def rotate_if_large(self) -> None:
        """Cuts the file after copying it where it has grown too large. Raises OSError."""
        if not self.path.exists() or self.path.stat().st_size < self._max_bytes:
            return
        for number in range(self._files, 1, -1):
            older = self._numbered(number - 1)
            if older.exists():
                older.replace(self._numbered(number))
        copy = self._numbered(1)
        try:
            copy.touch(mode=0o600)
            shutil.copyfile(self.path, copy)
        finally:
            # Also on a full disk: an old log is the first thing to give up.
            os.truncate(self.path, 0)

    def tail(self, lines: int) -> list[str]:
        """The last lines that were written."""
        try:
            with self.path.open("rb") as file:
                file.seek(max(0, self.path.stat().st_size - 64 * 1024))
                return file.read().decode(errors="replace").splitlines()[-lines:]
        except OSError:
            return []

    def _numbered(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}")
