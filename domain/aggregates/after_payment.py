"""What becomes of an approved payment: its terms, a void, refunds, a tip, a dispute.

The other half of `transaction`. Who may do which of it when is `domain.payment_life`.
"""

from typing import TYPE_CHECKING
from uuid import UUID

import msgspec
from msgspec.structs import replace

from domain import lots as lots_
from domain.answers import PARTIAL_CODE
from domain.event import Event, no_such_event, stored_as
from domain.lots import Lots
from domain.signed_request import SignedRequest

if TYPE_CHECKING:
    from domain.aggregates.transaction import Transaction

PARTLY = "Approved in part."


@stored_as("transaction.terms_agreed/1")
class TermsAgreed(Event, frozen=True, kw_only=True, gc=False):
    """What the contract of an approved payment says beyond the usual: follows `Authorized`.

    `requested_cents` is more than what was approved where it was approved in part; `tip_most_cents`
    the highest tip, 0 where none is named; `group_id` the bill that several cards share.
    """

    requested_cents: int
    tip_most_cents: int
    group_id: UUID | None


@stored_as("transaction.voided/1")
class Voided(Event, frozen=True, kw_only=True, gc=False):
    """The terminal took the whole payment back on its business day; names the event it undoes."""

    terminal_id: UUID
    adjustment_id: UUID
    amount_cents: int
    why: str
    corrects_version: int
    signed: SignedRequest


@stored_as("transaction.refunded/1")
class Refunded(Event, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """The shop gave money back, part or all of what was left of the payment. `lots` is what of it
    is money with a last day."""

    terminal_id: UUID
    adjustment_id: UUID
    amount_cents: int
    why: str
    corrects_version: int
    signed: SignedRequest
    lots: Lots = ()


@stored_as("transaction.tipped/1")
class Tipped(Event, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """A tip was added, within the ceiling that the cardholder agreed to. `lots` is what it took of
    money with a last day."""

    terminal_id: UUID
    adjustment_id: UUID
    amount_cents: int
    signed: SignedRequest
    lots: Lots = ()


@stored_as("transaction.disputed/1")
class Disputed(Event, frozen=True, kw_only=True, gc=False):
    """The cardholder contests the payment; the dispute's own stream says why."""

    dispute_id: UUID
    amount_cents: int


@stored_as("transaction.dispute_decided/1")
class DisputeDecided(Event, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """The dispute is over; the cardholder gets `credited_cents`, 0 where the shop was right. `lots`
    is what of it is money with a last day."""

    dispute_id: UUID
    credited_cents: int
    corrects_version: int
    lots: Lots = ()


class Adjusted(msgspec.Struct, frozen=True, gc=False):
    """A void, refund or tip that was carried out, for whoever asks again."""

    id: UUID
    request_hash: bytes
    amount_cents: int


def after(before: "Transaction", event: Event) -> "Transaction":
    """The transaction after `event`."""
    changed: dict[str, object] = {"version": event.originator_version}
    match event:
        case TermsAgreed():
            changed |= {"amount_cents": event.requested_cents, "group_id": event.group_id}
            changed["tip_most_cents"] = event.tip_most_cents
            if event.requested_cents > before.authorized_cents:
                changed |= {"code": PARTIAL_CODE, "reason": "partial", "text": PARTLY}
        case Voided():
            changed |= {"status": "voided", "net_cents": 0, "lots": ()}
            changed["adjustments"] = _and(before, event)
        case Refunded():
            changed["net_cents"] = before.net_cents - event.amount_cents
            changed["lots"] = lots_.remove(before.lots, event.lots)
            changed["refunded_cents"] = before.refunded_cents + event.amount_cents
            changed["adjustments"] = _and(before, event)
        case Tipped():
            changed["net_cents"] = before.net_cents + event.amount_cents
            changed["lots"] = lots_.add(before.lots, event.lots)
            changed["tipped_cents"] = before.tipped_cents + event.amount_cents
            changed["adjustments"] = _and(before, event)
        case Disputed():
            changed |= {"dispute_id": event.dispute_id, "in_dispute": True}
        case DisputeDecided():
            changed["net_cents"] = before.net_cents - event.credited_cents
            changed["lots"] = lots_.remove(before.lots, event.lots)
            changed["credited_cents"] = before.credited_cents + event.credited_cents
            changed["in_dispute"] = False
        case _:
            raise no_such_event("transaction", event)
    return replace(before, **changed)


def _and(before: "Transaction", event: Voided | Refunded | Tipped) -> tuple[Adjusted, ...]:
    done = Adjusted(event.adjustment_id, event.signed.request_hash, event.amount_cents)
    return (*before.adjustments, done)
