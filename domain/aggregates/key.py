"""A key of the HSM, by its name: when a new generation of it was taken into use, and why.

The key itself is in the token, which also says what is in use; this is the record of it.
"""

from uuid import UUID

import msgspec

from domain.event import Context, Event, no_such_event, stamp, stored_as
from domain.ids import derived_id

_NOBODY = UUID(int=0)
RECORDED = "already-rotated"
"""The reason where that generation, or a later one, is on record."""


def key_id(name: str) -> UUID:
    """The one stream of a key's rotations in an installation."""
    return derived_id("key:" + name, _NOBODY, 0, 0)


@stored_as("key.rotated/1")
class KeyRotated(Event, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """`generation` makes what is new from now on."""

    name: str
    generation: int
    why: str
    ceremony: str = ""
    """Of a root made before witnesses: SHA-256 (hex) of the line of the transcript that asks for
    it."""


class Key(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The newest generation that was recorded; a key that was never rotated has no stream."""

    id: UUID
    version: int
    name: str
    generation: int
    since: tuple[tuple[int, int], ...] = ()
    """Of each recorded generation: its number, and when that was recorded, in microseconds."""


def evolve(key: Key | None, event: Event) -> Key:
    """The key after `event`."""
    match event:
        case KeyRotated():
            return Key(
                id=event.originator_id,
                version=event.originator_version,
                name=event.name,
                generation=event.generation,
                since=(*(key.since if key else ()), (event.generation, event.recorded_at_us)),
            )
        case _:
            raise no_such_event("key", event)


def rotate(
    context: Context, key: Key | None, *, name: str, generation: int, why: str, ceremony: str = ""
) -> KeyRotated | None:
    """Records a generation; None where that one, or a later one, is on record."""
    if generation <= (key.generation if key is not None else 1):
        return None
    version = key.version + 1 if key is not None else 1
    return KeyRotated(
        **stamp(context, key_id(name), version),
        name=name,
        generation=generation,
        why=why,
        ceremony=ceremony,
    )
