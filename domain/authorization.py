"""The decision over a payment: the rules, then the events of yes or no.

The rules are `domain.rules`, each a pure function; what they need to know was loaded before.
"""

from msgspec.structs import replace

from domain.aggregates import account as accounts
from domain.aggregates import card as cards
from domain.aggregates.account import Account
from domain.aggregates.after_payment import TermsAgreed
from domain.aggregates.alert import raise_
from domain.aggregates.transaction import Authorized, Declined
from domain.answers import Refusal
from domain.event import Context, Event, stamp
from domain.local_time import local_date
from domain.lots import Lots
from domain.rules import order
from domain.rules.instead import with_what_would_pass
from domain.rules.order import RULES, RuleResult, explain
from domain.rules.request import Request
from domain.suspicion import Use

__all__ = ["RULES", "Request", "RuleResult", "dates", "decide", "explain", "judge"]

PARTLY = frozenset({"51", "61"})
"""Refusals for the amount, after which less may be approved for split tender."""


def judge(request: Request) -> Refusal | None:
    """The first refusal, with what would pass instead; None for yes."""
    judged = order.judge(request)
    return with_what_would_pass(judged.refusal, request) if judged is not None else None


def decide(context: Context, request: Request, *, next_version: int = 1) -> list[Event]:
    """The events of the answer: the transaction's, the account's, the PIN count's.

    A refusal is an event too. The PIN is counted in the same commit as the answer, where the
    rules came as far as looking at it.
    """
    judged, asked_cents, no = order.judge(request), request.amount_cents, None
    if judged is not None:
        no = with_what_would_pass(judged.refusal, request)
        less = _less(request, no)
        if less is not None:
            request, judged = less, None
    if judged is not None:
        assert no is not None
        events: list[Event] = [_declined(context, request, no, next_version)]
        if no.reason in _SUSPICIOUS:
            events.append(_alert(context, request))
        return events + (_of_pin(context, request, no) if judged.looked_at_pin else [])
    assert request.account is not None
    debit = accounts.debit(
        context,
        request.account,
        amount_cents=request.amount_cents,
        transaction_id=request.transaction_id,
        date=request.local_date,
        use=_use(context, request),
    )
    events = [_authorized(context, request, next_version, debit.lots), debit]
    if request.partial or request.tip_most_cents or request.group_id is not None:
        events.append(_terms(context, request, asked_cents, next_version + 1))
    return events + _of_pin(context, request, None)


def _less(request: Request, no: Refusal) -> Request | None:
    """The request for as much as would pass, where terminal and programme take a part and every
    rule passes that."""
    wanted = request.partial and request.terms.partial_approval and no.code in PARTLY
    if not wanted or not no.would_pass_cents:
        return None
    less = replace(request, amount_cents=no.would_pass_cents)
    return less if order.judge(less) is None else None


def _terms(context: Context, request: Request, asked_cents: int, version: int) -> TermsAgreed:
    return TermsAgreed(
        **stamp(context, request.transaction_id, version),
        requested_cents=asked_cents,
        tip_most_cents=request.tip_most_cents,
        group_id=request.group_id,
    )


_SUSPICIOUS = frozenset({"suspicion", "step-up"})


def _use(context: Context, request: Request) -> Use:
    assert request.card is not None
    assert request.shop is not None
    return Use(
        context.recorded_at_us,
        request.shop.id,
        request.card.kind,
        request.amount_cents,
        request.shop.place,
    )


def _alert(context: Context, request: Request) -> Event:
    assert request.account
    assert request.card
    return raise_(
        context,
        request.alert,
        account_id=request.account.id,
        card_id=request.card.id,
        kind=request.card.kind,
        shop_id=request.shop_id,
        terminal_id=request.terminal_id,
        transaction_id=request.transaction_id,
        amount_cents=request.amount_cents,
        suspicion=request.suspicion,
        watch_version=request.watch_version,
    )


def _of_pin(context: Context, request: Request, no: Refusal | None) -> list[Event]:
    """Counts the PIN. The right one, while it is not barred, is referred to by the newest key
    from now on."""
    card = request.card
    events: list[Event] = []
    if card is None or request.pin_right is None:
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


def _authorized(context: Context, request: Request, version: int, lots: Lots) -> Authorized:
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
        programme_version=request.terms_version,
        lots=lots,
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
        passes_at_us=no.passes_at_us,
        programme_version=request.terms_version,
    )


def dates(at_us: int, account: Account) -> tuple[str, str]:
    """The business date of a payment and its YYMM, as `Request` wants them."""
    date = accounts.business_date(account, local_date(at_us, account.timezone))
    return date, date[2:4] + date[5:7]
