"""As whom PostgreSQL's server programs run: as we do, or, where we are root, as nobody.

As root first choice is a user namespace: no extra account, no folder opened. Where that is
refused, as in many containers, it is an account of the system; then the data belong to it, and the
folders on the way to them let it pass (mode 0711: no names are shown).
"""

import functools
import os
import pwd
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from adapters import contained_exec
from adapters.postgres import binaries

_ACCOUNTS: Final = ("postgres", "nobody")


@dataclass(frozen=True, slots=True)
class Containment:
    """`owner` must own data and socket folder; `account` is None where it is ourselves."""

    owner: int
    options: tuple[str, ...] = ()
    account: str | None = None

    def command(self, command: list[str], *, death_signal: int, parent: int | None) -> list[str]:
        """The command line that runs `command` contained, and no longer than `parent` lives."""
        options = ["--death-signal", str(death_signal), *self.options]
        if parent is not None:
            options += ["--parent", str(parent)]
        return [sys.executable, "-I", contained_exec.__file__, *options, "--", *command]

    def give(self, folder: Path, home: Path) -> None:
        """Hands a server's folder to its owner, and opens the way from `home` where it must be.

        Raises PermissionError where a folder above `home`, or the programs, cannot be reached.
        """
        moved_here = os.geteuid() == 0 and folder.stat().st_uid != self.owner
        if moved_here or self.account is not None:
            _chown_all(folder, self.owner)
        if self.account is None:
            return
        for place in (home, *(each for each in folder.parents if home in each.parents)):
            place.chmod(0o711)
        for place in (*home.parents, *binaries.program("postgres").parents):
            if not place.stat().st_mode & 0o001:
                raise PermissionError(
                    f"PostgreSQL cannot run as root; {self.account}, in whose name it would run, "
                    f"cannot enter {place}: move there what lies below, or run this as an "
                    "ordinary user"
                )


@functools.cache
def containment() -> Containment:
    """What this machine allows; found out once."""
    if os.geteuid() != 0:
        return Containment(owner=os.geteuid())
    contained = Containment(owner=0, options=("--user-namespace",))
    trial = contained.command(["true"], death_signal=signal.SIGKILL, parent=os.getpid())
    if subprocess.run(trial, stderr=subprocess.DEVNULL).returncode == 0:
        return contained
    for name in _ACCOUNTS:
        try:
            found = pwd.getpwnam(name)
        except KeyError:
            continue
        account = f"{found.pw_uid}:{found.pw_gid}"
        return Containment(owner=found.pw_uid, options=("--account", account), account=name)
    raise PermissionError("PostgreSQL cannot run as root, and there is no account nobody")


def _chown_all(folder: Path, owner: int) -> None:
    for path in (folder, *folder.rglob("*")):
        if path.lstat().st_uid != owner:
            os.chown(path, owner, -1, follow_symlinks=False)
