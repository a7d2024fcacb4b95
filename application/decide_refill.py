"""What operators decide over a refill: its payment came, yes, no, not wanted, money went back."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from application.command import Command, Origin, Refused, other_command
from application.credit_refill import APPROVER
from application.payment_reference import claims_of, reads_of, why_not_paid_by
from application.refill import answer_of, paid_events
from application.states import States
from application.work import Outcome
from domain.actor import person_of
from domain.aggregates import refill as refills
from domain.aggregates import refill_undone as undone
from domain.aggregates.refill import Refill
from domain.event import Context, Event

_TEXTS = {
    "not-paid": "Its payment has not come yet. `refill confirm` says that it has.",
    "already-decided": "This refill was decided before; see `refill show`.",
    "same-operator": "A refill of that sum needs another person than the one who ordered it.",
    "by-processor": "The processor says whether the card was charged; see `refill webhook poll`.",
    "two-persons": "The processor took that payment and sends it back by itself. That it was sent"
    " by hand instead, two operators say: propose it.",
    "no-refund-due": "Nothing of this refill has to go back to the company.",
    "not-charged-back": "Only a refill that was paid can be charged back, and only once.",
    "nothing-won": "Only the chargeback of a refill that is charged back can be won.",
}
GONE = Refused("no-such-refill", "There is no refill with that id.")


def refused(code: str) -> Refused:
    """The refusal with its text."""
    return Refused(code, _TEXTS[code])


class DecideRefill(Command):
    """A decision over one refill; subclasses give the events."""

    def __init__(
        self, origin: Origin, deadline_us: int, *, refill_id: UUID, text: str = ""
    ) -> None:
        """`text`: the reason, or the reference of a payment."""
        super().__init__(origin, deadline_us)
        self._refill_id, self._text = refill_id, text

    def reads(self) -> list[UUID]:
        """The refill."""
        return [self._refill_id]

    def execute(self, states: States, context: Context) -> Outcome:
        """Decides, or says what is in the way."""
        refill = states.get(self._refill_id, Refill)
        if refill is None:
            return Outcome(GONE)
        decided = self._decided(context, refill)
        if isinstance(decided, Refused):
            return Outcome(decided)
        if isinstance(decided, str):
            return Outcome(refused(decided))
        for event in decided:
            refill = refills.evolve(refill, event)
        return Outcome(answer_of(refill), decided)

    def repeated(self, states: States, made: UUID) -> Any:
        """The refill as it is by now."""
        refill = states.get(made, Refill)
        if refill is None or made != self._refill_id:
            return other_command()
        return {**answer_of(refill), "repeated": True}

    def _decided(self, context: Context, refill: Refill) -> list[Event] | str | Refused:
        """The events, or what is in the way: by its code where the text is always the same."""
        raise NotImplementedError


class ConfirmPayment(DecideRefill):
    """An operator saw the money: a bank transfer, a check, a PayPal payment.

    `digests`: see `payment_reference.reads_of`.
    """

    makes = (refills.RefillPaid,)

    def __init__(
        self,
        origin: Origin,
        deadline_us: int,
        *,
        refill_id: UUID,
        text: str = "",
        digests: Sequence[bytes] = (),
    ) -> None:
        super().__init__(origin, deadline_us, refill_id=refill_id, text=text)
        self._digests = digests

    def claims_read(self) -> list[tuple[str, bytes]]:
        """Whether that payment paid for another refill."""
        return reads_of(self._digests)

    def execute(self, states: States, context: Context) -> Outcome:
        """Notes the payment, or says what is in the way."""
        outcome = super().execute(states, context)
        if not outcome.events:
            return outcome
        used = why_not_paid_by(states, self._digests)
        if used is not None:
            return Outcome(used)
        return outcome._replace(claims=claims_of(self._digests, self._refill_id))

    def _decided(self, context: Context, refill: Refill) -> list[Event] | str:
        if refill.method == refills.CARD:
            return "by-processor"
        if refill.status != refills.AWAITING_PAYMENT:
            return "already-decided"
        return paid_events(context, refill, refill.due_cents, self._text, context.actor)


class ApproveRefill(DecideRefill):
    """A second person's yes."""

    makes = (refills.RefillApproved,)

    def _decided(self, context: Context, refill: Refill) -> list[Event] | str:
        no = why_not_approved(refill, context.actor)
        by = context.actor
        return no or [refills.event_of(context, refill, refills.RefillApproved, approved_by=by)]


class RejectRefill(DecideRefill):
    """A no; whoever ordered it may give it, too."""

    makes = (refills.RefillRejected,)

    def _decided(self, context: Context, refill: Refill) -> list[Event] | str:
        if not refill.is_open:
            return "already-decided"
        facts = {"why": self._text, "rejected_by": context.actor}
        return [refills.event_of(context, refill, refills.RefillRejected, **facts)]


class CancelRefill(DecideRefill):
    """Not wanted any more, before anything of it is credited."""

    makes = (refills.RefillCancelled,)

    def _decided(self, context: Context, refill: Refill) -> list[Event] | str:
        if not refill.is_open:
            return "already-decided"
        facts = {"why": self._text, "cancelled_by": context.actor}
        return [refills.event_of(context, refill, refills.RefillCancelled, **facts)]


class ConfirmRefund(DecideRefill):
    """An operator sent back by hand what was paid for nothing; after a dispute over a part, what
    that left of the money for lines that were not credited: no processor sends that by itself.

    `by_two`: two agreed. What a processor took goes back by it, and never again once this is said,
    so one alone cannot say it: the way out where the processor fails for good.
    """

    by_two = False
    makes = (undone.RefillRefunded,)

    def _decided(self, context: Context, refill: Refill) -> list[Event] | str:
        if refill.unclaimed_cents <= 0:
            return "no-refund-due"
        if refill.processor and not self.by_two:
            return "two-persons"
        return [refunded_event(context, refill, refill.unclaimed_cents, "", self._text)]


class ConfirmRefundByTwo(ConfirmRefund):
    """The same, by two operators."""

    by_two = True


class ChargeBack(DecideRefill):
    """The company's bank took the payment back, as an operator was told."""

    makes = (undone.RefillChargedBack,)

    def _decided(self, context: Context, refill: Refill) -> list[Event] | str:
        if not may_be_charged_back(refill):
            return "not-charged-back"
        return [charged_back_event(context, refill, refill.paid_cents, "", "", self._text)]


class ChargebackWon(DecideRefill):
    """The chargeback was decided for us and the payment is here again, as an operator was told."""

    makes = (undone.RefillChargebackWon,)

    def _decided(self, context: Context, refill: Refill) -> list[Event] | str:
        if not refill.is_charged_back:
            return "nothing-won"
        return won_events(context, refill, "", "", self._text)


def why_not_approved(refill: Refill, by: str) -> str:
    """Why `by` (an actor) cannot approve it now: a code, empty where nothing is in the way."""
    if refill.status == refills.AWAITING_PAYMENT:
        return "not-paid"
    if refill.status != refills.AWAITING_APPROVAL:
        return "already-decided"
    if refill.two_persons and person_of(by) == person_of(refill.ordered_by):
        return "same-operator"
    return ""


def may_be_charged_back(refill: Refill) -> bool:
    """Paid, and neither taken back nor given back before."""
    return (
        refill.paid_cents > 0
        and refill.status != refills.CHARGED_BACK
        and refill.payment_refunded_cents < refill.paid_cents
    )


def charged_back_event(
    context: Context,
    refill: Refill,
    amount_cents: int,
    processor: str,
    reference: str,
    why: str,
    dispute: str = "",
) -> Event:
    """The payment is gone; lines that were not credited yet never will be."""
    return refills.event_of(
        context,
        refill,
        undone.RefillChargedBack,
        company_id=refill.company_id,
        amount_cents=amount_cents,
        processor=processor,
        reference=reference,
        why=why,
        fee_cents=refill.fee_of_chargeback(amount_cents),
        fee_waived=refill.is_given_up,
        dispute=dispute,
    )


def won_events(
    context: Context, refill: Refill, processor: str, reference: str, why: str
) -> list[Event]:
    """The payment of a refill that is charged back is ours again: all that was taken of it."""
    waived = refill.is_given_up
    won = refills.event_of(
        context,
        refill,
        undone.RefillChargebackWon,
        company_id=refill.company_id,
        amount_cents=refill.charged_back_cents,
        fee_cents=refill.charged_back_fee_cents if waived else refill.fee_receivable_cents,
        fee_waived=waived,
        processor=processor,
        reference=reference,
        dispute=refill.dispute,
        why=why,
    )
    after = refills.evolve(refill, won)
    if after.status != refills.AWAITING_APPROVAL or after.two_persons:
        return [won]
    # Its payment was told after the dispute, so nobody approved it; nobody else has to.
    by = APPROVER if after.processor else after.paid_by
    return [won, refills.event_of(context, after, refills.RefillApproved, approved_by=by)]


def refunded_event(
    context: Context, refill: Refill, amount_cents: int, processor: str, reference: str
) -> Event:
    """Money went back."""
    return refills.event_of(
        context,
        refill,
        undone.RefillRefunded,
        company_id=refill.company_id,
        amount_cents=amount_cents,
        fee_cents=refill.fee_of_refund(amount_cents),
        processor=processor,
        reference=reference,
    )
