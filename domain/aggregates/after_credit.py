"""What follows a credit: taken back, given back, put right. Another part of `account`."""

from typing import TYPE_CHECKING
from uuid import UUID

from domain import gone as gone_
from domain import lots as lots_
from domain.aggregates.refill import Refill
from domain.answers import Refusal, refusal
from domain.event import Context, Event, stamp, stored_as
from domain.local_time import local_date
from domain.lots import Lot, Lots
from domain.refill_lines import TakenLine

if TYPE_CHECKING:
    from domain.aggregates.account import Account


@stored_as("account.credit_taken_back/1")
class CreditTakenBack(Event, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """Compensates a credit whose payment was taken back from us, as far as it was not spent.

    `lots` is what of it was taken from lots with a last day; the rest has none.
    """

    amount_cents: int
    refill_id: UUID
    lots: Lots = ()


@stored_as("account.credit_given_back/1")
class CreditGivenBack(Event, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """Undoes a `CreditTakenBack`: the payment is ours again. `lots` go back with the last days that
    they had, also where those have passed."""

    amount_cents: int
    refill_id: UUID
    lots: Lots = ()


@stored_as("account.credit_corrected/1")
class CreditCorrected(Event, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """Compensates a refill's wrong amount: `change_cents` is added to the balance (may be
    negative). Names the event it corrects: the credit, or the correction before this one. `lots`
    is what of the change is money with a last day."""

    change_cents: int
    refill_id: UUID
    corrects_version: int
    why: str
    lots: Lots = ()


def gone_cents(context: Context, account: "Account", last_day: str) -> int:
    """What a credit with that last day, empty for none, has lost to expiry, at most."""
    today = local_date(context.recorded_at_us, account.timezone)
    return gone_.cents(account.gone, lots_.expired(account.lots, today), last_day)


def share_cents(refill: Refill, standing_cents: int) -> int:
    """What of a line's credit is to be taken back: all of it, or its part where less of the
    payment is gone, rounded down to the cent.

    What is gone is what was credited and is paid for no more. So money that was never credited
    bears a chargeback first.
    """
    unpaid_cents = refill.credited_cents + refill.charged_back_cents - refill.held_cents
    bounded = min(max(unpaid_cents, 0), refill.credited_cents)
    return standing_cents * bounded // refill.credited_cents


def take_back(
    context: Context,
    account: "Account",
    *,
    amount_cents: int,
    credited_cents: int,
    refill_id: UUID,
    last_day: str,
) -> CreditTakenBack | None:
    """Takes `amount_cents` of a refill's credit back, as far as it can still be spent, first what
    has its last day; None where nothing can.

    What of the `credited_cents` has expired is held apart, with the company again, or with a
    cause: no other refill's money is taken for it.
    """
    today = local_date(context.recorded_at_us, account.timezone)
    on_account = credited_cents - gone_cents(context, account, last_day)
    left = min(amount_cents, on_account, account.available_cents(today))
    if left <= 0:
        return None
    return CreditTakenBack(
        **stamp(context, account.id, account.version + 1),
        amount_cents=left,
        refill_id=refill_id,
        lots=lots_.to_take_of(account.lots, account.undated_cents, left, today, last_day),
    )


def give_back(
    context: Context, account: "Account", line: TakenLine, refill: Refill
) -> CreditGivenBack:
    """Gives back what was taken, under the last days that it had; where nobody stored those, under
    that of the refill."""
    lots = line.lots
    if lots is None:
        own = Lot(refill.last_day, line.amount_cents, account.version + 1)
        lots = (own,) if refill.last_day else ()
    return CreditGivenBack(
        **stamp(context, account.id, account.version + 1),
        amount_cents=line.amount_cents,
        refill_id=refill.id,
        lots=lots,
    )


def correct(
    context: Context,
    account: "Account",
    *,
    change_cents: int,
    refill_id: UUID,
    corrects_version: int,
    why: str,
    last_day: str = "",
) -> CreditCorrected | Refusal:
    """Moves the balance by the difference between a refill's wrong and right amount.

    What is taken back comes from what can be spent today, first what has the `last_day` of the
    refill; what is added has no last day.
    """
    today = local_date(context.recorded_at_us, account.timezone)
    if account.available_cents(today) + change_cents < 0:
        return refusal("51", "balance")
    taken = max(0, -change_cents)
    parts = lots_.to_take_of(account.lots, account.undated_cents, taken, today, last_day)
    return CreditCorrected(
        **stamp(context, account.id, account.version + 1),
        change_cents=change_cents,
        refill_id=refill_id,
        corrects_version=corrects_version,
        why=why,
        lots=parts,
    )
