"""Rules of the programme and the account: where, when, how often and how much.

The periods of amounts and counts are those of the account's time zone (`domain.spending`). What a
rule compares with is what `most_cents` adds up, so that what would pass is never said wrongly.
"""

from collections.abc import Iterator

from domain.answers import Refusal, refusal
from domain.local_time import local_minute, weekday
from domain.rules.request import Request
from domain.spending import Spending
from domain.terms import EVERY_DAY, LEGAL_DAY_CENTS


def category_is_allowed(request: Request) -> Refusal | None:
    """57 for shops whose merchant category the programme refuses, or does not name."""
    shop, terms = request.shop, request.terms
    assert shop is not None
    allowed = terms.allowed_categories
    if shop.category in terms.refused_categories or (allowed and shop.category not in allowed):
        return refusal("57", "category")
    return None


def weekday_is_allowed(request: Request) -> Refusal | None:
    """57 on a day of the week on which the programme does not pay."""
    allowed = request.terms.weekdays
    if allowed != EVERY_DAY and weekday(request.local_date) not in allowed:
        return refusal("57", "weekday")
    return None


def is_no_holiday(request: Request) -> Refusal | None:
    """57 on a date that the programme leaves out."""
    holidays = request.terms.holidays
    return refusal("57", "holiday") if holidays and request.local_date in holidays else None


def hour_is_allowed(request: Request) -> Refusal | None:
    """57 outside the hours of the programme."""
    hours = request.terms.hours
    if not hours:
        return None
    assert request.account is not None
    minute = local_minute(request.now_us, request.account.timezone)
    if any(each.from_minute <= minute < each.until_minute for each in hours):
        return None
    return refusal("57", "hours")


def within_payment_counts(request: Request) -> Refusal | None:
    """65 where a day, week or month has had as many payments as the programme allows."""
    terms = request.terms
    a_day, a_week, a_month = (
        terms.payments_per_day,
        terms.payments_per_week,
        terms.payments_per_month,
    )
    if a_day is None and a_week is None and a_month is None:
        return None
    assert request.account is not None
    spending, date = request.account.spending, request.local_date
    if a_day is not None and spending.on_day(date).payments >= a_day:
        return refusal("65", "daily-count")
    if a_week is not None and spending.in_week_of(date).payments >= a_week:
        return refusal("65", "weekly-count")
    if a_month is not None and spending.in_month_of(date).payments >= a_month:
        return refusal("65", "monthly-count")
    return None


def within_payment_limit(request: Request) -> Refusal | None:
    """61 over what the programme lets one payment be."""
    most = request.terms.per_payment_cents
    return None if most is None or request.amount_cents <= most else refusal("61", "payment-limit")


def within_daily_limit(request: Request) -> Refusal | None:
    """61 over the account's daily limit, or the programme's where that is less."""
    account, of_programme = request.account, request.terms.per_day_cents
    assert account is not None
    spent = account.spending.cents_on(request.local_date)
    if request.amount_cents <= account.daily_limit_cents - spent and (
        of_programme is None or request.amount_cents <= of_programme - spent
    ):
        return None
    return refusal("61", "daily-limit")


def within_weekly_limit(request: Request) -> Refusal | None:
    """61 over what the programme lets an account spend from Monday to Sunday."""
    most = request.terms.per_week_cents
    if most is None:
        return None
    assert request.account is not None
    spent = request.account.spending.in_week_of(request.local_date).cents
    return None if request.amount_cents <= most - spent else refusal("61", "weekly-limit")


def within_monthly_limit(request: Request) -> Refusal | None:
    """61 over what the programme lets an account spend in a calendar month."""
    most = request.terms.per_month_cents
    if most is None:
        return None
    assert request.account is not None
    spent = request.account.spending.in_month_of(request.local_date).cents
    return None if request.amount_cents <= most - spent else refusal("61", "monthly-limit")


def within_legal_limit(request: Request) -> Refusal | None:
    """61 over $2,000.00 a day, whatever programme and account say: all cards of an account
    together, so also each."""
    assert request.account is not None
    spent = request.account.spending.cents_on(request.local_date)
    if request.amount_cents <= LEGAL_DAY_CENTS - spent:
        return None
    return refusal("61", "legal-limit")


def within_balance(request: Request) -> Refusal | None:
    """51 over the balance."""
    assert request.account is not None
    return (
        None if request.amount_cents <= request.account.balance_cents else refusal("51", "balance")
    )


def day_limit(request: Request) -> int:
    """The account's daily limit, or the programme's where that is less."""
    assert request.account is not None
    of_account, of_programme = request.account.daily_limit_cents, request.terms.per_day_cents
    return of_account if of_programme is None else min(of_account, of_programme)


def most_cents(request: Request, spending: Spending | None = None) -> int:
    """The largest amount that no rule over amounts refuses, 0 where there is none.

    With `NO_SPENDING` for `spending`: if nothing had been spent in any period.
    """
    account, card = request.account, request.card
    assert account is not None
    assert card is not None
    caps = [account.balance_cents, *_limits_left(request, spending or account.spending)]
    if card.kind == "stripe" and request.pin_right is None:
        caps.append(request.terms.pin_free_cents)
    return max(0, min(caps))


def _limits_left(request: Request, spending: Spending) -> Iterator[int]:
    terms, date = request.terms, request.local_date
    yield min(day_limit(request), LEGAL_DAY_CENTS) - spending.cents_on(date)
    if terms.per_payment_cents is not None:
        yield terms.per_payment_cents
    if terms.per_week_cents is not None:
        yield terms.per_week_cents - spending.in_week_of(date).cents
    if terms.per_month_cents is not None:
        yield terms.per_month_cents - spending.in_month_of(date).cents
