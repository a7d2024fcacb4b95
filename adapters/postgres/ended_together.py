"""Runs a command whose own children outlive it, and ends all of them together on SIGTERM.

Run as a plain file in a session of its own: `python -I ended_together.py COMMAND ARGUMENT...`.
`pg_basebackup` streams the write-ahead log in a child, which would go on for ever if only its
parent were ended. The exit status is the command's.
"""

import os
import signal
import subprocess
import sys


def main(command: list[str]) -> int:
    """Waits for the command; after SIGTERM nothing of our process group is left."""

    def end_all(_number: int, _frame: object) -> None:
        os.killpg(0, signal.SIGKILL)  # us, too

    signal.signal(signal.SIGTERM, end_all)
    return subprocess.run(command).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
