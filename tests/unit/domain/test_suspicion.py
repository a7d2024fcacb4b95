"""Each signal shows where it should and nowhere else; the score decides what follows."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import asdict, replace

from domain.aggregates import account as accounts
from domain.suspicion import (
    KEPT_US,
    NO_SUSPICION,
    NOTHING,
    REFUSE,
    SIGNALS,
    STEP_UP,
    USES_KEPT,
    WORDS,
    Place,
    Use,
    Watch,
    assess,
    distance_km,
    remembered,
    unheard,
)
from tests.unit.domain import material

NOW_US = 1_795_000_000_000_000
CHICAGO, EVANSTON, NEW_YORK = (
    Place(41_882_600, -87_622_600),
    Place(42_045_100, -87_687_700),
    Place(40_712_800, -74_006_000),
)
ONE, OTHER = UUID(int=1), UUID(int=2)
WATCH = Watch()


def use(
    ago_s: float = 0,
    *,
    shop: UUID = ONE,
    kind: str = "stripe",
    cents: int = 1_234,
    place: Place | None = CHICAGO,
) -> Use:
    return Use(NOW_US - int(ago_s * 1e6), shop, kind, cents, place)


@pytest.mark.parametrize(
    ("recent", "now", "reasons"),
    [
        ([use(3600, place=NEW_YORK)], use(), ("far",)),
        ([use(5 * 3600, place=NEW_YORK)], use(), ()),  # by aeroplane
        ([use(60, place=EVANSTON)], use(), ()),  # near is never far
        ([use(3600, place=None)], use(), ()),
        ([use(3600, place=NEW_YORK)], use(place=None), ()),
        ([use(10, shop=OTHER)], use(), ("parallel",)),
        ([use(10)], use(), ()),
        ([use(30, shop=OTHER)], use(), ()),
        ([use(n * 60) for n in range(7, 0, -1)], use(), ("burst",)),
        ([use(n * 60) for n in range(6, 0, -1)], use(), ()),
        ([use(n * 600) for n in range(7, 0, -1)], use(), ()),
        ([use(n * 300, cents=100) for n in (3, 2, 1)], use(cents=500), ("round",)),
        ([use(n * 300, cents=100) for n in (3, 2, 1)], use(cents=501), ()),
        ([use(n * 300, cents=150) for n in (3, 2, 1)], use(cents=100), ()),
        ([use(300, kind="virtual", place=EVANSTON)], use(), ("apart",)),
        ([use(300, kind="virtual")], use(), ()),
        ([use(1_000, kind="virtual", place=EVANSTON)], use(), ()),
        (
            [use(10, shop=OTHER, kind="virtual", place=NEW_YORK)], use(),
            ("far", "parallel", "apart"),
        ),
    ],
)  # fmt: skip
def test_signals(recent: list[Use], now: Use, reasons: tuple[str, ...]) -> None:
    assert assess(WATCH, tuple(recent), now).reasons == reasons


def test_the_score_decides() -> None:
    recent = (use(10, shop=OTHER, place=NEW_YORK),)
    both = assess(WATCH, recent, use())
    assert (both.score, both.action) == (WATCH.far_weight + WATCH.parallel_weight, REFUSE)
    one = assess(replace(WATCH, parallel_weight=0), recent, use())
    assert (one.reasons, one.action) == (("far",), STEP_UP)
    little = assess(replace(WATCH, parallel_weight=0, far_weight=10), recent, use())
    assert (little.score, little.action) == (10, NOTHING)
    off = replace(WATCH, far_weight=0, parallel_weight=0, apart_weight=0)
    assert assess(off, recent, use()) == NO_SUSPICION


def test_a_first_use_or_one_after_a_long_pause_is_never_suspicious() -> None:
    assert assess(WATCH, (), use()) == NO_SUSPICION
    assert assess(WATCH, (use(KEPT_US / 1e6 + 1, place=NEW_YORK),), use()) == NO_SUSPICION


@pytest.mark.parametrize(
    ("one", "other", "km"),
    [(CHICAGO, NEW_YORK, 1_145), (CHICAGO, EVANSTON, 18.9), (CHICAGO, CHICAGO, 0)],
)  # fmt: skip
def test_distances(one: Place, other: Place, km: float) -> None:
    assert distance_km(one, other) == pytest.approx(km, rel=0.01)


places = st.builds(
    Place, st.integers(-90_000_000, 90_000_000), st.integers(-180_000_000, 180_000_000)
)


@given(places, places)
def test_distance_is_a_distance(one: Place, other: Place) -> None:
    assert 0 <= distance_km(one, other) <= 20_016
    assert distance_km(one, other) == pytest.approx(distance_km(other, one), abs=1e-6)


@given(st.lists(st.integers(0, 8 * 3600), max_size=30))
def test_few_and_recent_uses_are_remembered(times_s: list[int]) -> None:
    recent: tuple[Use, ...] = ()
    for at_s in sorted(times_s, reverse=True):
        recent = remembered(recent, use(at_s))
        assert len(recent) <= USES_KEPT
        assert recent[-1].at_us - recent[0].at_us <= KEPT_US
        assert recent[-1] == use(at_s)


def test_every_signal_has_words_and_a_weight() -> None:
    assert WORDS.keys() == SIGNALS.keys()
    assert {f"{name}_weight" for name in SIGNALS} <= asdict(WATCH).keys()


def test_what_was_taken_back_unheard_counts_to_no_number_of_payments() -> None:
    payments = tuple(use(60 - number, cents=100) for number in range(WATCH.burst_count - 1))
    assert assess(WATCH, payments, use(cents=100)).reasons == ("burst", "round")
    for each in payments[:4]:
        payments = unheard(payments, each.at_us)
    assert assess(WATCH, payments, use(cents=100)).reasons == ("round",)
    for each in payments[4:]:
        payments = unheard(payments, each.at_us)
    assert assess(WATCH, payments, use(cents=100)) == NO_SUSPICION


def test_what_was_taken_back_unheard_tells_where_the_card_was() -> None:
    there = unheard((use(5, shop=OTHER, place=NEW_YORK),), NOW_US - 5_000_000)
    assert assess(WATCH, there, use()).reasons == ("far", "parallel")
    assert unheard(there, NOW_US) == there


@pytest.mark.parametrize(("unheard_us", "cents"), [(NOW_US, 0), (0, 1_234)])
def test_what_was_voided_counts_as_it_was_and_what_was_unheard_does_not(
    unheard_us: int, cents: int
) -> None:
    before = accounts.evolve(
        material.account(),
        accounts.debit(
            material.context(),
            material.account(),
            amount_cents=1_234,
            transaction_id=ONE,
            date=material.TODAY,
            use=use(),
        ),
    )
    back = accounts.reverse_debit(
        material.context(),
        before,
        amount_cents=1_234,
        transaction_id=ONE,
        date=material.TODAY,
        corrects_version=before.version,
        unheard_us=unheard_us,
    )
    assert [each.amount_cents for each in accounts.evolve(before, back).recent] == [cents]
