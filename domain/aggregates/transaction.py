"""A transaction: one payment that a terminal asked for, from the answer to its corrections.

The stream's id is derived from what the terminal named (`domain.ids.transaction_id`), so the
first event of the stream is the one answer that this payment ever gets.
"""

from uuid import UUID

import msgspec
from msgspec.structs import replace

from domain.answers import APPROVED_CODE, PARTIAL_CODE, Refusal
from domain.event import Context, Event, Facts, no_such_event, stamp, stored_as, upcast
from domain.grounds import NO_GROUNDS, Grounds
from domain.signed_request import SignedRequest

PARTLY = "Approved in part."


class Signed(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The contract as received, byte for byte, and who signed it.

    `contract_hash` is SHA-256 of the bytes. `consent` is the cardholder's detached signature,
    empty for a stripe.
    """

    contract: bytes
    contract_hash: bytes
    signature: str
    consent: str = ""


@stored_as("transaction.authorized/2")
class Authorized(Event, frozen=True, kw_only=True, gc=False):
    """Yes. The versions are those of the streams that the decision read; the account's debit
    is the event after `account_version`. `programme_version` is that of the event that set the
    terms in force, 0 for the standard terms."""

    terminal_id: UUID
    shop_id: UUID
    company_id: UUID
    account_id: UUID
    card_id: UUID
    amount_cents: int
    currency: str
    timezone: str
    local_date: str
    terminal_version: int
    shop_version: int
    company_version: int
    account_version: int
    masked_pan: str
    signed: Signed
    programme_version: int = 0


@stored_as("transaction.declined/2")
class Declined(Event, frozen=True, kw_only=True, gc=False):
    """No, with its reason; `account_id` and `card_id` are None for an unknown card, `account_id`
    also for a forged stripe."""

    terminal_id: UUID
    shop_id: UUID
    account_id: UUID | None
    card_id: UUID | None
    amount_cents: int
    currency: str
    code: str
    reason: str
    text: str
    would_pass_cents: int | None
    masked_pan: str
    signed: Signed
    passes_at_us: int | None = None
    programme_version: int = 0


# Version 1 knew no programmes: the standard terms were all there was.
for _topic in ("transaction.authorized", "transaction.declined"):
    upcast(f"{_topic}/1", f"{_topic}/2")


@stored_as("transaction.reversed/1")
class Reversed(Event, frozen=True, kw_only=True, gc=False):
    """The terminal heard no answer and took the payment back; names the event it undoes.

    `corrects_version` 0: the reversal arrived before its authorization, which will be refused.
    """

    terminal_id: UUID
    amount_cents: int
    why: str
    corrects_version: int


@stored_as("transaction.corrected/2")
class Corrected(Event, frozen=True, kw_only=True, gc=False):
    """Two operators put the amount right; names the event it corrects."""

    from_cents: int
    to_cents: int
    why: str
    corrects_version: int
    account_version: int
    grounds: Grounds


def _corrected_1(facts: Facts) -> Facts:
    """One operator sufficed once, and nothing was asked of evidence."""
    return {**facts, "grounds": NO_GROUNDS}


upcast("transaction.corrected/1", "transaction.corrected/2", _corrected_1)


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
class Refunded(Event, frozen=True, kw_only=True, gc=False):
    """The shop gave money back, part or all of what was left of the payment."""

    terminal_id: UUID
    adjustment_id: UUID
    amount_cents: int
    why: str
    corrects_version: int
    signed: SignedRequest


@stored_as("transaction.tipped/1")
class Tipped(Event, frozen=True, kw_only=True, gc=False):
    """A tip was added, within the ceiling that the cardholder agreed to."""

    terminal_id: UUID
    adjustment_id: UUID
    amount_cents: int
    signed: SignedRequest


@stored_as("transaction.disputed/1")
class Disputed(Event, frozen=True, kw_only=True, gc=False):
    """The cardholder contests the payment; the dispute's own stream says why."""

    dispute_id: UUID
    amount_cents: int


@stored_as("transaction.dispute_decided/1")
class DisputeDecided(Event, frozen=True, kw_only=True, gc=False):
    """The dispute is over; the cardholder gets `credited_cents`, 0 where the shop was right."""

    dispute_id: UUID
    credited_cents: int
    corrects_version: int


class Adjusted(msgspec.Struct, frozen=True, gc=False):
    """A void, refund or tip that was carried out, for whoever asks again."""

    id: UUID
    request_hash: bytes
    amount_cents: int


class Transaction(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The transaction as its events made it.

    `status` is `approved`, `declined`, `reversed` or `voided`; `amount_cents` what was asked for,
    `authorized_cents` what of it was approved; `net_cents` what the shop is owed for it now;
    `amount_version` and `debit_version` are the versions, here and in the account, of the events
    that a correction would correct. `consented`: a phone signed the contract.
    """

    id: UUID
    version: int
    status: str
    terminal_id: UUID
    shop_id: UUID | None = None
    account_id: UUID | None = None
    card_id: UUID | None = None
    amount_cents: int = 0
    net_cents: int = 0
    code: str = ""
    reason: str = ""
    text: str = ""
    would_pass_cents: int | None = None
    passes_at_us: int | None = None
    contract_hash: bytes = b""
    local_date: str = ""
    decided_us: int = 0
    amount_version: int = 0
    debit_version: int = 0
    authorized_cents: int = 0
    consented: bool = False
    tip_most_cents: int = 0
    tipped_cents: int = 0
    refunded_cents: int = 0
    credited_cents: int = 0
    group_id: UUID | None = None
    dispute_id: UUID | None = None
    in_dispute: bool = False
    adjustments: tuple[Adjusted, ...] = ()


def evolve(transaction: Transaction | None, event: Event) -> Transaction:
    """The transaction after `event`."""
    match event:
        case Authorized():
            return Transaction(
                id=event.originator_id,
                version=event.originator_version,
                status="approved",
                terminal_id=event.terminal_id,
                shop_id=event.shop_id,
                account_id=event.account_id,
                card_id=event.card_id,
                amount_cents=event.amount_cents,
                net_cents=event.amount_cents,
                code=APPROVED_CODE,
                reason="approved",
                text="Approved.",
                contract_hash=event.signed.contract_hash,
                local_date=event.local_date,
                decided_us=event.recorded_at_us,
                amount_version=event.originator_version,
                debit_version=event.account_version + 1,
                authorized_cents=event.amount_cents,
                consented=bool(event.signed.consent),
            )
        case Declined():
            return Transaction(
                id=event.originator_id,
                version=event.originator_version,
                status="declined",
                terminal_id=event.terminal_id,
                shop_id=event.shop_id,
                account_id=event.account_id,
                card_id=event.card_id,
                amount_cents=event.amount_cents,
                code=event.code,
                reason=event.reason,
                text=event.text,
                would_pass_cents=event.would_pass_cents,
                passes_at_us=event.passes_at_us,
                contract_hash=event.signed.contract_hash,
                decided_us=event.recorded_at_us,
            )
        case Reversed():
            return _reversed(transaction, event)
        case Corrected() if transaction is not None:
            return replace(
                transaction,
                version=event.originator_version,
                net_cents=event.to_cents,
                amount_version=event.originator_version,
                debit_version=event.account_version + 1,
            )
        case _ if transaction is not None:
            return _lived_on(transaction, event)
        case _:
            raise no_such_event("transaction", event)


def _lived_on(before: Transaction, event: Event) -> Transaction:
    """The transaction after what may happen to an approved one besides."""
    changed: dict[str, object] = {"version": event.originator_version}
    match event:
        case TermsAgreed():
            changed |= {"amount_cents": event.requested_cents, "group_id": event.group_id}
            changed["tip_most_cents"] = event.tip_most_cents
            if event.requested_cents > before.authorized_cents:
                changed |= {"code": PARTIAL_CODE, "reason": "partial", "text": PARTLY}
        case Voided():
            changed |= {"status": "voided", "net_cents": 0, "adjustments": _and(before, event)}
        case Refunded():
            changed["net_cents"] = before.net_cents - event.amount_cents
            changed["refunded_cents"] = before.refunded_cents + event.amount_cents
            changed["adjustments"] = _and(before, event)
        case Tipped():
            changed["net_cents"] = before.net_cents + event.amount_cents
            changed["tipped_cents"] = before.tipped_cents + event.amount_cents
            changed["adjustments"] = _and(before, event)
        case Disputed():
            changed |= {"dispute_id": event.dispute_id, "in_dispute": True}
        case DisputeDecided():
            changed["net_cents"] = before.net_cents - event.credited_cents
            changed["credited_cents"] = before.credited_cents + event.credited_cents
            changed["in_dispute"] = False
        case _:
            raise no_such_event("transaction", event)
    return replace(before, **changed)


def _and(before: Transaction, event: Voided | Refunded | Tipped) -> tuple[Adjusted, ...]:
    done = Adjusted(event.adjustment_id, event.signed.request_hash, event.amount_cents)
    return (*before.adjustments, done)


def _reversed(transaction: Transaction | None, event: Reversed) -> Transaction:
    if transaction is None:
        return Transaction(
            id=event.originator_id,
            version=event.originator_version,
            status="reversed",
            terminal_id=event.terminal_id,
            decided_us=event.recorded_at_us,
        )
    if transaction.status == "declined":
        return replace(transaction, version=event.originator_version)
    return replace(transaction, version=event.originator_version, status="reversed", net_cents=0)


def reverse(
    context: Context, transaction: Transaction | None, id: UUID, *, terminal_id: UUID, why: str
) -> Reversed | None:
    """Takes a payment back, known or not yet arrived; None where there is nothing to take back."""
    if transaction is None:
        return Reversed(
            **stamp(context, id, 1),
            terminal_id=terminal_id,
            amount_cents=0,
            why=why,
            corrects_version=0,
        )
    if transaction.status != "approved":
        return None
    return Reversed(
        **stamp(context, id, transaction.version + 1),
        terminal_id=terminal_id,
        amount_cents=transaction.net_cents,
        why=why,
        corrects_version=transaction.amount_version,
    )


def correct(
    context: Context,
    transaction: Transaction,
    *,
    to_cents: int,
    why: str,
    account_version: int,
    grounds: Grounds = NO_GROUNDS,
) -> Corrected | Refusal:
    """Puts the amount of an approved payment right. 0 .. 2^31-1 cents, different from now."""
    if transaction.status != "approved":
        return Refusal("12", "not-approved", "Only an approved payment can be corrected.")
    if not 0 <= to_cents < 1 << 31:
        return Refusal("13", "amount", "The right amount must be $0.00 to $21,474,836.47.")
    if to_cents == transaction.net_cents:
        return Refusal("12", "no-change", "The payment has that amount already.")
    return Corrected(
        **stamp(context, transaction.id, transaction.version + 1),
        from_cents=transaction.net_cents,
        to_cents=to_cents,
        why=why,
        corrects_version=transaction.amount_version,
        account_version=account_version,
        grounds=grounds,
    )
