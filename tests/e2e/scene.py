"""A terminal that misbehaves, and a bystander who must not notice."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

from devices.identity import Device
from protocol.line import Line, encode
from tests.e2e.bystander import Bystander
from tests.e2e.town import Card, Town

SESSION = "0123456789abcdef" * 2
"""One that nobody has."""


@dataclass(frozen=True)
class Scene:
    """Who misbehaves (a terminal and its card), who pays meanwhile, and who else could be named."""

    town: Town
    bystander: Bystander
    operator: Device

    @property
    def device(self) -> Device:
        """The terminal that sends garbage."""
        return self.town.device(1)

    @property
    def card(self) -> Card:
        """A card with money on it."""
        return self.town.cards[1]

    def play(self, scenario: Coroutine[Any, Any, None]) -> None:
        """Lets it happen, and asks the bystander."""
        asyncio.run(scenario)
        self.bystander.untouched()


def prove(session: str = SESSION, payload: bytes = b"x" * 400) -> bytes:
    """M3 that proves nothing."""
    return encode(Line("C", "PROVE", "backend", session, 0, payload))
