"""What the events of refills post, and what they let the bank's statement expect."""

from domain.aggregates.credit import Corrected as CreditPutRight
from domain.aggregates.refill import RefillCredited
from domain.books.bank import Expect, expects
from domain.books.chart import COMPANY_FUNDS
from domain.books.posting import Rule
from domain.event import Event

MOVES: dict[type[Event], Rule] = {}
NO_MONEY: dict[type[Event], str] = {
    RefillCredited: "each line is an account.credited of the same commit",
    CreditPutRight: "account.credit_corrected of the same commit moves it",
}
EXPECTED: dict[type[Event], Expect] = {
    # The company pays for it outside of this system: its money shows on the bank's statement only.
    RefillCredited: expects(COMPANY_FUNDS, "total_cents"),
}
