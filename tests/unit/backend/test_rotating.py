"""ROTATE and ERASE as operators send them: who decides, and that nothing is done before."""

import asyncio
from typing import Any
from uuid import UUID

import pytest

from domain.aggregates import cardholder as cardholders
from domain.aggregates.key import KeyRotated
from domain.ids import make_id
from tests.unit.application import happened
from tests.unit.application.happened import CARDHOLDER, COMPANY
from tests.unit.application.ledger_double import NOW_MS, context
from tests.unit.backend.operator_double import CSR, Scene, second_operator
from tests.unit.backend.test_two_persons import give

ONE = {"key": "K_CVV", "generation": 2, "why": "every year"}
TWO = {**ONE, "key": "K_DB"}
ERASE = {"cardholder": str(CARDHOLDER), "why": "asked for it"}


OTHER = make_id(NOW_MS, 3, 8)


def scene() -> Scene:
    made = Scene()
    for id in (CARDHOLDER, OTHER):
        made.ledger.given(
            cardholders.register(
                context(),
                id,
                company_id=COMPANY,
                first_name="Ada",
                last_name="Example",
                email="a@b.example",
            )
        )
    return made


def as_id(number: int) -> dict[str, str]:
    return {"command_id": str(UUID(int=number | (8 << 76) | (2 << 62)))}


def give_as(made: Scene, number: int, verb: str, body: dict[str, Any]) -> dict[str, Any]:
    """A command under an id of the test's choice."""
    return asyncio.run(made.command(verb, body, **as_id(number)))[1]


def approval(told: dict[str, Any]) -> dict[str, Any]:
    return {"proposal": told["proposal"], "approve": True, "command_hash": told["command_hash"]}


def test_one_operator_rotates_a_key_that_is_no_authoritys() -> None:
    made = scene()
    assert give(made, "ROTATE", ONE)[1]["result"] == {"key": "K_CVV", "generation": 2}
    assert made.rotation.made == [("K_CVV", 2)]
    event = made.ledger.log.events[-1]
    assert (event.TOPIC, event.why) == ("key.rotated/1", "every year")  # type: ignore[attr-defined]
    assert give(made, "ROTATE", ONE)[1]["code"] == "already-rotated"


def test_a_ceremony_that_was_named_is_stored_and_shown_to_the_second() -> None:
    made = scene()
    told = give(made, "ROTATE", {**TWO, "ceremony": "ab" * 32})[1]["result"]
    assert told["summary"] == "Rotate K_DB to generation 2 in the ceremony abababab…: every year"
    second_operator(made)
    give(made, "APPROVE", approval(told))
    assert made.rotation.ceremony == "ab" * 32
    (event,) = [e for e in made.ledger.log.events if isinstance(e, KeyRotated)]
    assert event.ceremony == "ab" * 32


def test_nothing_is_made_before_a_second_operator_approved() -> None:
    made = scene()
    told = give(made, "ROTATE", TWO)[1]["result"]
    assert told["summary"] == "Rotate K_DB to generation 2: every year"
    assert give(made, "APPROVE", approval(told))[1]["code"] == "same-operator"
    second_operator(made)
    other = {**approval(told), "command_hash": "0" * 64}
    assert give(made, "APPROVE", other)[1]["code"] == "other-content"
    assert made.rotation.made == []
    assert give(made, "APPROVE", approval(told))[1]["result"]["result"]["generation"] == 2
    assert made.rotation.made == [("K_DB", 2)]


def test_what_was_rejected_rotates_nothing() -> None:
    made = scene()
    told = give(made, "ROTATE", TWO)[1]["result"]
    give(made, "APPROVE", {"proposal": told["proposal"], "approve": False, "why": "not now"})
    second_operator(made)
    assert give(made, "APPROVE", approval(told))[1]["code"] == "already-decided"
    assert made.rotation.made == []


def test_what_cannot_be_rotated_is_refused_before_it_is_proposed() -> None:
    made = scene()
    before = len(made.ledger.log.events)
    assert give(made, "ROTATE", {**TWO, "key": "CA-ROOT"})[1]["code"] == "not-rotated-here"
    assert give(made, "ROTATE", {**TWO, "ceremony": "xyz"})[1]["code"] == "invalid"
    for changed in ({"generation": 1}, {"why": ""}, {"key": ""}, {"key": "K" * 21}):
        assert give(made, "ROTATE", {**TWO, **changed})[1]["code"] == "invalid"
    assert len(made.ledger.log.events) == before


def test_a_person_is_erased_once_two_operators_said_so() -> None:
    made = scene()
    told = give(made, "ERASE", ERASE)[1]["result"]
    assert str(CARDHOLDER) in told["summary"]
    assert made.eraser.erased == []
    second_operator(made)
    assert give(made, "APPROVE", approval(told))[1]["result"]["result"]["cardholder"]
    assert made.eraser.erased == [CARDHOLDER]
    assert not any(b"Ada" in repr(event).encode() for event in made.ledger.log.events[2:])


def test_an_approval_that_was_answered_into_the_void_finishes_the_erasure() -> None:
    made = scene()
    told = give(made, "ERASE", ERASE)[1]["result"]
    second_operator(made)
    command_id = str(UUID(int=77 | (8 << 76) | (2 << 62)))
    for _ in range(2):
        request, _ = made.signed("APPROVE", approval(told), command_id=command_id)
        answered = asyncio.run(made.send("C", "APPROVE", request))[1]
    assert answered["result"]["repeated"] is True
    assert made.eraser.erased == [CARDHOLDER, CARDHOLDER]
    assert sum(event.TOPIC == "cardholder.erased/1" for event in made.ledger.log.events) == 1


def test_nobody_is_erased_under_an_id_that_approved_another_erasure() -> None:
    made = scene()
    other = {**ERASE, "cardholder": str(OTHER)}
    first, second = (give(made, "ERASE", each)[1]["result"] for each in (ERASE, other))
    second_operator(made)
    assert give_as(made, 77, "APPROVE", approval(first))["result"]["result"]["cardholder"]
    assert give_as(made, 77, "APPROVE", approval(second))["code"] == "command-id-used"
    assert made.eraser.erased == [CARDHOLDER]


@pytest.mark.parametrize("before", ["another generation", "another kind of command"])
def test_nothing_is_made_under_an_id_that_was_used(before: str) -> None:
    made = scene()
    if before == "another generation":
        give_as(made, 77, "ROTATE", ONE)
    else:
        give_as(made, 77, "ERASE", ERASE)
    done, stored = list(made.rotation.made), len(made.ledger.log.events)
    for generation in (3, 4, 5):
        told = give_as(made, 77, "ROTATE", {**ONE, "generation": generation})
        assert told["code"] == "command-id-used"
    assert (made.rotation.made, len(made.ledger.log.events)) == (done, stored)


def test_a_key_is_not_made_for_an_approval_whose_id_was_used() -> None:
    made = scene()
    told = give(made, "ROTATE", TWO)[1]["result"]
    second_operator(made)
    give_as(made, 77, "ROTATE", ONE)
    assert give_as(made, 77, "APPROVE", approval(told))["code"] == "command-id-used"
    assert made.rotation.made == [("K_CVV", 2)]


def test_the_same_rotation_again_is_told_from_what_is_stored() -> None:
    made = scene()
    for _ in range(2):
        answered = give_as(made, 77, "ROTATE", ONE)["result"]
    assert answered == {"key": "K_CVV", "generation": 2, "repeated": True}
    assert made.rotation.asked == 1


def test_two_at_once_under_one_id_make_one_thing() -> None:
    """The second finds the id used, although it came before the first was stored."""
    made = scene()
    done, refused = asyncio.run(
        at_once(made, "ROTATE", [{**ONE, "generation": each} for each in (2, 3)])
    )
    assert (done["result"]["generation"], refused["code"]) == (2, "command-id-used")
    assert made.rotation.made == [("K_CVV", 2)]


def test_two_at_once_under_one_id_certify_one_key() -> None:
    made = scene()
    made.ledger.given(happened.shop_registered())
    terminal = {"what": "terminal", "shop": str(happened.SHOP), "label": "1", "csr": CSR}
    first, again = asyncio.run(at_once(made, "REGISTER", [terminal, terminal]))
    assert "certificate" in first["result"]
    assert again["result"]["repeated"] is True
    assert len(made.hsm.certified) == 1


def test_no_rejection_overtakes_what_is_being_made_for_an_approval() -> None:
    made = scene()
    told = give(made, "ROTATE", TWO)[1]["result"]
    second_operator(made)

    async def both() -> None:
        made.lane.later = True
        no = {"proposal": told["proposal"], "approve": False, "why": "not now"}
        for number, body in ((78, approval(told)), (79, no)):
            request, _ = made.signed("APPROVE", body, **as_id(number))
            made.operators.handle(made.session, "C", "APPROVE", request, made._reply)
        while made.operators._tasks:
            await asyncio.gather(*made.operators._tasks)

    asyncio.run(both())
    (_, _, yes), (_, _, late) = made.replies[-2:]
    assert (yes["result"]["status"], late["code"]) == ("approved", "already-decided")
    assert made.rotation.made == [("K_DB", 2)]


async def at_once(made: Scene, verb: str, told: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The answers to commands under one id, of which the HSM takes its time for each."""
    made.lane.later = True
    for body in told:
        request, _ = made.signed(verb, body, **as_id(77))
        made.operators.handle(made.session, "C", verb, request, made._reply)
    while made.operators._tasks:
        await asyncio.gather(*made.operators._tasks)
    return [body for _, _, body in made.replies]


def test_who_was_erased_is_not_proposed_again() -> None:
    made = scene()
    told = give(made, "ERASE", ERASE)[1]["result"]
    waiting = give(made, "ERASE", ERASE)[1]["result"]
    second_operator(made)
    give(made, "APPROVE", approval(told))
    before = len(made.ledger.log.events)
    assert give(made, "ERASE", ERASE)[1]["code"] == "already-erased"
    assert give(made, "APPROVE", approval(waiting))[1]["code"] == "already-erased"
    nobody = {**ERASE, "cardholder": str(UUID(int=9))}
    assert give(made, "ERASE", nobody)[1]["code"] == "no-such-cardholder"
    assert len(made.ledger.log.events) == before


@pytest.mark.parametrize("body", [{**ERASE, "cardholder": "Ada"}, {**ERASE, "why": ""}])
def test_bad_fields_erase_nobody(body: dict[str, Any]) -> None:
    made = scene()
    assert give(made, "ERASE", body)[1]["code"] == "invalid"
    assert made.eraser.erased == []
