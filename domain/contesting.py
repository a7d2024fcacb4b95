"""The decisions over a disputed payment: the dispute, the payment and the account move together.

What is credited is never more than what is left of the payment: a refund that came meanwhile
counts.
"""

from uuid import UUID

from domain import payment_life as life
from domain.aggregates import after_debit
from domain.aggregates import dispute as disputes
from domain.aggregates.account import Account
from domain.aggregates.after_payment import Disputed, DisputeDecided
from domain.aggregates.dispute import Dispute
from domain.aggregates.transaction import Transaction
from domain.answers import Refusal, less_would_pass, refusal
from domain.event import Context, Event, stamp
from domain.signed_request import SignedRequest


def contest(
    context: Context,
    payment: Transaction | None,
    id: UUID,
    *,
    amount_cents: int,
    closed: bool,
    text: str,
    document_sha256: bytes,
    opened_by: UUID | None,
    signed: SignedRequest | None = None,
) -> Refusal | tuple[Event, Event]:
    """The opening of a dispute and its mark on the payment. 0 cents: all that is left of it."""
    no = life.why_not(life.state_of(payment, closed=closed), life.DISPUTE)
    if no is not None:
        return no
    assert payment is not None
    assert payment.account_id and payment.card_id and payment.shop_id
    if payment.dispute_id is not None:
        return refusal("12", "disputed-before")
    if disputes.is_too_late(payment.decided_us, context.recorded_at_us):
        return refusal("12", "too-late")
    amount_cents = amount_cents or payment.net_cents
    if not 1 <= amount_cents <= payment.net_cents:
        return less_would_pass("13", "over-original", payment.net_cents)
    opened = disputes.open_(
        context,
        id,
        transaction_id=payment.id,
        account_id=payment.account_id,
        card_id=payment.card_id,
        shop_id=payment.shop_id,
        amount_cents=amount_cents,
        text=text,
        document_sha256=document_sha256,
        opened_by=opened_by,
        signed=signed,
    )
    marked = Disputed(
        **stamp(context, payment.id, payment.version + 1),
        dispute_id=id,
        amount_cents=amount_cents,
    )
    return opened, marked


def settle(
    context: Context,
    dispute: Dispute,
    payment: Transaction,
    account: Account,
    *,
    credited_cents: int,
    why: str,
    decided_by: UUID,
) -> Refusal | list[Event]:
    """The decision; `credited_cents` 0 where the shop was right. After `disputes.why_undecided`."""
    no = life.why_not(_while_contested(payment), life.DECIDE)
    if no is not None:
        return no
    most = min(dispute.amount_cents, payment.net_cents)
    if not 0 <= credited_cents <= most:
        return less_would_pass("13", "over-original", most)
    back = after_debit.credit_dispute(
        context,
        account,
        amount_cents=credited_cents,
        transaction_id=payment.id,
        dispute_id=dispute.id,
        date=payment.local_date,
        corrects_version=payment.debit_version,
        spent_cents=payment.net_cents,
        lots=payment.lots,
    )
    closed = disputes.close(
        context, dispute, credited_cents=credited_cents, why=why, decided_by=decided_by
    )
    decided = DisputeDecided(
        **stamp(context, payment.id, payment.version + 1),
        dispute_id=dispute.id,
        credited_cents=credited_cents,
        corrects_version=payment.amount_version if credited_cents else 0,
        lots=back.lots,
    )
    return [closed, decided, back] if credited_cents else [closed, decided]


def _while_contested(payment: Transaction) -> str:
    """Its state; the day does not matter once it is disputed."""
    return life.state_of(payment, closed=True)
