"""What a command that was killed left lying: copies of an installation, keys included."""

import glob
import os
import shutil
from pathlib import Path


def remove(folder: Path, prefix: str, suffix: str = "") -> None:
    """Removes folders named by prefix, process number and suffix: those whose process is no more,
    and ours to remove."""
    for path in folder.glob(f"{glob.escape(prefix)}*{glob.escape(suffix)}"):
        number = path.name.removeprefix(prefix).removesuffix(suffix)
        if (
            not (number.isascii() and number.isdigit())
            or path.is_symlink()
            or path.lstat().st_uid != os.geteuid()
        ):
            continue
        try:
            os.kill(int(number), 0)
        except ProcessLookupError:
            shutil.rmtree(path, ignore_errors=True)
        except (OSError, OverflowError):
            continue  # somebody else's process has that number now
