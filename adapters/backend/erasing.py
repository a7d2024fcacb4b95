"""C ERASE: a person is forgotten, by two operators. First the record, then the list, then the key.

After a crash in between the next start does what is left: the record says who was erased.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

from adapters.backend.carrying_out import CarryingOut
from adapters.backend.operator_ports import Erasing
from adapters.backend.told import Told
from application import fields
from application.command import Command
from application.erase import EraseCardholder


class ErasingVerb:
    """`two_persons.Verb`: always two."""

    def __init__(self, works: CarryingOut, erasing: Erasing) -> None:
        self._works = works
        self._erasing = erasing

    def summary(self, body: Mapping[str, Any]) -> str:
        """See `Verb`."""
        return f"Erase cardholder {fields.uuid(body, 'cardholder')}: {_why(body)}"

    def needs_two(self, body: Mapping[str, Any]) -> bool:
        """See `Verb`."""
        return True

    async def make(self, told: Told) -> None:
        """See `Verb`: nothing."""

    def command(self, told: Told, made: None) -> Command:
        """See `Verb`."""
        return EraseCardholder(
            told.origin,
            self._works.deadline_us(),
            cardholder_id=fields.uuid(told.body, "cardholder"),
            why=_why(told.body),
        )

    async def stored(self, body: Mapping[str, Any]) -> None:
        """Deletes the key, and returns when nothing opens the person's data any more.

        `body` is of the proposal that was approved. Also where the approval only found that it was
        done: the answer before may have been lost.
        """
        cardholder_id = fields.uuid(body, "cardholder")
        await asyncio.to_thread(self._erasing.erase, cardholder_id)


def _why(body: Mapping[str, Any]) -> str:
    return fields.text(body, "why", fields.WHY_MOST)
