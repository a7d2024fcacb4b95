"""What follows a credit: a refill's money taken back. Another part of `account`."""

from typing import TYPE_CHECKING
from uuid import UUID

from domain import gone as gone_
from domain import lots as lots_
from domain.aggregates.refill import Refill
from domain.event import Context, Event, stamp, stored_as
from domain.local_time import local_date
from domain.lots import Lots

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
