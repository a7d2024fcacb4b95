"""A copy of a running embedded server's data, consistent as of its end (`pg_basebackup`).

The copy carries the write-ahead log that makes it consistent, so a server started on it needs
nothing else. Takes nothing from those who write meanwhile but disk and processor.
"""

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from signal import SIGKILL, SIGTERM
from typing import Final

from adapters import contained_exec
from adapters.postgres import binaries, ended_together
from adapters.postgres.embedded import SUPERUSER, Cluster, ClusterError

_LOOK_S: Final = 0.3
_START: Final = re.compile(r"START WAL LOCATION: \S+ \(file ([0-9A-F]{24})\)")


def base_backup(
    cluster: Cluster,
    target: Path,
    *,
    progress: Callable[[int], None],
    max_rate_kb: int | None = None,
) -> str:
    """Copies into the new folder `target`; the first write-ahead log file that it needs.

    `progress` is told how many bytes more are there. `max_rate_kb` a second at most (kilobytes,
    32 to 1,048,576) spares the disk. Raises ClusterError, OSError.
    """
    command = [
        # It ends with us, however we end.
        *(sys.executable, "-I", contained_exec.__file__, "--death-signal", str(int(SIGTERM))),
        *("--parent", str(os.getpid()), "--"),
        *(sys.executable, "-I", ended_together.__file__, str(binaries.program("pg_basebackup"))),
        *("-h", str(cluster.socket), "-U", SUPERUSER, "-D", str(target)),
        *("--format=plain", "--wal-method=stream", "--checkpoint=fast", "--no-password"),
        *("--no-sync", "--manifest-checksums=none"),  # the file that it goes into has both
        *(("--max-rate", f"{max_rate_kb}k") if max_rate_kb else ()),
    ]
    environment = binaries.environment() | {"PGPASSFILE": str(cluster.passfile(SUPERUSER))}
    process = subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        copied = 0
        while process.poll() is None:
            now = _size(target)
            progress(max(0, now - copied))
            copied = max(copied, now)
            time.sleep(_LOOK_S)
        _, said = process.communicate()
    finally:
        if process.poll() is None:
            os.killpg(process.pid, SIGKILL)
            process.wait()
    if process.returncode != 0:
        last = " | ".join(said.strip().splitlines()[-3:])
        raise ClusterError(f"{cluster.name}: pg_basebackup failed: {last}")
    return _first_wal_file(target)


def size_of(cluster: Cluster) -> int:
    """About how many bytes `base_backup` will copy."""
    return _size(cluster.data)


def _first_wal_file(data: Path) -> str:
    found = _START.search((data / "backup_label").read_text())
    if found is None:
        raise ClusterError(f"{data / 'backup_label'} names no write-ahead log file")
    return found[1]


def _size(folder: Path) -> int:
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.stat(os.path.join(parent, name)).st_size  # noqa: PTH116, PTH118
            except FileNotFoundError:  # files come and go under a running server
                continue
    return total
