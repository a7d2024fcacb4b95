"""Which persons were erased, kept outside the database: a backup still holds their keys.

The append-only file `erasures` among the checkpoints, one line an erasure:
`1 <subject id> <microseconds since 1970 UTC, 17 digits> <16 hex digits of the SHA-256 so far>`.
The id is the cardholder's, which means nothing to others; no name is in it. A restore deletes the
keys of all that are listed before anything is served. The sum tells an altered line. Only the last
one may be torn, by a crash: it is passed over, and what is added next takes its place. All that
keeps nobody out who may write to the folder.
"""

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final
from uuid import UUID

import msgspec

NAME: Final = "erasures"
_VERSION: Final = "1"
_MOST_BYTES: Final = 1 << 30


WHAT_TO_DO: Final = (
    "Put the file back as it is in the published folder, on the machine, or in the newest backup. "
    "If there is none, move it away while the backend is stopped: its start lists again all that "
    "this ledger records"
)


class ErasuresBroken(Exception):
    """A line of the list was altered: which persons are to be erased is not known."""


class Erasure(msgspec.Struct, frozen=True):
    """A cardholder whose key was deleted, and when."""

    subject: UUID
    at_us: int


class Erasures:
    """The list in a folder of checkpoints. Raises OSError."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / NAME

    def make_folder(self) -> None:
        """Makes the folder, not those above it."""
        self._path.parent.mkdir(mode=0o755, exist_ok=True)

    def add(self, erasures: Iterable[Erasure]) -> None:
        """Appends, and returns when it is on the disk: call it before the key is deleted.

        Deleted and not listed, a person would come back by a restore; listed and not deleted, the
        erasure is only tried again.
        """
        text = "".join(f"{_line(each)}\n" for each in erasures)
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        with os.fdopen(os.open(self._path, flags, 0o600), "r+b") as file:
            content = file.read()
            whole = content.rfind(b"\n") + 1
            if _read(content[whole:].decode("ascii", "replace")) is not None:
                text = "\n" + text
            else:
                file.truncate(whole)  # a line that a crash tore goes
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())
        folder = os.open(self._path.parent, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def read(self) -> list[Erasure]:
        """All that are listed, oldest first; none where there is no list.

        A last line without its end is passed over: a crash tore it, and that erasure was not
        confirmed to anybody. Raises ErasuresBroken for any other that is not as it was written.
        """
        try:
            if self._path.stat().st_size > _MOST_BYTES:
                raise ErasuresBroken(f"{self._path} is larger than 1 GB. {WHAT_TO_DO}")
            *lines, last = self._path.read_text("ascii").split("\n")
        except FileNotFoundError:
            return []
        except UnicodeDecodeError:
            raise ErasuresBroken(f"{self._path} is not text. {WHAT_TO_DO}") from None
        found = []
        for number, line in enumerate(lines, start=1):
            erasure = _read(line)
            if erasure is None:
                raise ErasuresBroken(f"line {number} of {self._path} was altered. {WHAT_TO_DO}")
            found.append(erasure)
        erasure = _read(last)
        if erasure is not None:
            found.append(erasure)
        elif len(last) >= _LENGTH:
            raise ErasuresBroken(f"the last line of {self._path} was altered. {WHAT_TO_DO}")
        return found


def _line(erasure: Erasure) -> str:
    text = f"{_VERSION} {erasure.subject} {erasure.at_us:017}"
    return f"{text} {_sum(text)}"


def _sum(text: str) -> str:
    return hashlib.sha256(text.encode("ascii")).hexdigest()[:16]


_LENGTH: Final = len(_line(Erasure(UUID(int=0), 0)))


def _read(line: str) -> Erasure | None:
    text, _, told = line.rpartition(" ")
    if not text or told != _sum(text):
        return None
    try:
        version, subject, at_us = text.split(" ")
        if version != _VERSION:
            return None
        return Erasure(UUID(subject), int(at_us))
    except ValueError:
        return None
