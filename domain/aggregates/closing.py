"""The daily close of the books: one stream, each event a day that is closed for ever.

Days close in order, none is left out. What is signed is a text that anybody can read and check
with the log's public key; each names the hash of the one before it.
"""

from collections.abc import Mapping
from hashlib import sha256
from uuid import UUID

import msgspec

from domain.event import Context, Event, no_such_event, stamp, stored_as
from domain.ids import derived_id

CLOSINGS_ID = derived_id("closings", UUID(int=0), 0, 0)
"""The one stream of an installation's closings."""
NONE_BEFORE = "0" * 64
"""Stands for the hash of the closing before the first one."""


class ClosedBalance(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An account of the books at the end of the day: signed cents, debit positive."""

    code: str
    balance_cents: int


@stored_as("closing.closed/1")
class DayClosed(Event, frozen=True, kw_only=True, gc=False):
    """The books of `day` end with the event at `position`; nothing is posted in it any more.

    `postings`: money events up to there. `note` is the signed text, `sha256` (hex) the hash of the
    text alone, `previous` that of the closing before.
    """

    day: str
    timezone: str
    position: int
    postings: int
    balances: tuple[ClosedBalance, ...]
    previous: str
    sha256: str
    note: str


class Closings(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """How far the books are closed: the last day, where it ends, the hash of its record."""

    id: UUID
    version: int
    day: str
    position: int
    sha256: str


def evolve(closings: Closings | None, event: Event) -> Closings:
    """The closings after `event`."""
    match event:
        case DayClosed():
            return Closings(
                id=event.originator_id,
                version=event.originator_version,
                day=event.day,
                position=event.position,
                sha256=event.sha256,
            )
        case _:
            raise no_such_event("closing", event)


def record(
    name: str,
    *,
    day: str,
    timezone: str,
    position: int,
    postings: int,
    balances: Mapping[str, int],
    previous: str,
) -> str:
    """The text that is signed: its name, then a line for each fact, then one for each account."""
    lines = [
        name,
        f"day {day} {timezone}",
        f"position {position}",
        f"postings {postings}",
        f"previous {previous}",
        *(f"account {code} {cents}" for code, cents in balances.items()),
    ]
    return "\n".join(lines) + "\n"


def hash_of(text: str) -> str:
    """SHA-256 of a record, in hex."""
    return sha256(text.encode()).hexdigest()


def close(
    context: Context,
    closings: Closings | None,
    *,
    day: str,
    timezone: str,
    position: int,
    postings: int,
    balances: Mapping[str, int],
    text: str,
    note: str,
) -> DayClosed:
    """Closes a day that the caller found to be the next one. `text` is its record."""
    return DayClosed(
        **stamp(context, CLOSINGS_ID, closings.version + 1 if closings is not None else 1),
        day=day,
        timezone=timezone,
        position=position,
        postings=postings,
        balances=tuple(
            ClosedBalance(code=code, balance_cents=cents) for code, cents in balances.items()
        ),
        previous=closings.sha256 if closings is not None else NONE_BEFORE,
        sha256=hash_of(text),
        note=note,
    )
