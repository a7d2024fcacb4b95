"""What the events of everything else post: the reconciliation moves money to the bank."""

from domain.aggregates.alert import AlertRaised
from domain.aggregates.closing import DayClosed
from domain.aggregates.company import CompanyRegistered
from domain.aggregates.programme import ProgrammeSet
from domain.aggregates.reconciliation import StatementMatched
from domain.aggregates.shop import MenuSet
from domain.aggregates.watch import WatchSet
from domain.books.chart import BANK
from domain.books.posting import Posting, Postings, Rule
from domain.event import Event


def _matched(event: StatementMatched) -> Postings:
    """What came in is a debit of the bank; it clears the account on which it was waited for."""
    clears: dict[str, int] = {}
    for line in event.lines:
        clears[line.clears] = clears.get(line.clears, 0) - line.amount_cents
    total_cents = sum(line.amount_cents for line in event.lines)
    return (Posting(BANK, total_cents), *(Posting(*each) for each in clears.items()))


MOVES: dict[type[Event], Rule] = {
    StatementMatched: _matched,
}
NO_MONEY: dict[type[Event], str] = {
    AlertRaised: "a payment that was refused",
    WatchSet: "the amount is a limit",
    ProgrammeSet: "the amounts are limits",
    DayClosed: "it records balances",
    CompanyRegistered: "the amount is a limit",
    MenuSet: "the amounts are prices",
}
