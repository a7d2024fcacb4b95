"""C REFILL `refunded`, of money that a processor took: it was sent back by hand, two operators say.

The processor sends back by itself, unless it is said that this was done: so one operator could keep
a company from its money by saying so. The way out where a processor fails for good.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from adapters.backend.carrying_out import CarryingOut
from application import decide_refill, fields
from application.command import Command
from application.read import Read
from application.states import States
from domain.aggregates.refill import Refill

if TYPE_CHECKING:
    from adapters.backend.told import Told

REFUNDED: Final = "refunded"


async def takes_two(works: CarryingOut, body: Mapping[str, Any]) -> bool:
    """Whether a processor took the refill's payment."""
    refill_id, _ = _read(body)

    def look(states: States, _: int) -> bool:
        refill = states.get(refill_id, Refill)
        return refill is not None and bool(refill.processor)

    taken: bool = await works.through_engine(Read(refill_id, look, works.deadline_us()))
    return taken


class RefundByHandVerb:
    """`two_persons.Verb`, of REFILL only for what `takes_two`."""

    def __init__(self, works: CarryingOut) -> None:
        self._works = works

    def summary(self, body: Mapping[str, Any]) -> str:
        """See `Verb`."""
        refill_id, reference = _read(body)
        return f"Say that the money of refill {refill_id} was sent back by hand: {reference}"

    def needs_two(self, body: Mapping[str, Any]) -> bool:
        """See `Verb`."""
        return True

    async def make(self, told: "Told") -> None:
        """See `Verb`: nothing."""

    def command(self, told: "Told", made: None) -> Command:
        """See `Verb`."""
        refill_id, reference = _read(told.body)
        return decide_refill.ConfirmRefundByTwo(
            told.origin, self._works.deadline_us(), refill_id=refill_id, text=reference
        )


def _read(body: Mapping[str, Any]) -> tuple[UUID, str]:
    fields.choice(body, "what", (REFUNDED,))
    return fields.uuid(body, "refill"), fields.text(body, "why", fields.WHY_MOST)
