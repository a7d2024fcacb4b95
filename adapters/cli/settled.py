"""Copies small files that somebody may be changing: tried again until nothing changed meanwhile."""

import os
import shutil
import time
from pathlib import Path
from typing import Final

_TRIES: Final = 10
_PAUSE_S: Final = 0.2
_Look = dict[str, tuple[int, int, int]]


class NeverSettled(Exception):
    """The files were changed during every one of the tries."""


def settled_copy(source: Path, target: Path) -> None:
    """A copy of a file or folder as it was at one moment. Raises NeverSettled, OSError."""
    for _ in range(_TRIES):
        before = look(source)
        try:
            _copy(source, target)
        except FileNotFoundError:
            pass
        else:
            if look(source) == before:
                return
        _remove(target)
        time.sleep(_PAUSE_S)
    raise NeverSettled(f"{source} is being changed all the time")


def look(top: Path) -> _Look:
    """Every file below with its inode, size and time of change."""
    found: _Look = {}
    for path in [top, *sorted(top.rglob("*"))] if top.is_dir() else [top]:
        try:
            facts = path.lstat()
        except FileNotFoundError:
            continue
        if not path.is_dir():
            found[str(path)] = (facts.st_ino, facts.st_size, facts.st_mtime_ns)
    return found


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, symlinks=True, copy_function=_copy_file)
    else:
        _copy_file(source, target)


def _copy_file(source: str | Path, target: str | Path) -> str:
    if Path(source).is_symlink():
        raise OSError(f"{source} is a link")
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as out, Path(source).open("rb") as file:
        shutil.copyfileobj(file, out)
    return str(target)


def _remove(target: Path) -> None:
    if target.is_dir():
        shutil.rmtree(target, ignore_errors=True)
    else:
        target.unlink(missing_ok=True)
