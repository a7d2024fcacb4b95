"""What the events of cardholders' accounts post.

They alone move cardholders' money: CARDHOLDERS is the sum of all account balances, because each
event that changes a balance posts that change here. The events of transactions, refills and
disputes that are stored in the same commit say why, and post nothing themselves.
"""

from domain.aggregates.account import (
    AccountCredited,
    AccountDebited,
    AccountOpened,
    DebitCorrected,
    DebitReversed,
)
from domain.aggregates.after_credit import CreditCorrected, CreditGivenBack, CreditTakenBack
from domain.aggregates.after_debit import DebitRefunded, DisputeCredited, TipDebited
from domain.aggregates.expired_money import LotDonated, LotExpired, LotReactivated, LotReturned
from domain.books.chart import CARDHOLDERS, COMPANY_FUNDS, DONATIONS, EXPIRED, SHOPS
from domain.books.posting import Rule, moves
from domain.event import Event

MOVES: dict[type[Event], Rule] = {
    AccountCredited: moves(COMPANY_FUNDS, CARDHOLDERS),
    CreditTakenBack: moves(CARDHOLDERS, COMPANY_FUNDS),
    CreditGivenBack: moves(COMPANY_FUNDS, CARDHOLDERS),
    AccountDebited: moves(CARDHOLDERS, SHOPS),
    DebitReversed: moves(SHOPS, CARDHOLDERS),
    DebitCorrected: moves(SHOPS, CARDHOLDERS, "change_cents"),
    DebitRefunded: moves(SHOPS, CARDHOLDERS),
    TipDebited: moves(CARDHOLDERS, SHOPS),
    # The shop bears what a dispute gives back.
    DisputeCredited: moves(SHOPS, CARDHOLDERS),
    CreditCorrected: moves(COMPANY_FUNDS, CARDHOLDERS, "change_cents"),
    LotExpired: moves(CARDHOLDERS, EXPIRED),
    LotReactivated: moves(EXPIRED, CARDHOLDERS),
    LotReturned: moves(EXPIRED, COMPANY_FUNDS),
    LotDonated: moves(EXPIRED, DONATIONS),
}
NO_MONEY: dict[type[Event], str] = {
    AccountOpened: "an account opens empty; the amount is a limit",
}
