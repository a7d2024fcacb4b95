"""Where an embedded server archives its write-ahead log, and the settings that make it do so.

Each life of an installation has a folder of its own, `<wal folder>/<name>-<id>`: the id is made at
the first start and never goes into a backup. So a restored installation, which has the same past
and another future, cannot write between the files of the one that it was copied from.
"""

import secrets
import shlex
import sys
from pathlib import Path
from typing import Final

from adapters.postgres import wal_archive
from adapters.postgres.containment import containment
from adapters.postgres.socket_folder import make_private

ID_FILE: Final = "archive-id"


class WalFolder:
    """The archive of one cluster, whose own folder is `cluster`."""

    def __init__(self, folder: Path, cluster: Path, name: str, every_s: int) -> None:
        self._folder = folder
        self._cluster = cluster
        self._name = name
        self._every_s = every_s

    @property
    def path(self) -> Path | None:
        """The archive's folder, None before the first start."""
        try:
            return self._folder / f"{self._name}-{(self._cluster / ID_FILE).read_text().strip()}"
        except FileNotFoundError:
            return None

    def prepare(self) -> Path:
        """Makes id and folder where they are missing. Raises OSError."""
        path = self.path
        if path is None:
            (self._cluster / ID_FILE).write_text(secrets.token_hex(6) + "\n")
            (self._cluster / ID_FILE).chmod(0o600)
            path = self.path
        assert path is not None, "written just now"
        make_private(self._folder, containment().owner)
        make_private(path, containment().owner)
        return path

    def settings(self) -> dict[str, str]:
        """What the server is told; it may be asked for before `prepare`."""
        place = (str(self._folder / self._name), str(self._cluster / ID_FILE))
        return {
            "archive_mode": "on",
            "archive_command": f'{_script("put")} "%p" {_quoted(*place)} %f',
            # A file that is not full is closed and archived after that time.
            "archive_timeout": f"{self._every_s}s",
        }


def restore_command(archive: Path) -> str:
    """PostgreSQL's `restore_command` that takes files from this folder."""
    return f'{_script("get")} {_quoted(str(archive) + "/")}%f "%p"'


def _script(verb: str) -> str:
    return f"{_quoted(sys.executable)} -I {_quoted(wal_archive.__file__)} {verb}"


def _quoted(*texts: str) -> str:
    """For a shell, by way of PostgreSQL, which replaces what follows a per cent sign."""
    return shlex.join(texts).replace("%", "%%")
