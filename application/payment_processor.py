"""What is asked of a payment processor, and what it tells: the port, and what its word changes.

No card number ever comes here: a payment method is a token that the processor made. A charge is
known to the processor by the refill's id, so that asking twice charges once.
"""

from collections.abc import Sequence
from typing import Any, Protocol
from uuid import UUID

import msgspec
from msgspec.structs import replace

from application.command import Command, Origin
from application.decide_refill import (
    GONE,
    DecideRefill,
    charged_back_event,
    may_be_charged_back,
    refunded_event,
    won_events,
)
from application.refill import answer_of, paid_events
from application.states import States
from application.work import Outcome
from domain.aggregates import refill as refills
from domain.aggregates import refill_undone as undone
from domain.aggregates import webhook as webhooks
from domain.aggregates.refill import Refill
from domain.aggregates.webhook import Webhook
from domain.event import Context, Event

PAID, PENDING, REFUSED, OTHER = "paid", "pending", "refused", "other"
DISPUTED, WON = "charged-back", "chargeback-won"
INQUIRY, INQUIRY_CLOSED = "inquiry", "inquiry-closed"


class ProcessorFailed(Exception):
    """The processor does not answer, or refuses to: try again later. The text names no secret."""


class Forged(Exception):
    """A message that the processor did not sign, or not just now. The text says which."""


class Charge(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What became of a charge. `state` PAID, PENDING, REFUSED, DISPUTED or WON, of a message also
    INQUIRY or INQUIRY_CLOSED; `reason` why not.

    `dispute`: what the processor calls the dispute; `amount_cents` is its sum then.
    """

    reference: str
    state: str
    amount_cents: int
    reason: str = ""
    dispute: str = ""


class Refund(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Money that the processor gave back, or is about to."""

    reference: str
    amount_cents: int


class Notice(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A verified message of the processor: `kind` in its words, `charge` in ours.

    `created_ms` is the processor's time of it, the same however often it is sent.
    """

    event: str
    kind: str
    created_ms: int
    refill_id: UUID | None
    charge: Charge

    def about(self, refill_id: UUID | None) -> "Notice":
        """The same message, once it is known which refill it is about."""
        return replace(self, refill_id=refill_id)


class Processor(Protocol):
    """A payment processor. Calls block; all but `verify` may raise ProcessorFailed."""

    name: str

    def charge(self, refill_id: UUID, amount_cents: int, token: str) -> Charge:
        """Charges a card, once for each refill. `token` is of the processor's vault."""

    def find(self, refill_id: UUID) -> Charge | None:
        """What became of the charge for a refill; None where there was none."""

    def refill_of(self, reference: str) -> UUID | None:
        """Which refill a charge of that reference was for."""

    def refund(self, refill_id: UUID, reference: str, amount_cents: int) -> str:
        """Gives back a part of a charge, once for each refill and sum; the refund's reference."""

    def refunds(self, refill_id: UUID, reference: str) -> Sequence[Refund]:
        """All that was given back of a charge, whoever asked for it."""

    def verify(self, body: bytes, signature: str, now_ms: int) -> Notice:
        """The message in a webhook's body. Raises Forged."""

    def resend(self, refill_id: UUID) -> None:
        """Has the last webhook about a refill sent again."""


class RecordCharge(Command):
    """What the processor answered when it was asked."""

    makes = (
        *(refills.RefillPaid, refills.RefillRejected),
        *(undone.RefillChargedBack, undone.RefillChargebackWon, undone.RefillInquired),
    )

    def __init__(
        self, origin: Origin, deadline_us: int, *, refill_id: UUID, processor: str, charge: Charge
    ) -> None:
        super().__init__(origin, deadline_us)
        self._refill_id, self._processor, self._charge = refill_id, processor, charge

    def reads(self) -> list[UUID]:
        """The refill."""
        return [self._refill_id]

    def execute(self, states: States, context: Context) -> Outcome:
        """Moves the refill, or leaves it where it is."""
        refill = states.get(self._refill_id, Refill)
        if refill is None:
            return Outcome(GONE)
        events, outcome = charge_events(context, refill, self._processor, self._charge)
        for event in events:
            refill = refills.evolve(refill, event)
        return Outcome({**answer_of(refill), "outcome": outcome}, events)


class RecordWebhook(Command):
    """A verified message, once: what it says, and what that changes, are one commit."""

    makes = (webhooks.WebhookReceived,)

    def __init__(self, origin: Origin, deadline_us: int, *, processor: str, notice: Notice) -> None:
        super().__init__(origin, deadline_us)
        self._processor, self._notice = processor, notice
        self._id = webhooks.webhook_id(processor, notice.event, notice.created_ms)

    def reads(self) -> list[UUID]:
        """The message, if it came before, and the refill."""
        refill_id = self._notice.refill_id
        return [self._id] if refill_id is None else [self._id, refill_id]

    def execute(self, states: States, context: Context) -> Outcome:
        """Takes it, or says that it came before."""
        notice = self._notice
        if states.get(self._id, Webhook) is not None:
            return Outcome({"outcome": "seen before"})
        refill = states.get(notice.refill_id, Refill) if notice.refill_id is not None else None
        events: list[Event] = []
        if notice.charge.state == OTHER:
            outcome = "nothing to do"
        elif refill is None:
            outcome = "no such refill"
        else:
            events, outcome = charge_events(context, refill, self._processor, notice.charge)
        received = webhooks.receive(
            context,
            self._id,
            processor=self._processor,
            event=notice.event,
            kind=notice.kind,
            refill_id=refill.id if refill is not None else None,
            outcome=outcome,
        )
        return Outcome({"outcome": outcome}, [received, *events])

    def repeated(self, states: States, made: UUID) -> Any:
        """It came before."""
        return {"outcome": "seen before"}


class RecordRefund(Command):
    """Money that the processor gave back: it is gone, so it is booked whatever came meanwhile.

    What was not due back any more, after a chargeback or a refund by hand, the company owes.
    """

    makes = (undone.RefillRefunded,)

    def __init__(
        self,
        origin: Origin,
        deadline_us: int,
        *,
        refill_id: UUID,
        processor: str,
        reference: str,
        amount_cents: int,
    ) -> None:
        super().__init__(origin, deadline_us)
        self._refill_id, self._processor = refill_id, processor
        self._reference, self._amount_cents = reference, amount_cents

    def reads(self) -> list[UUID]:
        """The refill."""
        return [self._refill_id]

    def execute(self, states: States, context: Context) -> Outcome:
        """Records it, unless that very refund is recorded."""
        refill = states.get(self._refill_id, Refill)
        if refill is None:
            return Outcome(GONE)
        if self._reference in refill.refund_references:
            return Outcome(answer_of(refill))
        event = refunded_event(
            context, refill, self._amount_cents, self._processor, self._reference
        )
        return Outcome(answer_of(refills.evolve(refill, event)), [event])


class RefundLookedFor(DecideRefill):
    """The processor sent nothing back that is not recorded."""

    makes = (undone.RefillRefundLookedFor,)

    def _decided(self, context: Context, refill: Refill) -> list[Event]:
        if not refill.refund_in_doubt:
            return []
        facts = {"company_id": refill.company_id, "processor": refill.processor}
        return [refills.event_of(context, refill, undone.RefillRefundLookedFor, **facts)]


def charge_events(
    context: Context, refill: Refill, processor: str, charge: Charge
) -> tuple[list[Event], str]:
    """What a charge changes, and in words; in whatever order the processor's messages come."""
    if refill.method != refills.CARD:
        return [], "the refill is not paid by card"
    by = f"system:{processor}"
    if charge.state == PAID:
        if refill.paid_cents:
            return [], "it was paid before"
        if charge.amount_cents != refill.due_cents:
            return [], "another sum than was ordered: not taken as its payment"
        return paid_events(
            context, refill, charge.amount_cents, charge.reference, by, processor
        ), "paid"
    if charge.state == REFUSED:
        if refill.status != refills.AWAITING_PAYMENT:
            return [], f"too late: the refill is {refill.status}"
        facts = {"why": f"The card was refused: {charge.reason}.", "rejected_by": by}
        return [refills.event_of(context, refill, refills.RefillRejected, **facts)], "refused"
    if charge.state == DISPUTED:
        return _disputed(context, refill, processor, charge)
    if charge.state == WON:
        return _won(context, refill, processor, charge)
    if charge.state in (INQUIRY, INQUIRY_CLOSED):
        return _inquired(context, refill, processor, charge)
    return [], "still pending"


def _disputed(
    context: Context, refill: Refill, processor: str, charge: Charge
) -> tuple[list[Event], str]:
    """A dispute may be told before the payment that it is about."""
    if _won_before(refill, charge):
        return [], "that dispute was won before"
    if charge.amount_cents <= 0:
        # Else money would be taken from employees that nobody took from us.
        return [], "it names no sum: not taken as a chargeback"
    events: list[Event] = []
    if not refill.paid_cents:
        paid = paid_events(
            context,
            refill,
            refill.due_cents,
            charge.reference,
            f"system:{processor}",
            processor,
        )[:1]
        events += paid
        refill = refills.evolve(refill, paid[0])
    if not may_be_charged_back(refill):
        return [], "it was charged back or refunded before"
    why = f"The cardholder's bank took it back: {charge.reason}."
    facts = (charge.amount_cents, processor, charge.reference, why, charge.dispute)
    events.append(charged_back_event(context, refill, *facts))
    return events, "charged back"


def _inquired(
    context: Context, refill: Refill, processor: str, charge: Charge
) -> tuple[list[Event], str]:
    """A question of the cardholder's bank moves no money. Operators see it: who does not answer it
    at the processor may get a chargeback."""
    closed = charge.state == INQUIRY_CLOSED
    ended = charge.dispute in refill.inquiries_closed
    over = refill.is_charged_back or charge.dispute in refill.won_disputes
    if ended or (not closed and (over or refill.inquiry)):
        return [], "an inquiry that was told before"
    event = refills.event_of(
        context,
        refill,
        undone.RefillInquired,
        company_id=refill.company_id,
        amount_cents=charge.amount_cents,
        processor=processor,
        reference=charge.reference,
        dispute=charge.dispute,
        reason=charge.reason or "unknown",
        closed=closed,
    )
    if closed:
        return [event], "an inquiry was closed: nothing was taken"
    return [event], "an inquiry: nothing was taken; answer it at the processor"


def _won(
    context: Context, refill: Refill, processor: str, charge: Charge
) -> tuple[list[Event], str]:
    """A chargeback that is won may be told before the chargeback: both are booked then, as the
    money went and came, and what is told later is known."""
    if _won_before(refill, charge):
        return [], "it was won before"
    events: list[Event] = []
    if not refill.is_charged_back:
        events, outcome = _disputed(context, refill, processor, charge)
        if not events:
            return [], outcome
        for event in events:
            refill = refills.evolve(refill, event)
    elif charge.dispute and refill.dispute and charge.dispute != refill.dispute:
        return [], "another dispute than the one that took it back: left to an operator"
    elif charge.amount_cents != refill.charged_back_cents:
        return [], "another sum than was charged back: left to an operator"
    why = "The cardholder's bank decided for us."
    return [*events, *won_events(context, refill, processor, charge.reference, why)], "won"


def _won_before(refill: Refill, charge: Charge) -> bool:
    """By its name; one that had none, by being the last that there was."""
    if charge.dispute in refill.won_disputes:
        return bool(charge.dispute) or not refill.is_charged_back
    return "" in refill.won_disputes and not refill.is_charged_back
