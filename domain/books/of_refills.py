"""What the events of refills post, and what they let the bank's statement expect."""

from domain.aggregates.credit import Corrected as CreditPutRight
from domain.aggregates.lone_refill import LoneRefillOrdered
from domain.aggregates.refill import RefillCredited, RefillFailed, RefillOrdered, RefillPaid
from domain.aggregates.refill_undone import (
    RefillChargebackWon,
    RefillChargedBack,
    RefillFeePaid,
    RefillGivenBack,
    RefillInquired,
    RefillRefunded,
    RefillTakenBack,
)
from domain.aggregates.schedule import ScheduleAdded
from domain.books.bank import Expect, Expected, expects
from domain.books.chart import (
    COMPANY_FEES,
    COMPANY_FUNDS,
    FEES_RECEIVABLE,
    PROCESSOR_CLEARING,
)
from domain.books.posting import Posting, Postings, Rule, moves
from domain.event import Event

_of_old = expects(COMPANY_FUNDS, "total_cents")


def _paid(event: RefillPaid) -> Postings:
    """The company's money, and the fee apart."""
    return _company_pays(event.amount_cents, event.fee_cents)


def _refunded(event: RefillRefunded) -> Postings:
    """The same back, the fee only where it goes back, too."""
    return _company_pays(-event.amount_cents, -event.fee_cents)


def _charged_back(event: RefillChargedBack) -> Postings:
    """The company owes it again; what is taken back from accounts is less. The fee apart: it is
    owed, or was earned for nothing where the order was given up."""
    fee_cents = event.fee_cents
    funds = (
        Posting(COMPANY_FUNDS, event.amount_cents - fee_cents),
        Posting(PROCESSOR_CLEARING, -event.amount_cents),
    )
    of_fee = COMPANY_FEES if event.fee_waived else FEES_RECEIVABLE
    return (*funds, Posting(of_fee, fee_cents)) if fee_cents else funds


def _won(event: RefillChargebackWon) -> Postings:
    """The same back. What of the fee was paid apart meanwhile is the company's."""
    fee_cents = event.fee_cents
    funds = (
        Posting(PROCESSOR_CLEARING, event.amount_cents),
        Posting(COMPANY_FUNDS, fee_cents - event.amount_cents),
    )
    of_fee = COMPANY_FEES if event.fee_waived else FEES_RECEIVABLE
    return (*funds, Posting(of_fee, -fee_cents)) if fee_cents else funds


def _company_pays(amount_cents: int, fee_cents: int) -> Postings:
    funds = (
        Posting(PROCESSOR_CLEARING, amount_cents),
        Posting(COMPANY_FUNDS, fee_cents - amount_cents),
    )
    return (*funds, Posting(COMPANY_FEES, -fee_cents)) if fee_cents else funds


def _paid_before_orders(position: int, day: str, event: RefillCredited) -> Expected | None:
    """A refill without an order: the company's money shows on the bank's statement only."""
    return _of_old(position, day, event) if event.originator_version == 1 else None


MOVES: dict[type[Event], Rule] = {
    RefillPaid: _paid,
    RefillRefunded: _refunded,
    RefillChargedBack: _charged_back,
    RefillChargebackWon: _won,
    RefillFeePaid: moves(PROCESSOR_CLEARING, FEES_RECEIVABLE),
}
NO_MONEY: dict[type[Event], str] = {
    RefillOrdered: "nothing is paid yet",
    LoneRefillOrdered: "it counts what the refill.ordered of the same commit says",
    RefillCredited: "each line is an account.credited of the same commit",
    RefillFailed: "the money stays with the company's funds",
    RefillTakenBack: "each line is an account.credit_taken_back of the same commit",
    RefillGivenBack: "each line is an account.credit_given_back of the same commit",
    RefillInquired: "the bank asks; it took nothing",
    CreditPutRight: "account.credit_corrected of the same commit moves it",
    ScheduleAdded: "the amount is of orders to come",
}
EXPECTED: dict[type[Event], Expect] = {
    RefillCredited: _paid_before_orders,
    RefillPaid: expects(PROCESSOR_CLEARING, "amount_cents"),
    RefillRefunded: expects(PROCESSOR_CLEARING, "amount_cents", -1),
    RefillChargedBack: expects(PROCESSOR_CLEARING, "amount_cents", -1),
    RefillChargebackWon: expects(PROCESSOR_CLEARING, "amount_cents"),
    RefillFeePaid: expects(PROCESSOR_CLEARING, "amount_cents"),
}
