"""A transaction: one payment that a terminal asked for, from the answer to its corrections.

What else may become of an approved one is in `after_payment`.
The stream's id is derived from what the terminal named (`domain.ids.transaction_id`), so the
first event of the stream is the one answer that this payment ever gets.
"""

from uuid import UUID

import msgspec
from msgspec.structs import replace

from domain import lots as lots_
from domain.aggregates import after_payment
from domain.aggregates.after_payment import Adjusted
from domain.answers import APPROVED_CODE, Refusal
from domain.event import Context, Event, Facts, no_such_event, stamp, stored_as, upcast
from domain.grounds import NO_GROUNDS, Grounds
from domain.lots import Lots


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
class Authorized(Event, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """Yes. The versions are those of the streams that the decision read; the account's debit
    is the event after `account_version`. `programme_version` is that of the event that set the
    terms in force, 0 for the standard terms. `lots` is what it took of money with a last day."""

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
    lots: Lots = ()


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
class Corrected(Event, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """Two operators put the amount right; names the event it corrects. `lots` is what of the right
    amount is money with a last day."""

    from_cents: int
    to_cents: int
    why: str
    corrects_version: int
    account_version: int
    grounds: Grounds
    lots: Lots = ()


def _corrected_1(facts: Facts) -> Facts:
    """One operator sufficed once, and nothing was asked of evidence."""
    return {**facts, "grounds": NO_GROUNDS}


upcast("transaction.corrected/1", "transaction.corrected/2", _corrected_1)


class Transaction(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The transaction as its events made it.

    `status` is `approved`, `declined`, `reversed` or `voided`; `amount_cents` what was asked for,
    `authorized_cents` what of it was approved; `net_cents` what the shop is owed for it now, `lots`
    what of that is money with a last day, so that it can go back to where it came from;
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
    lots: Lots = ()
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
                lots=event.lots,
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
                lots=event.lots,
            )
        case _ if transaction is not None:
            return after_payment.after(transaction, event)
        case _:
            raise no_such_event("transaction", event)


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
    return replace(
        transaction, version=event.originator_version, status="reversed", net_cents=0, lots=()
    )


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
    """Puts the amount of an approved payment right. 0 .. 2^31-1 cents, different from now.

    What of it is money with a last day is for the account to say: see `with_lots`.
    """
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


def with_lots(corrected: Corrected, before: Lots, moved: Lots) -> Corrected:
    """The correction, naming the lots that the payment then holds: `moved` came or went back."""
    change = lots_.add if corrected.to_cents > corrected.from_cents else lots_.remove
    return replace(corrected, lots=change(before, moved))
