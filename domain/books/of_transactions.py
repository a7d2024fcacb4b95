"""What the events of transactions and disputes post: nothing. They say which shop is owed what, and
why.

The commission is kept when a shop is paid, by a schedule that payouts will bring: until then
COMMISSION stands at zero and SHOPS holds gross amounts.
"""

from domain.aggregates.after_payment import (
    Disputed,
    DisputeDecided,
    Refunded,
    TermsAgreed,
    Tipped,
    Voided,
)
from domain.aggregates.dispute import DisputeClosed, DisputeOpened
from domain.aggregates.transaction import Authorized, Corrected, Declined, Reversed
from domain.books.posting import Rule
from domain.event import Event

MOVES: dict[type[Event], Rule] = {}
NO_MONEY: dict[type[Event], str] = {
    Authorized: "account.debited of the same commit moves it",
    Declined: "nothing was paid",
    Reversed: "account.debit_reversed of the same commit moves it",
    Corrected: "account.debit_corrected of the same commit moves it",
    TermsAgreed: "account.debited of the same commit moves what was approved; the rest are limits",
    Voided: "account.debit_reversed of the same commit moves it",
    Refunded: "account.debit_refunded of the same commit moves it",
    Tipped: "account.tip_debited of the same commit moves it",
    Disputed: "the payment stands until the dispute is decided",
    DisputeDecided: "account.dispute_credited of the same commit moves it",
    DisputeOpened: "the payment stands until it is decided",
    DisputeClosed: "account.dispute_credited of the same commit moves it",
}
