"""What undoes a refill: its payment taken back, its lines, money sent back; and what undoes that
where a chargeback was won. Part of `refill`."""

from typing import TYPE_CHECKING
from uuid import UUID

from msgspec.structs import replace

from domain.event import Event, no_such_event, stored_as, upcast
from domain.refill_lines import RefillLine, TakenLine

if TYPE_CHECKING:
    from domain.aggregates.refill import Refill


@stored_as("refill.charged_back/2")
class RefillChargedBack(Event, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """The payment was taken back from us. What is still on the accounts is taken back next.

    `fee_cents` of it was our fee; `fee_waived`: of an order that was given up, for which none is
    owed. Of what was stored before there was that field, nobody said how much was the fee.
    `dispute`: what the processor calls it.
    """

    company_id: UUID
    amount_cents: int
    processor: str
    reference: str
    why: str
    fee_cents: int = 0
    fee_waived: bool = False
    dispute: str = ""


@stored_as("refill.taken_back/2")
class RefillTakenBack(Event, frozen=True, kw_only=True, gc=False):
    """A step of credited lines was looked at: `lines` is what was debited in this commit.

    `receivable_cents` of them is on the accounts no more: the company owes it, less what of its
    expired money went back to it.
    """

    company_id: UUID
    lines: tuple[TakenLine, ...]
    looked_at: int
    taken_cents: int
    receivable_cents: int


upcast("refill.charged_back/1", "refill.charged_back/2")
upcast("refill.taken_back/1", "refill.taken_back/2")


@stored_as("refill.chargeback_won/1")
class RefillChargebackWon(Event, frozen=True, kw_only=True, gc=False):
    """The payment is ours again. What was taken from accounts goes back to them next.

    Of the `amount_cents`, `fee_cents` is our fee: it was owed until now, or with `fee_waived` no
    income any more. `dispute` as of the chargeback that it ends.
    """

    company_id: UUID
    amount_cents: int
    fee_cents: int
    fee_waived: bool
    processor: str
    reference: str
    dispute: str
    why: str


@stored_as("refill.given_back/1")
class RefillGivenBack(Event, frozen=True, kw_only=True, gc=False):
    """The next lines of what had been taken back are on their accounts again, by this commit."""

    company_id: UUID
    lines: tuple[RefillLine, ...]
    given_cents: int


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


@stored_as("refill.refund_looked_for/1")
class RefillRefundLookedFor(Event, frozen=True, kw_only=True, gc=False):
    """The processor was asked after a chargeback: it sent no refund that is not recorded."""

    company_id: UUID
    processor: str


@stored_as("refill.fee_paid/1")
class RefillFeePaid(Event, frozen=True, kw_only=True, gc=False):
    """The company paid of our fee what it owed since a chargeback. `reference`: what its bank or
    check calls the payment."""

    company_id: UUID
    amount_cents: int
    reference: str
    paid_by: str


@stored_as("refill.inquired/1")
class RefillInquired(Event, frozen=True, kw_only=True, gc=False):
    """The cardholder's bank asks about the payment, or with `closed` has ended asking: no money
    moved. What is not answered at the processor may become a chargeback of `amount_cents`."""

    company_id: UUID
    amount_cents: int
    processor: str
    reference: str
    dispute: str
    reason: str
    closed: bool


def after(refill: "Refill", event: Event) -> "Refill":
    """The refill after `event`, but for its status after a chargeback."""
    match event:
        case RefillRefunded():
            return _refunded(refill, event)
        case RefillChargedBack():
            owed_cents = 0 if event.fee_waived else event.fee_cents
            return replace(
                refill,
                why=event.why,
                inquiry="",
                dispute=event.dispute,
                # It is sent before it is recorded: the process may have been killed in between.
                refund_in_doubt=refill.refund_cents > 0 and bool(refill.processor),
                chargebacks=refill.chargebacks + 1,
                looked_at_lines=0,
                charged_back_cents=event.amount_cents,
                charged_back_fee_cents=event.fee_cents,
                receivable_cents=refill.receivable_cents + owed_cents,
                fee_receivable_cents=owed_cents,
            )
        case RefillRefundLookedFor():
            return replace(refill, refund_in_doubt=False)
        case RefillFeePaid():
            return replace(
                refill,
                receivable_cents=refill.receivable_cents - event.amount_cents,
                fee_receivable_cents=refill.fee_receivable_cents - event.amount_cents,
                fee_paid_cents=refill.fee_paid_cents + event.amount_cents,
            )
        case RefillInquired():
            closed = (event.dispute,) if event.closed else ()
            return replace(
                refill,
                inquiry="" if event.closed else event.reason,
                inquiries_closed=(*refill.inquiries_closed, *closed),
            )
        case RefillTakenBack():
            return replace(
                refill,
                looked_at_lines=refill.looked_at_lines + event.looked_at,
                taken_lines=refill.taken_lines + len(event.lines),
                taken_cents=refill.taken_cents + event.taken_cents,
                receivable_cents=refill.receivable_cents + event.receivable_cents,
            )
        case RefillChargebackWon():
            return _won(refill, event)
        case RefillGivenBack():
            return replace(
                refill,
                given_lines=refill.given_lines + len(event.lines),
                taken_cents=refill.taken_cents - event.given_cents,
            )
        case _:
            raise no_such_event("refill", event)


def _refunded(refill: "Refill", event: RefillRefunded) -> "Refill":
    late = refill.is_charged_back
    owed_cents = max(0, event.amount_cents - refill.unclaimed_cents)
    over_cents = 0 if late else refill.overpaid_cents - refill.refunded_over_cents
    return replace(
        refill,
        refunded_over_cents=refill.refunded_over_cents + min(over_cents, event.amount_cents),
        refunded_cents=refill.refunded_cents + event.amount_cents,
        refunded_late_cents=refill.refunded_late_cents + late * event.amount_cents,
        refunded_late_fee_cents=refill.refunded_late_fee_cents + late * event.fee_cents,
        refund_references=(*refill.refund_references, event.reference),
        refund_in_doubt=refill.refund_in_doubt and not event.processor,
        paid_fee_cents=refill.paid_fee_cents - event.fee_cents,
        receivable_cents=refill.receivable_cents + owed_cents,
    )


def _won(refill: "Refill", event: RefillChargebackWon) -> "Refill":
    """As if it had not been charged back: what was refunded meanwhile was refunded before."""
    status = refill.status_when_won
    if status != refill.status_before:
        # Money for lines that waited went back to the company: they are not credited any more.
        refill = replace(
            refill,
            done_lines=refill.accounts,
            failed_lines=refill.accounts - refill.credited_lines,
            failed_cents=refill.total_cents - refill.credited_cents,
        )
    refill = replace(
        refill,
        status=status,
        why="",
        won_cents=refill.won_cents + event.amount_cents,
        won_disputes=(*refill.won_disputes, event.dispute),
        to_give_lines=refill.taken_lines,
        refund_in_doubt=False,
        looked_at_lines=0,
        charged_back_cents=0,
        charged_back_fee_cents=0,
        refunded_late_cents=0,
        refunded_late_fee_cents=0,
        fee_receivable_cents=0,
        fee_paid_cents=0,
        overpaid_cents=refill.overpaid_cents + refill.fee_paid_cents,
    )
    owed_cents = max(0, refill.refunded_cents - refill.refundable_cents)
    return replace(refill, receivable_cents=owed_cents)
