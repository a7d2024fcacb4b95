"""What later ceremonies, and who checks them, take from the transcript of the first one."""

from dataclasses import dataclass
from pathlib import Path

from adapters.ceremony.people import Plan
from adapters.ceremony.transcript import TRANSCRIPT_FILE, TranscriptBroken, read_entries


@dataclass(frozen=True, slots=True)
class First:
    """The first ceremony. `shares`: the fingerprint of each share of the HSM's PIN, by number."""

    head: str
    held: str
    plan: Plan
    identifier: int
    shares: dict[int, str]
    token: str
    """The serial number of the token that it made."""
    root: str
    """SHA-256 (hex) of the certificate of the first root."""


def read_first(folder: Path) -> First | None:
    """Of the state folder's `ceremony/`; None where no ceremony was closed.

    Raises TranscriptBroken, OSError.
    """
    path = folder / TRANSCRIPT_FILE
    if not path.exists():
        return None
    entries = read_entries(path.read_bytes())
    if not entries or entries[-1].step != "closing":
        return None
    facts = {entry.step: entry.facts for entry in entries}
    try:
        split = facts["split"]
        return First(
            head=entries[-1].hash,
            held=entries[0].at,
            plan=Plan.from_json(facts["opening"]),
            identifier=int(split["identifier"]),
            shares={int(number): str(each) for number, each in split["shares"].items()},
            token=str(facts["token"]["serial"]),
            root=str(facts["root certificate"]["sha256"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        raise TranscriptBroken("a fact of the first ceremony is missing") from None
