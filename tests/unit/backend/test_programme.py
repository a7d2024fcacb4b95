"""C PROGRAMME and D REHEARSE as operators send them, from the signed bytes to the stored event."""

import asyncio
from typing import Any

import pytest

from adapters.backend.operator_ports import Surroundings, Tried
from adapters.backend.operators import Operators
from application.programme_fields import shown
from domain.aggregates.programme import Programme, programme_id
from domain.terms import STANDARD, Terms, Window
from tests.unit.application.happened import COMPANY, OTHER_COMPANY, company_registered
from tests.unit.backend.operator_double import Scene


def scene() -> Scene:
    made = Scene()
    made.ledger.given(company_registered())
    return made


def give(made: Scene, terms: Any, **more: Any) -> dict[str, Any]:
    body = {"company": str(COMPANY), "terms": terms, "why": "new contract", **more}
    return asyncio.run(made.command("PROGRAMME", body))[1]


def stored(made: Scene) -> Programme | None:
    made.ledger.states.drop()
    return made.ledger.states.get(programme_id(COMPANY), Programme)


def test_terms_are_set_from_now_and_keep_what_is_not_named() -> None:
    made = scene()
    told = give(made, {"per_day_cents": 2_500, "hours": ["11:00-15:00"]})["result"]
    assert (told["version"], told["timezone"]) == (1, "America/New_York")
    assert told["changes"] == [
        {"what": "per_day_cents", "before": None, "after": 2_500},
        {"what": "hours", "before": [], "after": ["11:00-15:00"]},
    ]
    give(made, {"weekdays": ["fri", "mon"]})
    kept = stored(made)
    assert kept is not None
    assert kept.versions[0].terms == Terms(
        per_day_cents=2_500, hours=(Window(660, 900),), weekdays=(1, 5)
    )


def test_a_preview_stores_nothing() -> None:
    made = scene()
    told = give(made, {"per_day_cents": 2_500}, preview=True)["result"]
    assert told["preview"]
    assert stored(made) is None


def test_terms_begin_at_the_local_time_that_was_named() -> None:
    made = scene()  # it is 2026-09-21 10:13 in New York
    told = give(made, {"per_day_cents": 1}, effective="2026-12-01 06:30")["result"]
    assert told["effective_ms"] == 1_796_124_600_000  # 11:30 UTC, in winter
    kept = stored(made)
    assert kept is not None
    assert kept.versions[0].effective_us == told["effective_ms"] * 1000


def test_changes_are_made_to_what_will_hold_then() -> None:
    made = scene()
    give(made, {"per_day_cents": 100}, effective="2026-12-01")
    told = give(made, {"tip_percent": 10}, effective="2026-12-02")["result"]
    assert [each["what"] for each in told["changes"]] == ["tip_percent"]
    kept = stored(made)
    assert kept is not None
    assert kept.versions[0].terms == Terms(per_day_cents=100, tip_percent=10)


def test_the_standard_terms_can_be_begun_with() -> None:
    made = scene()
    give(made, {"per_day_cents": 100})
    told = give(made, {}, from_standard=True)["result"]
    assert told["changes"] == [{"what": "per_day_cents", "before": 100, "after": None}]


def test_the_same_command_again_sets_nothing_again() -> None:
    made = scene()
    body = {"company": str(COMPANY), "terms": {"per_day_cents": 9}, "why": "x"}
    request, _ = made.signed("PROGRAMME", body)
    asyncio.run(made.send("C", "PROGRAMME", request))
    give(made, {"per_day_cents": 10})
    again = asyncio.run(made.send("C", "PROGRAMME", request))[1]["result"]
    assert (again["version"], again["repeated"]) == (1, True)
    kept = stored(made)
    assert kept is not None
    assert len(kept.versions) == 2


@pytest.mark.parametrize(
    ("code", "more"),
    [
        ("no-such-company", {"company": str(OTHER_COMPANY)}),
        ("effective-past", {"effective": "2026-09-20"}),
        ("effective-far", {"effective": "2027-12-01"}),
        ("no-change", {"terms": {"tip_percent": 20}}),
    ],
)
def test_what_cannot_be_done_is_refused_with_a_reason(code: str, more: dict[str, Any]) -> None:
    made = scene()
    body = {"company": str(COMPANY), "terms": {"per_day_cents": 9}, "why": "x", **more}
    told = asyncio.run(made.command("PROGRAMME", body))[1]
    assert told["code"] == code
    assert stored(made) is None


@pytest.mark.parametrize(
    "terms",
    [
        {"per_day_cents": 0},
        {"per_day_cents": -1},
        {"per_day_cents": 200_001},
        {"per_day_cents": 12.5},
        {"per_day_cents": True},
        {"per_week_cents": "25.00"},
        {"payments_per_day": 0},
        {"weekdays": []},
        {"weekdays": ["mon", "someday"]},
        {"weekdays": "mon"},
        {"hours": ["11-15"]},
        {"hours": ["11:00-11:00"]},
        {"hours": ["11:00-24:01"]},
        {"hours": ["11:60-12:00"]},
        {"hours": [f"{hour}:00-{hour}:30" for hour in range(1, 9)]},
        {"holidays": ["2026-02-30"]},
        {"holidays": ["26-12-25"]},
        {"allowed_categories": ["restaurants"]},
        {"refused_categories": [5813]},
        {"tip_percent": 101},
        {"tip_percent": None},
        {"pin_free_cents": None},
        {"partial_approval": "yes"},
        {"expiry_days": 0},
        {"timezone": "UTC"},
        [],
        None,
    ],
)
def test_bad_terms_are_named_and_nothing_is_stored(terms: Any) -> None:
    made = scene()
    told = give(made, terms)
    assert told["code"] == "invalid"
    assert stored(made) is None


@pytest.mark.parametrize("effective", ["", "tomorrow", "2026-12-01 24:00", "2026-12-01 10:60", 5])
def test_what_is_no_time_is_refused(effective: Any) -> None:
    assert give(scene(), {"per_day_cents": 9}, effective=effective)["code"] == "invalid"


def test_hours_over_midnight_are_two() -> None:
    made = scene()
    give(made, {"hours": ["22:00-02:00", "12:00-00:00"]})
    kept = stored(made)
    assert kept is not None
    hours = kept.versions[0].terms.hours
    assert hours == (Window(0, 120), Window(720, 1_440), Window(1_320, 1_440))


def test_what_is_shown_can_be_set() -> None:
    made = scene()
    give(made, shown(STANDARD) | {"tip_percent": 15, "holidays": ["2026-12-25", "2026-12-25"]})
    kept = stored(made)
    assert kept is not None
    assert kept.versions[0].terms == Terms(tip_percent=15, holidays=("2026-12-25",))


def test_a_rehearsal_is_told_what_to_try_and_says_how_far_it_is() -> None:
    made = scene()
    asked: list[Tried] = []

    def rehearse(tried: Tried, tell: Any) -> list[dict[str, Any]]:
        asked.append(tried)
        tell(1, 2)
        return [{"kind": "summary"}]

    around = made.surroundings()
    made.operators = Operators(
        Surroundings(**{n: getattr(around, n) for n in around.__slots__} | {"rehearse": rehearse})
    )
    more = {"company": str(COMPANY), "days": 7, "terms": {"per_day_cents": 100}}
    verb, told = asyncio.run(made.read("REHEARSE", **more))
    assert (verb, told["rows"]) == ("REHEARSE", [{"kind": "summary"}])
    assert asked == [Tried(company_id=COMPANY, days=7, changes={"per_day_cents": 100},
                           from_standard=False)]  # fmt: skip
    assert asyncio.run(made.read("REHEARSE", **more | {"days": 367}))[1]["code"] == "invalid"
    assert len(asked) == 1
