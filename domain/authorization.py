"""The decision over a payment: an ordered list of named rules, then the events of yes or no.

Each rule is a pure function of the request and answers None (passes) or a `Refusal`. The first
refusal wins, so the order is the precedence. What the rules need to know was loaded before.
"""

from collections.abc import Callable
from uuid import UUID

import msgspec
from msgspec.structs import replace

from domain.aggregates import account as accounts
from domain.aggregates import card as cards
from domain.aggregates.account import Account
from domain.aggregates.card import Card
from domain.aggregates.company import Company
from domain.aggregates.shop import Shop
from domain.aggregates.terminal import Terminal
from domain.aggregates.transaction import Authorized, Declined, Signed, TermsAgreed
from domain.answers import Refusal, refusal
from domain.event import Context, Event, stamp
from domain.local_time import local_date

MOST_CENTS = (1 << 31) - 1
CLOCK_OFF_US = 5 * 60 * 1_000_000
PARTLY = frozenset({"51", "61"})
"""Refusals for the amount, after which less may be approved for split tender."""
REFUSED_CATEGORIES = frozenset({"5813"})  # bars: refused unless a programme says otherwise


class Request(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A payment to decide. None where the backend knows no such aggregate.

    `card_id` is the card that bears the number, `card` what is known of it: None also where the
    stripe is forged, which is nobody's. A refusal names it all the same, for its history.
    `stripe_genuine` and `pin_right` are what the HSM said; None: not asked, as for a phone card.
    `newer_reference`: what the right PIN is to be compared with from now on, empty for no change.
    `clock_off_us` is how far the terminal's clock is from ours.
    `consent_valid` is what the cardholder's signature came to; None for a stripe.
    `partial`: the terminal takes an approval of part of the amount. `tip_most_cents` and `group_id`
    are the contract's, 0 and None where it names none.
    """

    transaction_id: UUID
    amount_cents: int
    terminal: Terminal | None
    terminal_id: UUID
    shop: Shop | None
    shop_id: UUID
    card_id: UUID | None
    card: Card | None
    account: Account | None
    company: Company | None
    stripe_genuine: bool | None
    pin_right: bool | None
    consent_valid: bool | None
    signed: Signed
    of_this_session: bool
    clock_off_us: int
    expired: bool
    reversed_before: bool = False
    masked_pan: str = ""
    local_date: str = ""
    year_month: str = ""
    newer_reference: bytes = b""
    partial: bool = False
    tip_most_cents: int = 0
    group_id: UUID | None = None


def terminal_is_active(request: Request) -> Refusal | None:
    """58 for an unknown or blocked terminal, or one that names another shop."""
    terminal, shop = request.terminal, request.shop
    if terminal is None or shop is None or not terminal.active or terminal.shop_id != shop.id:
        return refusal("58", "terminal")
    return None


def was_not_reversed(request: Request) -> Refusal | None:
    """05 where the terminal took this payment back before it arrived."""
    return refusal("05", "reversed-before") if request.reversed_before else None


def belongs_to_session(request: Request) -> Refusal | None:
    """12 for a contract made for another session: one replayed by somebody else."""
    return None if request.of_this_session else refusal("12", "foreign-session")


def clock_is_near(request: Request) -> Refusal | None:
    """12 for a terminal whose clock is off by more than five minutes."""
    return refusal("12", "stale-clock") if abs(request.clock_off_us) > CLOCK_OFF_US else None


def contract_is_current(request: Request) -> Refusal | None:
    """12 for a contract past its own expiry."""
    return refusal("12", "expired-contract") if request.expired else None


def amount_is_sane(request: Request) -> Refusal | None:
    """13 for an amount that is not 1 .. 2^31-1 cents."""
    return None if 0 < request.amount_cents <= MOST_CENTS else refusal("13", "amount")


def stripe_is_genuine(request: Request) -> Refusal | None:
    """63 for a stripe whose verification value the HSM did not make."""
    return refusal("63", "card-check") if request.stripe_genuine is False else None


def card_is_known(request: Request) -> Refusal | None:
    """14 for a card that was never issued."""
    if request.card is None or request.account is None or request.company is None:
        return refusal("14", "unknown-card")
    return None


def cardholder_consented(request: Request) -> Refusal | None:
    """63 for a phone card without the cardholder's valid signature over this contract, and for
    whatever card comes from a phone that is not that card."""
    assert request.card is not None
    from_phone = request.card.kind == "virtual" or request.consent_valid is not None
    if from_phone and request.consent_valid is not True:
        return refusal("63", "consent")
    return None


def card_is_usable(request: Request) -> Refusal | None:
    """41, 43, 54, 62 by the card's status and expiry."""
    assert request.card is not None
    return cards.check_usable(request.card, request.year_month)


def category_is_allowed(request: Request) -> Refusal | None:
    """57 for shops whose merchant category no meal card pays in."""
    assert request.shop is not None
    if request.shop.category in REFUSED_CATEGORIES:
        return refusal("57", "category")
    return None


def pin_is_right(request: Request) -> Refusal | None:
    """55 or 75 by the PIN that was presented, or missing."""
    assert request.card is not None
    return cards.check_pin(request.card, request.amount_cents, request.pin_right)


def within_daily_limit(request: Request) -> Refusal | None:
    """61 over the account's daily limit, in the programme's time zone."""
    assert request.account is not None
    return accounts.check_daily_limit(request.account, request.amount_cents, request.local_date)


def within_balance(request: Request) -> Refusal | None:
    """51 over the balance."""
    assert request.account is not None
    return accounts.check_balance(request.account, request.amount_cents, request.local_date)


RULES: tuple[Callable[[Request], Refusal | None], ...] = (
    belongs_to_session,
    clock_is_near,
    contract_is_current,
    amount_is_sane,
    terminal_is_active,
    stripe_is_genuine,
    was_not_reversed,
    card_is_known,
    cardholder_consented,
    card_is_usable,
    category_is_allowed,
    pin_is_right,
    within_daily_limit,
    within_balance,
)
"""In order of precedence: a forged stripe is told nothing about the card it imitates."""


def judge(request: Request) -> Refusal | None:
    """The first refusal, None for yes."""
    for rule in RULES:
        no = rule(request)
        if no is not None:
            return no
    return None


def decide(context: Context, request: Request, *, next_version: int = 1) -> list[Event]:
    """The events of the answer: the transaction's, the account's, the PIN count's.

    A refusal is an event too. The PIN is counted in the same commit as the answer.
    """
    asked_cents, no = request.amount_cents, judge(request)
    if no is not None and request.partial:
        request, no = _in_part(request, no)
    events: list[Event] = [
        _declined(context, request, no, next_version)
        if no is not None
        else _authorized(context, request, next_version)
    ]
    if no is None:
        assert request.account is not None
        events.append(
            accounts.debit(
                context,
                request.account,
                amount_cents=request.amount_cents,
                transaction_id=request.transaction_id,
                date=request.local_date,
            )
        )
        if request.partial or request.tip_most_cents or request.group_id is not None:
            events.append(_terms(context, request, asked_cents, next_version + 1))
    events += _of_pin(context, request, no)
    return events


def _in_part(request: Request, no: Refusal) -> tuple[Request, Refusal | None]:
    """The request for as much as would pass, where every rule passes that; else as it was."""
    if no.code not in PARTLY or not no.would_pass_cents:
        return request, no
    less = replace(request, amount_cents=no.would_pass_cents)
    return (less, None) if judge(less) is None else (request, no)


def _terms(context: Context, request: Request, asked_cents: int, version: int) -> TermsAgreed:
    return TermsAgreed(
        **stamp(context, request.transaction_id, version),
        requested_cents=asked_cents,
        tip_most_cents=request.tip_most_cents,
        group_id=request.group_id,
    )


def _of_pin(context: Context, request: Request, no: Refusal | None) -> list[Event]:
    """Counts the PIN only where the rules came as far as looking at it.

    The right one, while it is not barred, is referred to by the newest key from now on.
    """
    card, events = request.card, list[Event]()
    if card is None or request.pin_right is None:
        return events
    if no is not None and no.code not in ("55", "75", "61", "51"):
        return events
    counted = cards.count_pin(
        context, card, pin_right=request.pin_right, transaction_id=request.transaction_id
    )
    if counted is not None:
        events.append(counted)
    barred = no is not None and no.code in ("55", "75")
    if request.pin_right and request.newer_reference and not barred:
        newer = cards.refer_to_pin(
            context,
            card,
            reference=request.newer_reference,
            transaction_id=request.transaction_id,
            counted=counted is not None,
        )
        events.append(newer)
    return events


def _authorized(context: Context, request: Request, version: int) -> Authorized:
    assert request.account and request.card and request.company
    assert request.terminal and request.shop
    return Authorized(
        **stamp(context, request.transaction_id, version),
        terminal_id=request.terminal_id,
        shop_id=request.shop_id,
        company_id=request.company.id,
        account_id=request.account.id,
        card_id=request.card.id,
        amount_cents=request.amount_cents,
        currency=request.account.currency,
        timezone=request.account.timezone,
        local_date=request.local_date,
        terminal_version=request.terminal.version,
        shop_version=request.shop.version,
        company_version=request.company.version,
        account_version=request.account.version,
        masked_pan=request.masked_pan,
        signed=request.signed,
    )


def _declined(context: Context, request: Request, no: Refusal, version: int) -> Declined:
    account = request.account
    return Declined(
        **stamp(context, request.transaction_id, version),
        terminal_id=request.terminal_id,
        shop_id=request.shop_id,
        account_id=account.id if account else None,
        card_id=request.card_id,
        amount_cents=request.amount_cents,
        currency=account.currency if account else "USD",
        code=no.code,
        reason=no.reason,
        text=no.text,
        would_pass_cents=no.would_pass_cents,
        masked_pan=request.masked_pan,
        signed=request.signed,
    )


def dates(at_us: int, timezone: str) -> tuple[str, str]:
    """The local business date and its YYMM, as `Request` wants them."""
    date = local_date(at_us, timezone)
    return date, date[2:4] + date[5:7]
