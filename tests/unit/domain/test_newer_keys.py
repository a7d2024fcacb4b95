"""A PIN moves to a newer key as it is presented; rotations and erasures are recorded once."""

import pytest
from msgspec.structs import replace

from domain import authorization
from domain.aggregates import card as cards
from domain.aggregates import cardholder as cardholders
from domain.aggregates import key as keys
from domain.aggregates.card import Card, PinAccepted, PinReferenced
from domain.aggregates.key import key_id
from domain.event import Event
from tests.unit.domain.material import COMPANY, HOLDER, card, context, request

NEWER = b"\x02" + b"n" * 32


def after(state: Card, *, right: bool, newer: bytes = NEWER, cents: int = 1_250) -> list[Event]:
    asked = request(card=state, pin_right=right, newer_reference=newer, amount_cents=cents)
    return [
        event for event in authorization.decide(context(), asked) if event.originator_id == state.id
    ]


def test_the_right_pin_is_referred_to_by_the_newer_key_in_the_same_commit() -> None:
    state = replace(card(), pin_reference=b"\x01old")
    (event,) = after(state, right=True)
    assert isinstance(event, PinReferenced)
    assert event.originator_version == state.version + 1
    assert cards.evolve(state, event).pin_reference == NEWER
    assert cards.evolve(state, event).pin_failures == 0


def test_behind_the_count_of_wrong_ones_the_versions_have_no_gap() -> None:
    state = replace(card(), pin_failures=2)
    accepted, referred = after(state, right=True)
    assert (type(accepted), type(referred)) == (PinAccepted, PinReferenced)
    versions = [accepted.originator_version, referred.originator_version]
    assert versions == [state.version + 1, state.version + 2]


def test_also_where_the_money_is_not_enough() -> None:
    assert [type(event) for event in after(card(), right=True, cents=4_900_000)] == [PinReferenced]


@pytest.mark.parametrize(
    ("failures", "right", "newer"),
    [(0, True, b""), (3, True, NEWER)],
    ids=["no newer key", "the card is barred"],
)
def test_otherwise_nothing_changes(failures: int, right: bool, newer: bytes) -> None:
    assert after(replace(card(), pin_failures=failures), right=right, newer=newer) == []


def test_a_wrong_pin_is_only_counted() -> None:
    (event,) = after(card(), right=False)
    assert not isinstance(event, PinReferenced)


def test_a_generation_is_recorded_once_and_none_before_it_any_more() -> None:
    first = keys.rotate(context(), None, name="K_CVV", generation=2, why="a year")
    assert first is not None
    assert (first.originator_id, first.originator_version) == (key_id("K_CVV"), 1)
    state = keys.evolve(None, first)
    for generation in (1, 2):
        told = keys.rotate(context(), state, name="K_CVV", generation=generation, why="again")
        assert told is None
    # One that was made, and whose record a crash prevented, may be missing in between.
    later = keys.rotate(context(), state, name="K_CVV", generation=4, why="later")
    assert later is not None
    assert later.originator_version == 2
    assert key_id("K_CVV") != key_id("K_DB")


def test_an_erased_person_has_no_name_and_is_erased_once() -> None:
    registered = cardholders.register(
        context(), HOLDER, company_id=COMPANY, first_name="Ada", last_name="B", email="a@b.example"
    )
    state = cardholders.evolve(None, registered)
    erased = cardholders.erase(context(), state, why="asked for it")
    assert erased is not None
    for before in (state, None):  # None: its events cannot be read any more
        now = cardholders.evolve(before, erased)
        assert (now.first_name, now.last_name, now.email, now.erased) == ("", "", "", True)
        assert (now.company_id, now.version) == (COMPANY, 2)
        assert cardholders.erase(context(), now, why="twice") is None
