"""A company pays our fee that it owed since a chargeback of its refill."""

from typing import Any
from uuid import UUID

from application.command import Origin, Refused, other_command
from application.decide_refill import DecideRefill
from application.states import States
from domain.aggregates import refill as refills
from domain.aggregates import refill_undone as undone
from domain.aggregates.refill import Refill
from domain.answers import dollars
from domain.event import Context, Event


class PayFee(DecideRefill):
    """An operator saw the money; the bank's statement will show it under the refill's reference."""

    makes = (undone.RefillFeePaid,)

    def __init__(
        self,
        origin: Origin,
        deadline_us: int,
        *,
        refill_id: UUID,
        amount_cents: int,
        text: str = "",
    ) -> None:
        """`amount_cents` > 0; `text` is what the bank or check calls the payment."""
        super().__init__(origin, deadline_us, refill_id=refill_id, text=text)
        self._amount_cents = amount_cents

    def _decided(self, context: Context, refill: Refill) -> list[Event] | Refused:
        owed_cents = refill.fee_receivable_cents
        if not owed_cents:
            return Refused("no-fee-owed", "Of this refill no fee is owed: there is none to pay.")
        if self._amount_cents > owed_cents:
            text = f"{dollars(owed_cents)} of the fee are owed, no more. Nothing was booked."
            return Refused("more-than-owed", text)
        facts = {"company_id": refill.company_id, "amount_cents": self._amount_cents}
        facts |= {"reference": self._text, "paid_by": context.actor}
        return [refills.event_of(context, refill, undone.RefillFeePaid, **facts)]

    def repeated(self, states: States, made: UUID) -> Any:
        """The refill as it is by now, where that command paid the same."""
        for event in states.stored_by(self.origin.command_id, made):
            if isinstance(event, undone.RefillFeePaid) and event.amount_cents != self._amount_cents:
                return other_command()
        return super().repeated(states, made)
