"""The decision over a void, a refund or a tip: what a terminal does to a payment of its own.

Each gives the transaction's event and the account's, in that order, or the first refusal. What a
shop gives back is never more than what is left of the payment, however often it asks.
"""

from bisect import bisect_left
from collections.abc import Callable
from uuid import UUID

import msgspec
from msgspec.structs import replace

from domain import payment_life as life
from domain.aggregates import account as accounts
from domain.aggregates import after_debit
from domain.aggregates.account import Account
from domain.aggregates.after_payment import Adjusted, Refunded, Tipped, Voided
from domain.aggregates.transaction import Transaction
from domain.answers import Refusal, less_would_pass, refusal
from domain.event import Context, Event, stamp
from domain.rules import spending
from domain.rules.request import Request, of_spending
from domain.signed_request import SignedRequest
from domain.terms import Terms

REFUNDS_MOST = 50
"""Of one payment: its state stays small."""
ACTIONS = (life.VOID, life.TIP, life.REFUND)


class Change(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What is asked, by whom. `closed`: the payment's business day is; `today`: the account's date.
    `agreed` are the programme's terms when it was paid, `terms` those of today.

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
    agreed: Terms
    terms: Terms
    signed: SignedRequest


Decided = Refusal | tuple[Event, Event]


def tip_ceiling_cents(payment: Transaction, agreed: Terms) -> int:
    """The highest tip of this payment: the programme's percentage, or less.

    A phone's holder signed a ceiling with the contract, or none: no tip. A stripe's holder signed
    nothing: the programme's terms hold, and a contract that the terminal alone signed can only
    lower them.
    """
    usual = payment.authorized_cents * agreed.tip_percent // 100
    named = payment.tip_most_cents
    return min(usual, named) if named or payment.consented else usual


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
        return less_would_pass("13", "over-original", 0)
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
        lots=payment.lots,
    )
    return voided, back


def _refund(context: Context, payment: Transaction, account: Account, change: Change) -> Decided:
    if not 1 <= change.amount_cents <= payment.net_cents:
        return less_would_pass("13", "over-original", payment.net_cents)
    if len(payment.adjustments) >= REFUNDS_MOST:
        return refusal("65", "refund-count")
    back = after_debit.refund_debit(
        context,
        account,
        amount_cents=change.amount_cents,
        transaction_id=payment.id,
        refund_id=change.id,
        date=payment.local_date,
        corrects_version=payment.debit_version,
        spent_cents=payment.net_cents,
        lots=payment.lots,
    )
    refunded = Refunded(
        **stamp(context, payment.id, payment.version + 1),
        terminal_id=change.terminal_id,
        adjustment_id=change.id,
        amount_cents=change.amount_cents,
        why=change.why,
        corrects_version=payment.amount_version,
        signed=change.signed,
        lots=back.lots,
    )
    return refunded, back


def _tip(context: Context, payment: Transaction, account: Account, change: Change) -> Decided:
    if payment.tipped_cents:
        return refusal("12", "tip-given")
    ceiling = tip_ceiling_cents(payment, change.agreed)
    if not 1 <= change.amount_cents <= ceiling:
        return less_would_pass("61", "tip-ceiling", ceiling)
    spent = _as_spending(payment, account, change)
    no = _tip_refused(spent)
    if no is not None:
        # Found by asking the rules: what passes at an amount passes at all below.
        most = bisect_left(
            range(1, ceiling + 1),
            True,
            key=lambda cents: _tip_refused(replace(spent, amount_cents=cents)) is not None,
        )
        return less_would_pass(no.code, no.reason, most)
    debited = after_debit.debit_tip(
        context,
        account,
        amount_cents=change.amount_cents,
        transaction_id=payment.id,
        date=change.today,
        adds_to_version=payment.debit_version,
    )
    tipped = Tipped(
        **stamp(context, payment.id, payment.version + 1),
        terminal_id=change.terminal_id,
        adjustment_id=change.id,
        amount_cents=change.amount_cents,
        signed=change.signed,
        lots=debited.lots,
    )
    return tipped, debited


TIP_RULES = (
    spending.within_daily_limit,
    spending.within_weekly_limit,
    spending.within_monthly_limit,
    spending.within_legal_limit,
    spending.within_balance,
)
"""A tip is no further payment: it counts to the amounts of a period and not to its number."""


def _tip_refused(spent: Request) -> Refusal | None:
    return next((no for rule in TIP_RULES if (no := rule(spent)) is not None), None)


def _as_spending(payment: Transaction, account: Account, change: Change) -> Request:
    """The tip as the rules over amounts see it: spent today, whatever the day of the meal."""
    assert payment.shop_id is not None
    return of_spending(
        payment.id,
        amount_cents=change.amount_cents,
        terminal_id=change.terminal_id,
        shop_id=payment.shop_id,
        card_id=payment.card_id,
        account=account,
        local_date=change.today,
        terms=change.terms,
    )


_DECIDERS: dict[str, Callable[[Context, Transaction, Account, Change], Decided]] = {
    life.VOID: _void,
    life.REFUND: _refund,
    life.TIP: _tip,
}


def done_before(payment: Transaction, id: UUID) -> Adjusted | None:
    """The change of that id, if it was carried out."""
    return next((each for each in payment.adjustments if each.id == id), None)
