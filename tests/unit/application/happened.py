"""Events of the past that the tests of commands start from."""

from uuid import UUID

from domain.aggregates import account as accounts
from domain.aggregates import alert as alerts
from domain.aggregates import card as cards
from domain.aggregates import company as companies
from domain.aggregates import shop as shops
from domain.aggregates import terminal as terminals
from domain.aggregates.account import AccountCredited, AccountDebited
from domain.aggregates.transaction import Authorized, Declined, Signed
from domain.event import Event, stamp
from domain.ids import make_id
from domain.lots import Lots
from domain.suspicion import STEP_UP, Suspicion
from tests.unit.application.ledger_double import NOW_MS, context

COMPANY = make_id(NOW_MS, 1, 1)
OTHER_COMPANY = make_id(NOW_MS, 1, 2)
ACCOUNT = make_id(NOW_MS, 5, 3)
CARDHOLDER = make_id(NOW_MS, 5, 4)
CARD = make_id(NOW_MS, 5, 5)
SHOP = make_id(NOW_MS, 9, 6)
TERMINAL = make_id(NOW_MS, 9, 7)
PAYMENT = make_id(NOW_MS - 86_400_000, 5, 8)
_SIGNED = Signed(contract=b"{}", contract_hash=b"h" * 32, signature="s")


def company_registered(company_id: UUID = COMPANY) -> Event:
    return companies.register(
        context(),
        company_id,
        name="Acme Widgets",
        timezone="America/New_York",
        daily_limit_cents=20_000,
    )


def account_opened(account_id: UUID = ACCOUNT, company_id: UUID = COMPANY) -> Event:
    return accounts.open(
        context(),
        account_id,
        company_id=company_id,
        cardholder_id=CARDHOLDER,
        timezone="America/New_York",
        daily_limit_cents=20_000,
        currency="USD",
    )


def credited(amount_cents: int, version: int = 2) -> Event:
    return AccountCredited(
        **stamp(context(), ACCOUNT, version), amount_cents=amount_cents, refill_id=COMPANY
    )


def debited(amount_cents: int, version: int = 3, lots: Lots = ()) -> Event:
    return AccountDebited(
        **stamp(context(), ACCOUNT, version),
        amount_cents=amount_cents,
        transaction_id=PAYMENT,
        local_date="2026-09-20",
        lots=lots,
    )


def authorized(amount_cents: int, account_version: int = 2) -> Event:
    return Authorized(
        **stamp(context(), PAYMENT, 1),
        terminal_id=TERMINAL,
        shop_id=SHOP,
        company_id=COMPANY,
        account_id=ACCOUNT,
        card_id=CARD,
        amount_cents=amount_cents,
        currency="USD",
        timezone="America/New_York",
        local_date="2026-09-20",
        terminal_version=1,
        shop_version=1,
        company_version=1,
        account_version=account_version,
        masked_pan="984000******1234",
        signed=_SIGNED,
    )


def declined() -> Event:
    return Declined(
        **stamp(context(), PAYMENT, 1),
        terminal_id=TERMINAL,
        shop_id=SHOP,
        account_id=ACCOUNT,
        card_id=CARD,
        amount_cents=500,
        currency="USD",
        code="51",
        reason="balance",
        text="Refused.",
        would_pass_cents=0,
        masked_pan="984000******1234",
        signed=_SIGNED,
    )


def card_issued(kind: str = "stripe") -> Event:
    return cards.issue(
        context(),
        CARD,
        account_id=ACCOUNT,
        cardholder_id=CARDHOLDER,
        kind=kind,
        masked_pan="984000******1234",
        expiry="2911",
    )


def shop_registered() -> Event:
    return shops.register(
        context(),
        SHOP,
        name="Corner Deli",
        category="5812",
        timezone="America/New_York",
        email="deli@example.com",
        activation_sha256=b"a" * 32,
    )


def terminal_registered() -> Event:
    return terminals.register(context(), TERMINAL, shop_id=SHOP, label="Till 1")


def alert_raised(amount_cents: int = 675) -> Event:
    """The stripe was used too often; the payment is of `PAYMENT`."""
    return alerts.raise_(
        context(), None, account_id=ACCOUNT, card_id=CARD, kind="stripe", shop_id=SHOP,
        terminal_id=TERMINAL, transaction_id=PAYMENT, amount_cents=amount_cents,
        suspicion=Suspicion(50, ("burst",), STEP_UP), watch_version=0,
    )  # fmt: skip
