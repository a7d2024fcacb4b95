"""Holds a ceremony in processes that are killed: run by test_kills.py, prints how many there were.

Each process does one step more than the one before it and dies by SIGKILL at the next write:
after its work, before it is written down. At the end each write of the documents kills, too.
"""

import os
import signal
import sys
from pathlib import Path
from typing import Any

from adapters.ceremony import holding
from adapters.ceremony.desk import SandboxDesk
from adapters.ceremony.hsm import CeremonyHsm
from adapters.ceremony.open_secrets import OpenSecrets
from adapters.ceremony.people import SANDBOX
from adapters.ceremony.transcript import NOTE, Entry, Transcript
from devices.durable import write_durably

append, erase = Transcript.append, OpenSecrets.erase


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def one_life(home: Path, documents: int) -> None:
    """Dies before its second step is written, or before its `documents`th document is."""
    steps = 0
    written = 0

    def append_once(transcript: Transcript, entry: Entry) -> None:
        nonlocal steps
        if entry.step != NOTE:
            steps += 1
            if steps == 2:
                die()
        append(transcript, entry)

    def write_some(path: Path, content: bytes) -> None:
        nonlocal written
        written += 1
        if written > documents:
            die()
        write_durably(path, content)

    def erase_late(secrets: OpenSecrets) -> None:
        if documents == 3:
            die()
        erase(secrets)

    patched: list[Any] = [holding, Transcript, OpenSecrets]
    patched[0].write_durably = write_some
    patched[1].append = append_once
    patched[2].erase = erase_late
    hsm = CeremonyHsm(home, None, "ticketrestaurant")
    desk = SandboxDesk(home / "ceremony" / "shares", quiet=True)
    holding.hold(home / "ceremony", hsm, desk, SANDBOX)


def main() -> None:
    """All lives, until one ends by itself."""
    home, lives, documents = Path(sys.argv[1]), 0, 0
    while True:
        lives += 1
        closed = b'"step":"closing"' in _read(home / "ceremony" / "transcript.jsonl")
        documents += closed
        child = os.fork()
        if child == 0:
            try:
                one_life(home, documents)
            except BaseException as error:
                print(type(error).__name__, error, file=sys.stderr, flush=True)
                os._exit(1)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status):
            print(lives, flush=True)
            sys.exit(os.waitstatus_to_exitcode(status))


def _read(path: Path) -> bytes:
    return path.read_bytes() if path.exists() else b""


if __name__ == "__main__":
    main()
