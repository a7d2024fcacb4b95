"""What a refusal says would pass does pass: that amount now, the full one at that moment."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from domain import authorization
from domain.aggregates import programme as programmes
from domain.aggregates.account import business_date
from domain.aggregates.programme import Programme, in_force, programme_id, to_come
from domain.event import Context
from domain.local_time import instant, local_date
from domain.rules.request import Request
from domain.spending import NO_SPENDING
from domain.terms import EVERY_DAY, Terms, Window
from tests.unit.domain.material import (
    COMPANY,
    NOW_US,
    TODAY,
    account,
    card,
    context,
    paid,
    request,
    shop,
)

HOUR_US = 3_600_000_000


def programme(*sets: tuple[int, Terms]) -> Programme:
    """A programme whose terms were set an age ago, each with its time of coming into force."""
    state: Programme | None = None
    at: Context = context(recorded_at_us=NOW_US - 400 * 24 * HOUR_US)
    for effective_us, terms in sets:
        state = programmes.evolve(
            state,
            programmes.set_terms(
                at, state, company_id=COMPANY, terms=terms, effective_us=effective_us, why="x"
            ),
        )
    assert state is not None
    return state


def at(asked: Request, now_us: int) -> Request:
    """The same payment asked for at another time."""
    assert asked.account is not None
    version = in_force(asked.programme, now_us)
    date = business_date(asked.account, local_date(now_us, asked.account.timezone))
    return replace(
        asked,
        now_us=now_us,
        local_date=date,
        year_month=date[2:4] + date[5:7],
        terms=version.terms,
        terms_version=version.number,
    )


_cents = st.one_of(st.none(), st.integers(1, 8_000))
_count = st.one_of(st.none(), st.integers(1, 3))
_minute = st.integers(0, 23).map(lambda hour: hour * 60)
_window = st.tuples(_minute, _minute).map(lambda m: Window(min(m), max(m) + 60))
_terms = st.builds(
    Terms,
    per_payment_cents=_cents,
    per_day_cents=_cents,
    per_week_cents=_cents,
    per_month_cents=_cents,
    payments_per_day=_count,
    payments_per_week=_count,
    payments_per_month=_count,
    weekdays=st.sets(st.integers(1, 7), min_size=1).map(lambda days: tuple(sorted(days))),
    hours=st.lists(_window, max_size=2).map(tuple),
    holidays=st.sets(st.sampled_from(["2026-11-23", "2026-11-24", "2026-12-25"])).map(tuple),
    pin_free_cents=st.integers(0, 5_000),
)
_zones = st.sampled_from(["America/Chicago", "UTC", "Pacific/Auckland", "America/Havana"])


@st.composite
def _requests(draw: Any) -> Request:
    """A payment under some programme, after some payments, at some time of the year."""
    now_us = NOW_US + draw(st.integers(-9_000, 9_000)) * HOUR_US // 2
    later_us = now_us + draw(st.integers(1, 400)) * HOUR_US
    state = replace(account(draw(st.integers(0, 20_000))), timezone=draw(_zones))
    today = local_date(now_us, state.timezone)
    for cents, back_us in draw(
        st.lists(st.tuples(st.integers(1, 4_000), st.integers(0, 200)), max_size=4)
    ):
        date = local_date(now_us - back_us * HOUR_US, state.timezone)
        if date >= state.spending.day:
            state = replace(state, spending=state.spending.moved(date, cents, 1))
    asked = request(
        account=state,
        card=card(draw(st.sampled_from(["stripe", "virtual"]))),
        consent_valid=True,
        amount_cents=draw(st.integers(1, 9_000)),
        pin_right=draw(st.sampled_from([None, True])),
        programme=programme((0, draw(_terms)), (later_us, draw(_terms))),
        local_date=today,
    )
    return at(asked, now_us)


@settings(max_examples=400)
@given(_requests())
def test_what_a_refusal_says_would_pass_does_pass(asked: Request) -> None:
    no = authorization.judge(asked)
    if no is None:
        return
    if no.would_pass_cents:
        assert authorization.judge(replace(asked, amount_cents=no.would_pass_cents)) is None
    if no.would_pass_cents is not None:
        more = replace(asked, amount_cents=no.would_pass_cents + 1)
        assert authorization.judge(more) is not None, "it is the largest"
    if no.passes_at_us is not None:
        assert no.passes_at_us > asked.now_us
        assert authorization.judge(at(asked, no.passes_at_us)) is None
        before = at(asked, no.passes_at_us - 1)
        assert authorization.judge(before) is not None, "it is the first"


@settings(max_examples=200)
@given(_requests(), st.booleans())
def test_nothing_is_said_of_the_account_before_the_pin_is_right(asked: Request, has: bool) -> None:
    """A wrong PIN hears the same, whatever there is on the account and whenever it is."""
    wrong = replace(asked, pin_right=False)
    poor = replace(wrong, account=replace(account(0), timezone=asked.account.timezone))  # type: ignore[union-attr]
    said, said_to_the_poor = authorization.judge(wrong), authorization.judge(poor)
    assert said == said_to_the_poor
    assert said is not None
    assert (said.would_pass_cents, said.passes_at_us) == (None, None)


def test_the_words_name_the_amount_and_the_hour() -> None:
    no = authorization.judge(request(account=paid(3_810), amount_cents=1_500))
    assert no is not None
    assert no.text.endswith(" $11.90 would pass now; the full amount after 00:00 Chicago time.")
    assert no.passes_at_us == instant("2026-11-24", 0, "America/Chicago")


def test_a_day_further_off_is_named() -> None:
    terms = Terms(weekdays=(4,), hours=(Window(690, 840),))
    no = authorization.judge(request(terms=terms, programme=programme((0, terms))))
    assert no is not None
    assert no.text.endswith(" It would pass after Thu, Nov 26, 11:30 Chicago time.")
    assert no.would_pass_cents is None


def test_new_terms_are_waited_for() -> None:
    tight, loose = Terms(per_payment_cents=500), Terms()
    later_us = NOW_US + HOUR_US // 2
    asked = request(terms=tight, programme=programme((0, tight), (later_us, loose)))
    no = authorization.judge(asked)
    assert no is not None
    assert (no.would_pass_cents, no.passes_at_us) == (500, later_us)


def test_no_moment_is_promised_that_only_a_refill_could_bring() -> None:
    no = authorization.judge(request(account=account(1_190), amount_cents=1_500))
    assert no is not None
    assert (no.would_pass_cents, no.passes_at_us) == (1_190, None)
    assert no.text.endswith("card. $11.90 would pass now.")


def test_where_the_limit_is_used_up_and_no_day_has_room_for_all_of_it_that_is_said() -> None:
    no = authorization.judge(request(account=paid(5_000), amount_cents=5_001, pin_right=True))
    assert no is not None
    assert (no.reason, no.would_pass_cents, no.passes_at_us) == ("daily-limit", 0, None)
    assert no.text.endswith(" in a day. No amount would pass now.")


def test_no_programme_lifts_the_legal_limit() -> None:
    rich = replace(account(10_000_000), daily_limit_cents=10_000_000)
    asked = request(account=rich, amount_cents=200_001, pin_right=True)
    no = authorization.judge(asked)
    assert no is not None
    assert (no.reason, no.would_pass_cents) == ("legal-limit", 200_000)
    assert authorization.judge(replace(asked, amount_cents=200_000)) is None
    some = replace(rich, spending=rich.spending.moved(TODAY, 150_000, 1))
    no = authorization.judge(replace(asked, account=some, amount_cents=50_001))
    assert no is not None
    assert (no.reason, no.would_pass_cents) == ("legal-limit", 50_000)


def test_a_set_for_the_same_time_replaces_an_earlier_one_and_others_stay() -> None:
    one, two, three = (Terms(per_payment_cents=cents) for cents in (1, 2, 3))
    state = programme((0, one), (NOW_US + 5, two), (NOW_US + 5, three))
    assert in_force(state, NOW_US).terms is one
    assert in_force(state, NOW_US + 5).terms is three
    assert [each.terms for each in to_come(state, NOW_US)] == [three]
    assert in_force(None, NOW_US).terms == Terms()
    assert state.id == programme_id(COMPANY)


def test_terms_never_begin_in_the_past() -> None:
    event = programmes.set_terms(
        context(), None, company_id=COMPANY, terms=Terms(), effective_us=5, why="x"
    )
    assert event.effective_us == context().recorded_at_us


@pytest.mark.parametrize("fault", [{}, {"card": None}, {"shop": None}, {"amount_cents": 99_999}])
def test_every_rule_is_explained(fault: dict[str, Any]) -> None:
    asked = request(**fault)
    told = authorization.explain(asked)
    assert [each.rule for each in told] == [rule.__name__ for rule in authorization.RULES]
    no = authorization.judge(asked)
    refused = [each for each in told if each.passed is False]
    assert ([] if no is None else [no.code]) == [each.code for each in refused][:1]
    assert all(each.why for each in told)


def test_an_explanation_names_the_figures() -> None:
    told = {each.rule: each for each in authorization.explain(request(account=paid(4_000)))}
    assert told["within_daily_limit"].why.endswith("$40.00 of $50.00 were spent this day.")
    assert told["within_balance"].passed
    assert told["within_weekly_limit"].why == "No limit."


def test_an_allowed_list_leaves_out_every_other_category() -> None:
    no = authorization.judge(
        request(terms=Terms(allowed_categories=("5812",)), shop=shop(category="5411"))
    )
    assert no is not None
    assert (no.code, no.reason) == ("57", "category")
    assert Terms().weekdays == EVERY_DAY
    assert NO_SPENDING.on_day(TODAY).cents == 0
