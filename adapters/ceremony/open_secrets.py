"""What must survive an interruption and nothing else: one file of mode 0600, gone at the end.

It holds the PIN, the shares that no custodian has confirmed yet and the participants' passing
signing keys. Whoever reads it during the ceremony has the PIN: the room is guarded, the file is
short-lived. It also says how far the transcript was, so that one that was cut is noticed.
"""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from adapters.ceremony.transcript import Transcript, TranscriptBroken
from devices.durable import write_durably

FILE: Final = "open.json"


@dataclass(slots=True)
class OpenSecrets:
    """The file's content. Its `repr` shows nothing secret."""

    path: Path
    pin: str = field(default="", repr=False)
    pin_given: bool = False
    """By the tools of the HSM's maker; else the program made it."""
    shares: dict[str, str] = field(default_factory=dict, repr=False)
    """By the custodian's number, from 1; without those that were confirmed."""
    keys: dict[str, str] = field(default_factory=dict, repr=False)
    """Passing private keys (PEM) by participant."""
    key_files: dict[str, str] = field(default_factory=dict)
    """Where a participant's own private key lies, by participant."""
    entries: int = 0
    head: str = ""

    @classmethod
    def open(cls, folder: Path) -> "OpenSecrets | None":
        """What is there; None where no ceremony is open. Raises TranscriptBroken, OSError."""
        path = folder / FILE
        if not path.exists():
            return None
        try:
            found: dict[str, Any] = json.loads(path.read_bytes())
            return cls(path, **found)
        except (ValueError, TypeError):
            raise TranscriptBroken(f"{path.name} is damaged") from None

    def save(self, transcript: Transcript) -> None:
        """Before each entry: how far the transcript is now. Raises OSError."""
        self.entries, self.head = len(transcript.entries), transcript.head
        names = ("pin", "pin_given", "shares", "keys", "key_files", "entries", "head")
        content = {name: getattr(self, name) for name in names}
        write_durably(self.path, json.dumps(content, indent=1).encode())

    def check(self, transcript: Transcript) -> None:
        """That the transcript is as far as it was, or one entry on. Raises TranscriptBroken."""
        behind = len(transcript.entries) - self.entries
        if behind not in (0, 1):
            raise TranscriptBroken("entries were taken from the transcript, or added to it")
        if self.entries and transcript.entries[self.entries - 1].hash != self.head:
            raise TranscriptBroken("the transcript was altered while the ceremony was open")

    def erase(self) -> None:
        """Overwrites the file and removes it. On flash and on copying file systems an older
        copy may remain: keep the state folder on an encrypted disk."""
        if self.path.exists():
            with self.path.open("r+b", buffering=0) as file:
                file.write(b"\0" * self.path.stat().st_size)
                os.fsync(file.fileno())
            self.path.unlink()
        self.pin, self.shares, self.keys = "", {}, {}
