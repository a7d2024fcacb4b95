"""The transcript: a line for each step, each holding the hash of the line before.

The file is JSON lines, in the order of what happened, never changed and only added to. A step is
there once: what is written is done. Notes (an interruption, a mistyped share) may come any time.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from devices.durable import append_durably, write_durably
from protocol.encoding import from_json, to_json

FOLDER: Final = "ceremony"
"""Of the state folder: the first ceremony's; those of later roots are in it."""
SHARES_FOLDER: Final = "shares"
"""In it, of a sandbox."""
TRANSCRIPT_FILE: Final = "transcript.jsonl"
FIRST: Final = "0" * 64
NOTE: Final = "note"
_MEMBERS: Final = {"n", "at", "who", "step", "text", "facts", "previous"}
_LINE_MOST: Final = 64 * 1024


class TranscriptBroken(Exception):
    """The transcript is not what was written; the message names the entry."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line. `at` is ISO 8601 in UTC, `facts` are for programs, `text` for people."""

    n: int
    at: str
    who: str
    step: str
    text: str
    facts: dict[str, Any]
    previous: str
    raw: bytes = field(repr=False)

    @property
    def hash(self) -> str:
        """SHA-256 of the line without its line feed."""
        return sha256(self.raw).hexdigest()


class Transcript:
    """The entries, in memory and in the file."""

    def __init__(self, path: Path, entries: list[Entry] | None = None) -> None:
        self._path = path
        self.entries = entries or []

    @classmethod
    def open(cls, path: Path) -> "Transcript":
        """What is there; a last line that was not written whole is taken away.

        Raises TranscriptBroken, OSError.
        """
        raw = path.read_bytes() if path.exists() else b""
        whole = raw[: raw.rfind(b"\n") + 1]
        entries = read_entries(whole)
        if whole != raw:
            write_durably(path, whole)
        return cls(path, entries)

    @property
    def head(self) -> str:
        """The hash of the last line: it stands for the whole transcript."""
        return self.entries[-1].hash if self.entries else FIRST

    def find(self, step: str) -> Entry | None:
        """The entry of a step, None while it is to be done."""
        return next((entry for entry in self.entries if entry.step == step), None)

    def draft(self, who: str, step: str, text: str, facts: dict[str, Any], now: datetime) -> Entry:
        """The next entry, not yet written. No time lies before the one of the entry before."""
        at = now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        if self.entries:
            at = max(at, self.entries[-1].at)
        n = len(self.entries) + 1
        body = {
            "n": n, "at": at, "who": who, "step": step, "text": text, "facts": facts,
            "previous": self.head,
        }  # fmt: skip
        return Entry(n, at, who, step, text, facts, self.head, to_json(body))

    def append(self, entry: Entry) -> None:
        """Writes it; on disk when this returns. Raises OSError."""
        append_durably(self._path, entry.raw + b"\n")
        self.entries.append(entry)


def read_entries(raw: bytes) -> list[Entry]:
    """The entries of a whole transcript, their chain checked. Raises TranscriptBroken."""
    entries: list[Entry] = []
    steps: set[str] = set()
    *lines, rest = raw.split(b"\n")
    if rest:
        raise TranscriptBroken("the last entry was not written whole")
    for number, line in enumerate(lines, start=1):
        entry = _entry(number, line)
        before = entries[-1] if entries else None
        if entry.previous != (before.hash if before else FIRST):
            raise TranscriptBroken(f"entry {number} does not follow the one before: altered")
        if before and entry.at < before.at:
            raise TranscriptBroken(f"entry {number} is earlier than the one before")
        if entry.step in steps:
            raise TranscriptBroken(f"entry {number} repeats the step {entry.step}")
        if entry.step != NOTE:
            steps.add(entry.step)
        entries.append(entry)
    return entries


def _entry(number: int, line: bytes) -> Entry:
    try:
        if len(line) > _LINE_MOST:
            raise ValueError
        body = from_json(line)
        if to_json(body) != line or body.keys() != _MEMBERS or body["n"] != number:
            raise ValueError
        texts = [body[name] for name in ("at", "who", "step", "text", "previous")]
        if not all(isinstance(text, str) for text in texts) or not isinstance(body["facts"], dict):
            raise ValueError
    except ValueError:
        raise TranscriptBroken(f"entry {number} cannot be read") from None
    return Entry(
        number, body["at"], body["who"], body["step"], body["text"], body["facts"],
        body["previous"], line,
    )  # fmt: skip
