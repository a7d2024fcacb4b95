"""A dispute: the cardholder contests a payment, both sides give evidence, an operator decides.

It lives in its payment's partition, so that opening and deciding are one commit with the payment
and the account. A payment is disputed once. Documents stay outside; their SHA-256 is kept.
"""

from uuid import UUID

import msgspec
from msgspec.structs import replace

from domain.event import Context, Event, no_such_event, stamp, stored_as
from domain.signed_request import SignedRequest

OPEN, FOR_CARDHOLDER, FOR_SHOP = "open", "cardholder", "shop"
SIDES = (FOR_CARDHOLDER, FOR_SHOP)
_DAY_US = 24 * 3600 * 1_000_000
OPEN_DAYS = 60
"""How long after a payment it can be disputed."""
EVIDENCE_DAYS = 10
"""How long both sides may give evidence, from the opening."""
DECIDE_DAYS = 45
"""By when it should be decided; afterwards it is listed as overdue."""
EVIDENCE_MOST = 20
TEXT_MOST = 1_000


class Evidence(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a side said, and SHA-256 of a document that it showed; empty for none."""

    side: str
    text: str
    document_sha256: bytes
    given_us: int


@stored_as("dispute.opened/1")
class DisputeOpened(Event, frozen=True, kw_only=True, gc=False):
    """`opened_by` is the operator who opened it for the cardholder; None: the phone card did.

    `signed` is then the phone's own request.
    """

    transaction_id: UUID
    account_id: UUID
    card_id: UUID
    shop_id: UUID
    amount_cents: int
    text: str
    document_sha256: bytes
    opened_by: UUID | None
    evidence_until_us: int
    decide_until_us: int
    signed: SignedRequest | None


@stored_as("dispute.evidence_given/1")
class EvidenceGiven(Event, frozen=True, kw_only=True, gc=False):
    """One side's evidence; an operator enters it for a shop."""

    side: str
    text: str
    document_sha256: bytes


@stored_as("dispute.decided/1")
class DisputeClosed(Event, frozen=True, kw_only=True, gc=False):
    """Decided for `winner`; the credit, if any, is in the same commit."""

    winner: str
    credited_cents: int
    why: str
    decided_by: UUID


class Dispute(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The dispute as its events made it. `status` is `open` or who won."""

    id: UUID
    version: int
    transaction_id: UUID
    account_id: UUID
    card_id: UUID
    shop_id: UUID
    amount_cents: int
    opened_us: int
    opened_by: UUID | None
    evidence_until_us: int
    decide_until_us: int
    evidence: tuple[Evidence, ...]
    status: str = OPEN
    credited_cents: int = 0
    why: str = ""


def evolve(dispute: Dispute | None, event: Event) -> Dispute:
    """The dispute after `event`."""
    match event:
        case DisputeOpened():
            return Dispute(
                id=event.originator_id,
                version=event.originator_version,
                transaction_id=event.transaction_id,
                account_id=event.account_id,
                card_id=event.card_id,
                shop_id=event.shop_id,
                amount_cents=event.amount_cents,
                opened_us=event.recorded_at_us,
                opened_by=event.opened_by,
                evidence_until_us=event.evidence_until_us,
                decide_until_us=event.decide_until_us,
                evidence=(_evidence(FOR_CARDHOLDER, event),),
            )
        case EvidenceGiven() if dispute is not None:
            more = (*dispute.evidence, _evidence(event.side, event))
            return replace(dispute, version=event.originator_version, evidence=more)
        case DisputeClosed() if dispute is not None:
            return replace(
                dispute,
                version=event.originator_version,
                status=event.winner,
                credited_cents=event.credited_cents,
                why=event.why,
            )
        case _:
            raise no_such_event("dispute", event)


def _evidence(side: str, event: DisputeOpened | EvidenceGiven) -> Evidence:
    return Evidence(
        side=side,
        text=event.text,
        document_sha256=event.document_sha256,
        given_us=event.recorded_at_us,
    )


def is_too_late(decided_us: int, now_us: int) -> bool:
    """Whether a payment decided then can no longer be disputed."""
    return now_us > decided_us + OPEN_DAYS * _DAY_US


def open_(
    context: Context,
    id: UUID,
    *,
    transaction_id: UUID,
    account_id: UUID,
    card_id: UUID,
    shop_id: UUID,
    amount_cents: int,
    text: str,
    document_sha256: bytes,
    opened_by: UUID | None,
    signed: SignedRequest | None = None,
) -> DisputeOpened:
    """A new dispute with its deadlines, over an amount that `domain.contesting` checked."""
    return DisputeOpened(
        **stamp(context, id, 1),
        transaction_id=transaction_id,
        account_id=account_id,
        card_id=card_id,
        shop_id=shop_id,
        amount_cents=amount_cents,
        text=text,
        document_sha256=document_sha256,
        opened_by=opened_by,
        evidence_until_us=context.recorded_at_us + EVIDENCE_DAYS * _DAY_US,
        decide_until_us=context.recorded_at_us + DECIDE_DAYS * _DAY_US,
        signed=signed,
    )


def why_no_evidence(dispute: Dispute, now_us: int) -> str:
    """Why evidence cannot be given now: a code, empty where nothing is in the way."""
    if dispute.status != OPEN:
        return "already-decided"
    if now_us > dispute.evidence_until_us:
        return "evidence-closed"
    return "too-much-evidence" if len(dispute.evidence) >= EVIDENCE_MOST else ""


def give_evidence(
    context: Context, dispute: Dispute, *, side: str, text: str, document_sha256: bytes
) -> EvidenceGiven:
    """One side's evidence, after `why_no_evidence`."""
    return EvidenceGiven(
        **stamp(context, dispute.id, dispute.version + 1),
        side=side,
        text=text,
        document_sha256=document_sha256,
    )


def why_undecided(dispute: Dispute, *, by_id: UUID, now_us: int) -> str:
    """Why this operator cannot decide it now: a code, empty where nothing is in the way.

    The shop is heard first: until it gave evidence, or the time for it is over.
    """
    if dispute.status != OPEN:
        return "already-decided"
    if by_id == dispute.opened_by:
        return "same-operator"
    heard = any(each.side == FOR_SHOP for each in dispute.evidence)
    return "" if heard or now_us > dispute.evidence_until_us else "shop-not-heard"


def close(
    context: Context, dispute: Dispute, *, credited_cents: int, why: str, decided_by: UUID
) -> DisputeClosed:
    """The decision, after `why_undecided`: for the cardholder where anything is credited."""
    return DisputeClosed(
        **stamp(context, dispute.id, dispute.version + 1),
        winner=FOR_CARDHOLDER if credited_cents else FOR_SHOP,
        credited_cents=credited_cents,
        why=why,
        decided_by=decided_by,
    )
