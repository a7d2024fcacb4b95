"""The decision over a void, a refund or a tip: what a terminal does to a payment of its own.

Each gives the transaction's event and the account's, in that order, or the first refusal. What a
shop gives back is never more than what is left of the payment, however often it asks.
"""

from collections.abc import Callable
from uuid import UUID

import msgspec

from domain import payment_life as life
from domain.aggregates import account as accounts
from domain.aggregates import transaction as transactions
from domain.aggregates.account import Account
from domain.aggregates.transaction import (
    Refunded,
    Tipped,
    Transaction,
    Voided,
)
from domain.answers import Refusal, refusal
from domain.event import Context, Event, stamp
from domain.signed_request import SignedRequest

TIP_PERCENT = 20
"""Of what was authorized: the ceiling that goes with a stripe card, whose holder signs nothing."""
REFUNDS_MOST = 50
"""Of one payment: its state stays small."""
ACTIONS = (life.VOID, life.TIP, life.REFUND)


class Change(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What is asked, by whom. `closed`: the payment's business day is; `today`: the account's date.

    `terminal_active` is false also for a terminal that is unknown. `amount_cents` of a void is 0:
    it is always the whole.
    """

    id: UUID
    action: str
    amount_cents: int
    why: str
    terminal_id: UUID
    terminal_active: bool
    terminal_shop_id: UUID | None
    closed: bool
    today: str
    signed: SignedRequest


Decided = Refusal | tuple[Event, Event]


def tip_ceiling_cents(payment: Transaction) -> int:
    """The highest tip of this payment.

    A phone's holder signed it with the contract. A stripe's holder signed nothing: the card's terms
    hold, and a contract that the terminal alone signed can only lower them.
    """
    if payment.consented:
        return payment.tip_most_cents
    usual = payment.authorized_cents * TIP_PERCENT // 100
    return min(usual, payment.tip_most_cents) if payment.tip_most_cents else usual


def decide(
    context: Context, payment: Transaction | None, account: Account | None, change: Change
) -> Decided:
    """The two events, or why not."""
    if payment is None or payment.shop_id != change.terminal_shop_id:
        # Another shop's payment is told from none by nobody.
        return refusal("25", "unknown-transaction")
    if not change.terminal_active:
        return refusal("58", "terminal")
    no = life.why_not(life.state_of(payment, closed=change.closed), change.action)
    if no is not None:
        return no
    assert account is not None, "an approved payment has an account"
    return _DECIDERS[change.action](context, payment, account, change)


def _void(context: Context, payment: Transaction, account: Account, change: Change) -> Decided:
    if payment.terminal_id != change.terminal_id:
        return refusal("58", "other-terminal")
    if payment.net_cents == 0:  # corrected to nothing
        return refusal("13", "over-original", 0)
    voided = Voided(
        **stamp(context, payment.id, payment.version + 1),
        terminal_id=change.terminal_id,
        adjustment_id=change.id,
        amount_cents=payment.net_cents,
        why=change.why,
        corrects_version=payment.amount_version,
        signed=change.signed,
    )
    back = accounts.reverse_debit(
        context,
        account,
        amount_cents=payment.net_cents,
        transaction_id=payment.id,
        date=payment.local_date,
        corrects_version=payment.debit_version,
    )
    return voided, back


def _refund(context: Context, payment: Transaction, account: Account, change: Change) -> Decided:
    if not 1 <= change.amount_cents <= payment.net_cents:
        return refusal("13", "over-original", payment.net_cents)
    if len(payment.adjustments) >= REFUNDS_MOST:
        return refusal("65", "refund-count")
    refunded = Refunded(
        **stamp(context, payment.id, payment.version + 1),
        terminal_id=change.terminal_id,
        adjustment_id=change.id,
        amount_cents=change.amount_cents,
        why=change.why,
        corrects_version=payment.amount_version,
        signed=change.signed,
    )
    back = accounts.refund_debit(
        context,
        account,
        amount_cents=change.amount_cents,
        transaction_id=payment.id,
        refund_id=change.id,
        date=payment.local_date,
        corrects_version=payment.debit_version,
    )
    return refunded, back


def _tip(context: Context, payment: Transaction, account: Account, change: Change) -> Decided:
    if payment.tipped_cents:
        return refusal("12", "tip-given")
    ceiling = tip_ceiling_cents(payment)
    if not 1 <= change.amount_cents <= ceiling:
        return refusal("61", "tip-ceiling", ceiling)
    # It is spent today, whatever the day of the meal.
    no = accounts.check_daily_limit(account, change.amount_cents, change.today)
    no = no or accounts.check_balance(account, change.amount_cents, change.today)
    if no is not None:
        return no
    tipped = Tipped(
        **stamp(context, payment.id, payment.version + 1),
        terminal_id=change.terminal_id,
        adjustment_id=change.id,
        amount_cents=change.amount_cents,
        signed=change.signed,
    )
    debited = accounts.debit_tip(
        context,
        account,
        amount_cents=change.amount_cents,
        transaction_id=payment.id,
        date=change.today,
        adds_to_version=payment.debit_version,
    )
    return tipped, debited


_DECIDERS: dict[str, Callable[[Context, Transaction, Account, Change], Decided]] = {
    life.VOID: _void,
    life.REFUND: _refund,
    life.TIP: _tip,
}


def done_before(payment: Transaction, id: UUID) -> transactions.Adjusted | None:
    """The change of that id, if it was carried out."""
    return next((each for each in payment.adjustments if each.id == id), None)
