"""What undoes a refill: its payment taken back, its lines, money sent back. Part of `refill`."""

from uuid import UUID

from domain.event import Event, stored_as
from domain.refill_lines import RefillLine


@stored_as("refill.charged_back/1")
class RefillChargedBack(Event, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """The payment was taken back from us. What is still on the accounts is taken back next.

    `fee_cents` of it was our fee; `fee_waived`: of an order that was given up, for which none is
    owed. Of what was stored before there was that field, nobody said how much was the fee.
    """

    company_id: UUID
    amount_cents: int
    processor: str
    reference: str
    why: str
    fee_cents: int = 0
    fee_waived: bool = False


@stored_as("refill.taken_back/1")
class RefillTakenBack(Event, frozen=True, kw_only=True, gc=False):
    """A step of credited lines was looked at: `lines` is what was debited in this commit.

    `receivable_cents` of them is on the accounts no more: the company owes it, less what of its
    expired money went back to it.
    """

    company_id: UUID
    lines: tuple[RefillLine, ...]
    looked_at: int
    taken_cents: int
    receivable_cents: int


@stored_as("refill.refunded/1")
class RefillRefunded(Event, frozen=True, kw_only=True, gc=False):
    """Money went back to the company; `fee_cents` of it is our fee.

    What was not due back, as when the payment was charged back meanwhile, the company owes.
    """

    company_id: UUID
    amount_cents: int
    fee_cents: int
    processor: str
    reference: str
