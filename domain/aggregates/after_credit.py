"""What follows a credit: taken back, given back, put right. Another part of `account`."""

from typing import TYPE_CHECKING
from uuid import UUID

from domain import gone as gone_
from domain import lots as lots_
from domain.aggregates.refill import Refill
from domain.answers import Refusal, dollars
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
    added_cents: int = 0,
) -> CreditCorrected | Refusal:
    """Moves the balance by the difference between a refill's wrong and right amount.

    What is added has no last day. What is taken back is the credit's own: first of the
    `added_cents` that corrections had added, then what has its last day. What of it was spent is
    not taken of other refills' money.
    """
    today = local_date(context.recorded_at_us, account.timezone)
    taken_cents = max(0, -change_cents)
    lots, undated_cents = _own(account, today, last_day, added_cents)
    own_cents = lots_.total(lots) + undated_cents
    if taken_cents > own_cents:
        return _spent(own_cents, taken_cents)
    return CreditCorrected(
        **stamp(context, account.id, account.version + 1),
        change_cents=change_cents,
        refill_id=refill_id,
        corrects_version=corrects_version,
        why=why,
        lots=lots_.to_spend(lots, taken_cents - min(taken_cents, undated_cents), today),
    )


def _own(account: "Account", today: str, last_day: str, added_cents: int) -> tuple[Lots, int]:
    """What can be spent of a credit with that last day: lots, its own before those that it was
    reactivated into, and cents in no lot. Credits with the same day cannot be told apart."""
    if not last_day:
        return (), account.undated_cents
    days = {last_day, *(each.last_day for each in account.gone if last_day in each.mixed)}
    lots = (lot for lot in account.lots if lot.last_day in days and lot.last_day >= today)
    own = sorted(lots, key=lambda lot: (lot.last_day != last_day, lot.last_day))
    return tuple(own), min(added_cents, account.undated_cents)


def _spent(own_cents: int, taken_cents: int) -> Refusal:
    text = (
        f"Of that credit {dollars(own_cents)} are still on the account, and {dollars(taken_cents)}"
        f" would be taken: the right amount can be less by {dollars(own_cents)} at most. What was"
        " spent of it is not taken of other refills' money."
    )
    return Refusal("51", "spent-credit", text)
