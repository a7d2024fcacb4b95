"""A refill: money that a company puts on the accounts of its employees.

Ordered, paid, approved, then credited line by line; each line once. Amounts are integer cents.
"""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from msgspec.structs import replace

from domain.aggregates import refill_money as money
from domain.aggregates import refill_undone as undone
from domain.event import Context, Event, no_such_event, stamp, stored_as, upcast
from domain.refill_lines import FailedLine, RefillLine

MOST_CENTS = 1_000_000
"""No account is refilled with more than $10,000.00 at once."""
MOST_LINES = 100_000
STEP_LINES = 50
"""Lines credited in one commit: payments that arrive meanwhile wait for one step, not for all."""

BANK, CHECK, PAYPAL, CARD = "bank", "check", "paypal", "card"
METHODS = (BANK, CHECK, PAYPAL, CARD)
"""How a company pays. Only `card` is asked of a processor; the others an operator confirms."""
FORM, FILE, SCHEDULE = "form", "file", "schedule"

AWAITING_PAYMENT, AWAITING_APPROVAL = money.AWAITING_PAYMENT, money.AWAITING_APPROVAL
APPROVED, CREDITED, IN_PART, FAILED = money.APPROVED, money.CREDITED, money.IN_PART, money.FAILED
REJECTED, CANCELLED, CHARGED_BACK = money.REJECTED, money.CANCELLED, money.CHARGED_BACK
STATUSES = (
    *(AWAITING_PAYMENT, AWAITING_APPROVAL, APPROVED, CREDITED, IN_PART, FAILED),
    *(REJECTED, CANCELLED, CHARGED_BACK),
)


@stored_as("refill.ordered/2")
class RefillOrdered(Event, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """A company wants this; nothing moved yet.

    The company pays `total_cents` and `fee_cents`. `payment_method` is the processor's token for
    a card. `two_persons`: another person than who ordered must approve it; where that is only
    because of what the same person ordered alone within 24 hours, `alone_before_cents` is that.
    `schedule_id` and `due_on` (ISO date) where a schedule ordered it. The money can be spent
    through `last_day`; for ever where that is empty.
    """

    company_id: UUID
    lines: tuple[RefillLine, ...]
    total_cents: int
    fee_cents: int
    source: str
    method: str
    payment_method: str
    two_persons: bool
    ordered_by: str
    group: str
    schedule_id: UUID | None
    due_on: str
    last_day: str = ""
    alone_before_cents: int = 0


upcast("refill.ordered/1", "refill.ordered/2")


@stored_as("refill.paid/1")
class RefillPaid(Event, frozen=True, kw_only=True, gc=False):
    """The company's money is here: by a processor's word that was verified, or an operator's.

    `fee_cents` of the amount is our fee. `reference`: what the processor, bank or check calls the
    payment. `processor` is empty where an operator confirmed it.
    """

    company_id: UUID
    amount_cents: int
    fee_cents: int
    method: str
    processor: str
    reference: str
    paid_by: str


@stored_as("refill.approved/1")
class RefillApproved(Event, frozen=True, kw_only=True, gc=False):
    """Its lines will be credited. `system:refills` approves what needs no second person."""

    approved_by: str


@stored_as("refill.rejected/1")
class RefillRejected(Event, frozen=True, kw_only=True, gc=False):
    """It will not be credited: an operator's no, or the processor refused the card."""

    why: str
    rejected_by: str


@stored_as("refill.cancelled/1")
class RefillCancelled(Event, frozen=True, kw_only=True, gc=False):
    """It will not be credited: the company does not want it any more."""

    why: str
    cancelled_by: str


@stored_as("refill.credited/1")
class RefillCredited(Event, frozen=True, kw_only=True, gc=False):
    """These lines were credited, in the same commit as this event: all, or the next step of them.

    The first event of the stream where the refill was carried out before there were orders.
    """

    company_id: UUID
    lines: tuple[RefillLine, ...]
    total_cents: int
    approved_by: str


@stored_as("refill.failed/1")
class RefillFailed(Event, frozen=True, kw_only=True, gc=False):
    """These lines are not credited. `ordered`: they are among the order's, so the company paid
    for them; else they were left out of it from the start."""

    company_id: UUID
    lines: tuple[FailedLine, ...]
    total_cents: int
    ordered: bool


class Refill(money.RefillMoney, frozen=True, kw_only=True, gc=False):
    """The refill as its events made it; its lines stay in them.

    `accounts` lines were ordered, `total_cents` in all. `done_lines` of them were credited or
    failed. `looked_at_lines` of the credited ones were looked at after a chargeback.
    `refund_references` are those of all refunds; `refund_in_doubt`: the processor may have sent one
    that nobody recorded before the chargeback. `inquiry`: why the cardholder's bank asks about the
    payment; empty while it does not.
    """

    id: UUID
    version: int
    company_id: UUID
    total_cents: int
    accounts: int
    fee_cents: int = 0
    source: str = FORM
    method: str = BANK
    payment_method: str = ""
    two_persons: bool = False
    alone_before_cents: int = 0
    ordered_us: int = 0
    ordered_by: str = ""
    group: str = ""
    schedule_id: UUID | None = None
    due_on: str = ""
    last_day: str = ""
    paid_us: int = 0
    paid_by: str = ""
    processor: str = ""
    reference: str = ""
    approved_by: str = ""
    done_lines: int = 0
    failed_lines: int = 0
    left_out_lines: int = 0
    dispute: str = ""
    inquiry: str = ""
    inquiries_closed: tuple[str, ...] = ()
    chargebacks: int = 0
    looked_at_lines: int = 0
    won_disputes: tuple[str, ...] = ()
    refund_references: tuple[str, ...] = ()
    refund_in_doubt: bool = False
    why: str = ""

    @property
    def is_open(self) -> bool:
        """Whether it can still be rejected or cancelled: nothing of it is credited."""
        return self.status in (AWAITING_PAYMENT, AWAITING_APPROVAL)

    @property
    def due_cents(self) -> int:
        """What the company pays."""
        return self.total_cents + self.fee_cents

    @property
    def takes_back(self) -> bool:
        """Whether not all of its credits were looked at after its chargeback."""
        return self.is_charged_back and self.looked_at_lines < self.credited_lines

    @property
    def at_work(self) -> bool:
        """Whether something is to be done that nobody is asked about."""
        return (
            self.status == APPROVED
            or self.giving_back
            or self.takes_back
            or (self.status == AWAITING_PAYMENT and self.method == CARD)
            or (
                bool(self.processor)
                and (self.refund_by_processor_cents > 0 or self.refund_in_doubt)
            )
        )


def evolve(refill: Refill | None, event: Event) -> Refill:
    """The refill after `event`."""
    if isinstance(event, RefillOrdered):
        return _ordered(event)
    if refill is None:
        if isinstance(event, RefillCredited):
            return _carried_out(event)
        raise no_such_event("refill", event)
    refill = replace(refill, version=event.originator_version)
    match event:
        case RefillPaid():
            return replace(
                refill,
                paid_cents=refill.paid_cents + event.amount_cents,
                paid_fee_cents=refill.paid_fee_cents + event.fee_cents,
                paid_us=event.occurred_at_us,
                paid_by=event.paid_by,
                processor=event.processor,
                reference=event.reference,
                status=AWAITING_APPROVAL if refill.status == AWAITING_PAYMENT else refill.status,
            )
        case RefillApproved():
            return replace(refill, status=APPROVED, approved_by=event.approved_by)
        case RefillRejected():
            return replace(refill, status=REJECTED, why=event.why)
        case RefillCancelled():
            return replace(refill, status=CANCELLED, why=event.why)
        case undone.RefillChargedBack():
            return replace(
                undone.after(refill, event), status=CHARGED_BACK, status_before=refill.status
            )
        case _:
            return _moved(refill, event)


def _moved(refill: Refill, event: Event) -> Refill:
    """The refill after an event that is about its lines."""
    match event:
        case RefillCredited():
            return _settled(
                replace(
                    refill,
                    done_lines=refill.done_lines + len(event.lines),
                    credited_lines=refill.credited_lines + len(event.lines),
                    credited_cents=refill.credited_cents + event.total_cents,
                )
            )
        case RefillFailed() if not event.ordered:
            return replace(refill, left_out_lines=refill.left_out_lines + len(event.lines))
        case RefillFailed():
            return _settled(
                replace(
                    refill,
                    done_lines=refill.done_lines + len(event.lines),
                    failed_lines=refill.failed_lines + len(event.lines),
                    failed_cents=refill.failed_cents + event.total_cents,
                )
            )
        case _:
            return undone.after(refill, event)


def _settled(refill: Refill) -> Refill:
    """Its status once the last line is done."""
    if refill.done_lines < refill.accounts or refill.status != APPROVED:
        return refill
    if not refill.failed_lines:
        return replace(refill, status=CREDITED)
    return replace(refill, status=IN_PART if refill.credited_lines else FAILED)


def _ordered(event: RefillOrdered) -> Refill:
    return Refill(
        id=event.originator_id,
        version=event.originator_version,
        company_id=event.company_id,
        total_cents=event.total_cents,
        accounts=len(event.lines),
        status=AWAITING_PAYMENT,
        fee_cents=event.fee_cents,
        source=event.source,
        method=event.method,
        payment_method=event.payment_method,
        two_persons=event.two_persons,
        alone_before_cents=event.alone_before_cents,
        ordered_us=event.occurred_at_us,
        ordered_by=event.ordered_by,
        group=event.group,
        schedule_id=event.schedule_id,
        due_on=event.due_on,
        last_day=event.last_day,
    )


def _carried_out(event: RefillCredited) -> Refill:
    """A refill of before there were orders: paid, approved and credited at once."""
    return Refill(
        id=event.originator_id,
        version=event.originator_version,
        company_id=event.company_id,
        total_cents=event.total_cents,
        accounts=len(event.lines),
        ordered_us=event.occurred_at_us,
        ordered_by=event.approved_by,
        paid_cents=event.total_cents,
        paid_us=event.occurred_at_us,
        paid_by=event.approved_by,
        approved_by=event.approved_by,
        done_lines=len(event.lines),
        credited_lines=len(event.lines),
        credited_cents=event.total_cents,
    )


def event_of(context: Context, refill: Refill, cls: Callable[..., Event], **facts: Any) -> Event:
    """The next event of the refill's stream."""
    return cls(**stamp(context, refill.id, refill.version + 1), **facts)


def credit(
    context: Context,
    id: UUID,
    *,
    company_id: UUID,
    lines: tuple[RefillLine, ...],
    approved_by: str,
    version: int = 1,
) -> RefillCredited:
    """Lines as carried out."""
    return RefillCredited(
        **stamp(context, id, version),
        company_id=company_id,
        lines=lines,
        total_cents=sum(line.amount_cents for line in lines),
        approved_by=approved_by,
    )
