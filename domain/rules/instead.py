"""What would pass instead of what was refused: another amount now, or the same amount later.

Found by asking the rules themselves, about other amounts and other moments, so that what a refusal
says does pass. Nothing is said to whom the rules did not come as far as the PIN: it would tell a
thief what the account holds, or whether he guessed the PIN.
"""

from collections.abc import Iterator

from msgspec.structs import replace

from domain.aggregates.account import business_date
from domain.aggregates.programme import Version, in_force, to_come
from domain.answers import Refusal, dollars
from domain.local_time import DAY_MINUTES, day_after, in_words, instant, local_date
from domain.rules import spending
from domain.rules.order import OF_CARD
from domain.rules.request import Request
from domain.spending import NO_SPENDING

HORIZON_DAYS = 62
"""Past the end of next month nothing is promised."""
_AMOUNTS = frozenset({
    ("51", "balance"), ("55", "pin-required"), ("61", "payment-limit"), ("61", "daily-limit"),
    ("61", "weekly-limit"), ("61", "monthly-limit"), ("61", "legal-limit"),
})  # fmt: skip
_TIMES = frozenset({
    ("57", "weekday"), ("57", "holiday"), ("57", "hours"),
    ("65", "daily-count"), ("65", "weekly-count"), ("65", "monthly-count"),
})  # fmt: skip


def with_what_would_pass(no: Refusal, request: Request) -> Refusal:
    """The refusal with another amount and another time, and its text with both in words."""
    named = no.code, no.reason
    if named not in _AMOUNTS and named not in _TIMES:
        return no
    passes = _largest(request) if named in _AMOUNTS else None
    passes_at_us = _moment(request)
    return replace(
        no,
        would_pass_cents=passes,
        passes_at_us=passes_at_us,
        text=no.text + _words(request, no.code, passes, passes_at_us),
    )


def _words(request: Request, code: str, passes: int | None, passes_at_us: int | None) -> str:
    assert request.account is not None
    when = in_words(passes_at_us, request.now_us, request.account.timezone) if passes_at_us else ""
    if passes:
        now = f" {dollars(passes)} would pass now"
        return f"{now}; the full amount after {when}." if when else f"{now}."
    if when:
        return f" It would pass after {when}."
    return " No amount would pass now." if code == "61" and passes == 0 else ""


def _largest(request: Request) -> int:
    """The largest amount that passes now, 0 where none does."""
    most = spending.most_cents(request)
    if most <= 0:
        return 0
    smaller = replace(request, amount_cents=most)
    return most if all(rule(smaller) is None for rule in OF_CARD) else 0


def _moment(request: Request) -> int | None:
    """The first moment, of those at which anything changes, at which the same payment passes.

    Supposing that nothing is paid, refilled or changed meanwhile but what the programme says.
    """
    versions = [in_force(request.programme, request.now_us)]
    versions += to_come(request.programme, request.now_us)
    possible = {each.number for each in versions if _can_pass(request, each)}
    if not possible:
        return None
    for at_us in _moments(request, versions):
        version = in_force(request.programme, at_us)
        if version.number not in possible:
            continue
        later = _later(request, at_us, version)
        if all(rule(later) is None for rule in OF_CARD):
            return at_us
    return None


def _can_pass(request: Request, version: Version) -> bool:
    """Whether the amount passes under these terms in periods in which nothing was spent."""
    fresh = replace(request, terms=version.terms)
    return request.amount_cents <= spending.most_cents(fresh, NO_SPENDING)


def _moments(request: Request, versions: list[Version]) -> Iterator[int]:
    """Starts of days and of hours that are paid in, and of new terms, the next first."""
    account, now_us = request.account, request.now_us
    assert account is not None
    zone = account.timezone
    minutes = {0} | {hours.from_minute for each in versions for hours in each.terms.hours}
    date = local_date(now_us, zone)
    for _ in range(HORIZON_DAYS):
        found = {instant(date, minute, zone) for minute in minutes}
        begin_us, end_us = instant(date, 0, zone), instant(date, DAY_MINUTES, zone)
        found |= {e.effective_us for e in versions if begin_us <= e.effective_us < end_us}
        yield from sorted(at_us for at_us in found if at_us > now_us)
        date = day_after(date)


def _later(request: Request, at_us: int, version: Version) -> Request:
    account = request.account
    assert account is not None
    date = business_date(account, local_date(at_us, account.timezone))
    return replace(
        request,
        now_us=at_us,
        local_date=date,
        year_month=date[2:4] + date[5:7],
        terms=version.terms,
        terms_version=version.number,
    )
