"""The folder of a server's Unix socket: 0700, and short enough for the kernel.

A socket's path may have 107 bytes. Beside the data where that fits, else in a folder of ours under
XDG_RUNTIME_DIR or the system's temporary folder, named after the place that it stands for.
"""

import hashlib
import os
import tempfile
from pathlib import Path
from typing import Final

MAX_SOCKET_PATH: Final = 107
_SOCKET_NAME: Final = "/.s.PGSQL.5432"
# libpq and PostgreSQL read these in a list of folders or hosts; `@` begins an abstract socket.
_SPECIAL: Final = frozenset(',"@')


def socket_folder(wanted: Path) -> Path:
    """`wanted`, or a short stand-in for it: the same for the same place and user, always."""
    path = str(wanted)
    fits = len(os.fsencode(path + _SOCKET_NAME)) <= MAX_SOCKET_PATH
    if fits and not _SPECIAL & set(path):
        return wanted
    name = hashlib.sha256(os.fsencode(path)).hexdigest()[:16]
    base = os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()
    return Path(base, f"ticketrestaurant-{os.geteuid()}-{name}")


def make_private(folder: Path, owner: int | None = None) -> None:
    """Makes the folder 0700, and as root `owner`'s if that is given.

    Raises PermissionError where a link, or somebody else's folder, stands in its place.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.lstat()
    # In a shared temporary folder anybody may have been faster.
    if folder.is_symlink() or found.st_uid not in (os.geteuid(), owner):
        raise PermissionError(f"{folder} belongs to somebody else")
    if found.st_mode & 0o077:
        folder.chmod(0o700)
    if owner is not None and found.st_uid != owner:
        os.chown(folder, owner, -1)
