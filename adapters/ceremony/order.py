"""Whether the backend may make a new root: as the ceremony that is open for it asks.

Where the first root came to be before witnesses, so does every other. A sandbox's does not need to.
"""

from pathlib import Path
from typing import Final

from adapters.ceremony.first import read_first
from adapters.ceremony.open_secrets import FILE as OPEN_FILE
from adapters.ceremony.transcript import (
    TRANSCRIPT_FILE,
    Entry,
    TranscriptBroken,
    read_entries,
)

ORDER: Final = "order"
"""The step whose line is named by the command of the two operators, by its hash."""
CLOSING: Final = "closing"
_NEEDED: Final = (
    "ceremony-needed",
    "The first root of this installation was made before witnesses, and so is the next: on the"
    " backend's machine, ticketrestaurant ceremony new-root. It tells the operators what to give.",
)
_OTHER: Final = (
    "other-ceremony",
    "No ceremony for this root that is open at the backend asks for it by that hash. Give the one"
    " that ticketrestaurant ceremony new-root shows there.",
)
_UNREADABLE: Final = (
    "ceremony-unreadable",
    "A transcript in the folder ceremony/ of the backend cannot be read: restore it from a backup.",
)


def folder_of(ceremonies: Path, generation: int) -> Path:
    """Where the ceremony for a root is, in the folder of the first one."""
    return ceremonies / f"root-{generation}"


def refusal(ceremonies: Path, generation: int, named: str) -> tuple[str, str] | None:
    """Why this generation of the root is not made now, as code and text.

    `named`: the hash of an order, empty where none was named.
    """
    try:
        if named:
            return None if named == open_order(ceremonies, generation) else _OTHER
        first = read_first(ceremonies)
        return None if first is None or first.plan.sandbox else _NEEDED
    except (TranscriptBroken, OSError):
        return _UNREADABLE


def open_order(ceremonies: Path, generation: int) -> str:
    """The hash of what the open ceremony for this root asks; empty where none does."""
    folder = folder_of(ceremonies, generation)
    if not (folder / OPEN_FILE).exists():  # or a backup of that time would be as good
        return ""
    raw = (folder / TRANSCRIPT_FILE).read_bytes()
    entries = read_entries(raw[: raw.rfind(b"\n") + 1])  # a line may be being written
    found: dict[str, Entry] = {entry.step: entry for entry in entries}
    return found[ORDER].hash if ORDER in found and CLOSING not in found else ""
