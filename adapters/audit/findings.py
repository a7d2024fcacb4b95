"""What a verification says: findings, each naming the events it is about."""

from uuid import UUID

import msgspec

KINDS = (
    *("changed", "deleted", "cut-off", "swapped", "moved", "duplicated", "inserted", "foreign"),
    *("checkpoint", "leaves", "history", "unreadable"),
)


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is not as it was written. `kind` is one of KINDS.

    `positions` are of the events concerned: first and last of a run, both of a swapped pair.
    Stream, version and topic are those of the row as it is now, None where there is none.
    """

    kind: str
    text: str
    positions: tuple[int, ...] = ()
    stream: UUID | None = None
    version: int | None = None
    topic: str | None = None


class Verification(msgspec.Struct, frozen=True, kw_only=True):
    """`protected` events were checked against the checkpoint of `checkpoint_events`.

    `unprotected` came after it: checked for gaps and copies only, or, where `opened`, by opening
    each. They are no failure by themselves. `key_sha256`: of the key (SPKI) that was trusted.
    """

    findings: list[Finding]
    rows: int
    checkpoint_events: int
    protected: int
    unprotected: int
    opened: bool
    seconds: float
    key_sha256: str = ""

    @property
    def intact(self) -> bool:
        """Whether nothing was found."""
        return not self.findings


def span(first: int, last: int) -> str:
    """`event 7` or `events 7 to 12`."""
    return f"event {first:,}" if first == last else f"events {first:,} to {last:,}"
