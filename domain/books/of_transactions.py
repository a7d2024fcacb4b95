"""What the events of transactions post: nothing. They say which shop is owed what, and why.

The commission is kept when a shop is paid, by a schedule that payouts will bring: until then
COMMISSION stands at zero and SHOPS holds gross amounts.
"""

from domain.aggregates.transaction import Authorized, Corrected, Declined, Reversed
from domain.books.posting import Rule
from domain.event import Event

MOVES: dict[type[Event], Rule] = {}
NO_MONEY: dict[type[Event], str] = {
    Authorized: "account.debited of the same commit moves it",
    Declined: "nothing was paid",
    Reversed: "account.debit_reversed of the same commit moves it",
    Corrected: "account.debit_corrected of the same commit moves it",
}
