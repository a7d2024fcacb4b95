"""The rules in their order: the first refusal is the answer, so the order is the precedence.

`judge` stops there; `explain` looks at all of them, for an audit and for whoever asks why.
"""

from collections.abc import Callable

import msgspec

from domain.answers import Refusal, dollars
from domain.rules import behaviour, message, spending
from domain.rules.request import Request
from domain.terms import LEGAL_DAY_CENTS

Rule = Callable[[Request], Refusal | None]

RULES: tuple[Rule, ...] = (
    message.belongs_to_session,
    message.clock_is_near,
    message.contract_is_current,
    message.amount_is_sane,
    message.terminal_is_active,
    message.stripe_is_genuine,
    message.was_not_reversed,
    message.card_is_known,
    message.cardholder_consented,
    message.card_is_usable,
    spending.category_is_allowed,
    behaviour.looks_genuine,
    behaviour.proves_its_owner,
    message.pin_is_right,
    spending.weekday_is_allowed,
    spending.is_no_holiday,
    spending.hour_is_allowed,
    spending.within_payment_counts,
    spending.within_payment_limit,
    spending.within_daily_limit,
    spending.within_weekly_limit,
    spending.within_monthly_limit,
    spending.within_legal_limit,
    spending.within_balance,
)
"""In order of precedence: a forged stripe is told nothing about the card it imitates, and who has
not the PIN nothing about the account."""

_KNOWN, _PIN = RULES.index(message.card_is_known), RULES.index(message.pin_is_right)
OF_CARD = RULES[RULES.index(message.card_is_usable) :]
"""Those that another moment may answer otherwise, for the same card in the same shop."""
OF_SPENDING = tuple(rule for rule in RULES if rule.__module__ == spending.__name__)
"""Those that the programme and the account decide."""


class Judged(msgspec.Struct, frozen=True, gc=False):
    """A refusal, and whether the rules came as far as looking at the PIN."""

    refusal: Refusal
    looked_at_pin: bool


def judge(request: Request) -> Judged | None:
    """The first refusal, None for yes."""
    for rule in RULES:
        no = rule(request)
        if no is not None:
            return Judged(no, RULES.index(rule) >= _PIN)
    return None


class RuleResult(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What one rule says of a payment. `passed` None: it cannot be asked, `why` says for what lack.

    `code` and `reason` are those of its refusal, else empty; `why` in words, with the figures that
    it compared.
    """

    rule: str
    passed: bool | None
    code: str
    reason: str
    why: str


def explain(request: Request) -> list[RuleResult]:
    """What each rule says, in order, also behind the first refusal."""
    unknown = message.card_is_known(request) is not None
    no_shop = request.shop is None
    found = []
    for place, rule in enumerate(RULES):
        if place > _KNOWN and (unknown or (no_shop and rule is spending.category_is_allowed)):
            lack = "the card is not known" if unknown else "the shop is not known"
            found.append(_result(rule, None, "", "", f"Not asked: {lack}."))
            continue
        no = rule(request)
        figures = _FIGURES[rule](request) if rule in _FIGURES else ""
        if no is None:
            found.append(_result(rule, True, "", "", figures or "Passed."))
        else:
            said = f"{no.text} {figures}" if figures else no.text
            found.append(_result(rule, False, no.code, no.reason, said))
    return found


def _result(rule: Rule, passed: bool | None, code: str, reason: str, why: str) -> RuleResult:
    return RuleResult(rule=rule.__name__, passed=passed, code=code, reason=reason, why=why)


def _amount_of(most: int | None, spent: int, period: str) -> str:
    if most is None:
        return "No limit."
    return f"{dollars(spent)} of {dollars(most)} were spent {period}."


def _spent(request: Request) -> tuple[int, int, int]:
    assert request.account is not None
    kept, date = request.account.spending, request.local_date
    return kept.on_day(date).cents, kept.in_week_of(date).cents, kept.in_month_of(date).cents


def _balance(request: Request) -> str:
    assert request.account is not None
    left_cents = request.account.available_cents(request.local_date)
    return f"{dollars(request.amount_cents)} of a balance of {dollars(left_cents)}."


def _category(request: Request) -> str:
    return f"Category {request.shop.category}." if request.shop is not None else ""


_FIGURES: dict[Rule, Callable[[Request], str]] = {
    spending.category_is_allowed: _category,
    spending.within_payment_limit: lambda request: (
        f"{dollars(request.amount_cents)} of {dollars(request.terms.per_payment_cents)} a payment."
        if request.terms.per_payment_cents is not None
        else "No limit."
    ),
    spending.within_daily_limit: lambda request: _amount_of(
        spending.day_limit(request), _spent(request)[0], "this day"
    ),
    spending.within_weekly_limit: lambda request: _amount_of(
        request.terms.per_week_cents, _spent(request)[1], "this week"
    ),
    spending.within_monthly_limit: lambda request: _amount_of(
        request.terms.per_month_cents, _spent(request)[2], "this month"
    ),
    spending.within_legal_limit: lambda request: _amount_of(
        LEGAL_DAY_CENTS, _spent(request)[0], "this day"
    ),
    spending.within_balance: _balance,
}
