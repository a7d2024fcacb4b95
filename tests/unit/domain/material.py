"""A company, a shop, a terminal, an account and a card to decide about."""

from typing import Any
from uuid import UUID

from domain.aggregates import account as accounts
from domain.aggregates import card as cards
from domain.aggregates.account import Account
from domain.aggregates.card import Card
from domain.aggregates.company import Company
from domain.aggregates.shop import Shop
from domain.aggregates.terminal import Terminal
from domain.aggregates.transaction import Signed
from domain.event import Context
from domain.ids import make_id
from domain.rules.request import Request

NOW_US = 1_795_478_400_000_000  # 2026-11-24 00:00 UTC, 18:00 on Monday the 23rd in Chicago
TODAY, YEAR_MONTH = "2026-11-23", "2611"


def id_of(number: int) -> UUID:
    """A fixed id in partition 7."""
    return make_id(NOW_US // 1000, 7, number)


COMPANY, SHOP, TERMINAL, ACCOUNT, CARD, TRANSACTION, HOLDER = (id_of(n) for n in range(1, 8))


def context(**changes: Any) -> Context:
    """Who decides, when."""
    facts: dict[str, Any] = {
        "occurred_at_us": NOW_US,
        "recorded_at_us": NOW_US + 1_000,
        "actor": f"pos:{TERMINAL}:1f",
        "command_id": TRANSACTION,
        "correlation_id": TRANSACTION,
        "issuer_id": id_of(99),
    }
    return Context(**(facts | changes))


def company() -> Company:
    """A company whose accounts spend up to $50.00 a day."""
    return Company(
        id=COMPANY,
        version=1,
        name="Acme",
        timezone="America/Chicago",
        daily_limit_cents=5_000,
        currency="USD",
    )


def account(balance_cents: int = 10_000) -> Account:
    """An account with money on it."""
    opened = accounts.open(
        context(),
        ACCOUNT,
        company_id=COMPANY,
        cardholder_id=HOLDER,
        timezone="America/Chicago",
        daily_limit_cents=5_000,
        currency="USD",
    )
    state = accounts.evolve(None, opened)
    if balance_cents:
        credited = accounts.credit(
            context(), state, amount_cents=balance_cents, refill_id=id_of(50)
        )
        state = accounts.evolve(state, credited)
    return state


def paid(amount_cents: int = 1_000, date: str = TODAY) -> Account:
    """The account after one payment on a date."""
    state = account()
    debit = accounts.debit(
        context(), state, amount_cents=amount_cents, transaction_id=id_of(60), date=date
    )
    return accounts.evolve(state, debit)


def card(kind: str = "stripe") -> Card:
    """An active card, good until the end of 2030."""
    issued = cards.issue(
        context(),
        CARD,
        account_id=ACCOUNT,
        cardholder_id=HOLDER,
        kind=kind,
        masked_pan="508900******1234",
        expiry="3012",
    )
    return cards.evolve(None, issued)


def terminal(**changes: Any) -> Terminal:
    """An active terminal of the shop."""
    facts: dict[str, Any] = {"id": TERMINAL, "version": 1, "shop_id": SHOP, "label": "Till 1"}
    return Terminal(**(facts | changes))


def shop(**changes: Any) -> Shop:
    """A restaurant."""
    facts: dict[str, Any] = {
        "id": SHOP,
        "version": 1,
        "name": "Corner Deli",
        "category": "5812",
        "timezone": "America/Chicago",
        "email": "deli@shop.example",
        "activation_sha256": b"",
    }
    return Shop(**(facts | changes))


def request(**changes: Any) -> Request:
    """A payment of $12.50 that every rule passes."""
    facts: dict[str, Any] = {
        "transaction_id": TRANSACTION,
        "amount_cents": 1_250,
        "terminal": terminal(),
        "terminal_id": TERMINAL,
        "shop": shop(),
        "shop_id": SHOP,
        "card_id": CARD,
        "card": card(),
        "account": account(),
        "company": company(),
        "stripe_genuine": True,
        "pin_right": None,
        "consent_valid": None,
        "signed": Signed(contract=b"{}", contract_hash=b"h" * 32, signature="a..b"),
        "of_this_session": True,
        "clock_off_us": 0,
        "expired": False,
        "masked_pan": "508900******1234",
        "now_us": NOW_US,
        "local_date": TODAY,
        "year_month": YEAR_MONTH,
    }
    return Request(**(facts | changes))
