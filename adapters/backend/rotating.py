"""C ROTATE: the next generation of a key. Authorities and K_DB only by two operators."""

from collections.abc import Mapping
from typing import Any, Final

from adapters.backend.carrying_out import CarryingOut
from adapters.backend.operator_ports import KeyRotation, Rotated
from adapters.backend.told import Told
from application import fields
from application.command import Command
from application.rotate_key import RotateKey

NEEDS_TWO: Final = frozenset({"CA-ISSUING", "CA-ROOT", "CA-TLS", "K_DB"})
NAME_MOST: Final = 20
GENERATION_MOST: Final = 9_999
HASH_HEX: Final = 64


class Rotating:
    """`two_persons.Verb`."""

    def __init__(self, works: CarryingOut, keys: KeyRotation) -> None:
        self._works = works
        self._keys = keys

    def summary(self, body: Mapping[str, Any]) -> str:
        """See `Verb`. What cannot be rotated is said before anybody proposes it."""
        name, generation, why, ceremony = _read(body)
        self._keys.check(name, generation, ceremony)
        under = f" in the ceremony {ceremony[:8]}…" if ceremony else ""
        return f"Rotate {name} to generation {generation}{under}: {why}"

    def needs_two(self, body: Mapping[str, Any]) -> bool:
        """See `Verb`."""
        return _read(body)[0] in NEEDS_TWO

    async def make(self, told: Told) -> Rotated:
        """See `Verb`: the generation is in use when this returns; what is stored is the record."""
        name, generation, _, ceremony = _read(told.body)
        return await self._works.in_lane(lambda: self._keys.rotate(name, generation, ceremony))

    def command(self, told: Told, made: Rotated | None) -> Command:
        """See `Verb`."""
        name, generation, why, ceremony = _read(told.body)
        return RotateKey(
            told.origin,
            self._works.deadline_us(),
            name=name,
            generation=generation,
            why=why,
            ceremony=ceremony,
            certificates=made.certificates if made else (),
            also=made.also if made else {},
        )


def _read(body: Mapping[str, Any]) -> tuple[str, int, str, str]:
    named = "ceremony" in body
    return (
        fields.text(body, "key", NAME_MOST),
        fields.whole(body, "generation", 2, GENERATION_MOST),
        fields.text(body, "why", fields.WHY_MOST),
        fields.hex_bytes(body, "ceremony", HASH_HEX).hex() if named else "",
    )
