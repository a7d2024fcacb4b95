"""C ENROLMENT of a new operator: two admit him, and the code is told once, to the second."""

from typing import Any
from uuid import UUID

import msgspec
from msgspec.structs import replace

from application.enrol import Enrol
from domain.aggregates import enrolment as enrolments
from domain.aggregates import policy as policies
from domain.aggregates.enrolment import EnrolmentAdmitted, EnrolmentOpened
from tests.unit.application.ledger_double import DEADLINE_US, context, origin
from tests.unit.backend.operator_double import Scene, second_operator
from tests.unit.backend.test_queue import queue
from tests.unit.backend.test_rotating import approval, give_as, scene

ADMIT = {"role": "operator", "why": "Ada follows Bob"}


def proposed(made: Scene) -> dict[str, Any]:
    told: dict[str, Any] = give_as(made, 70, "ENROLMENT", ADMIT)["result"]
    assert (told["status"], told["summary"]) == ("waiting", "Admit a new operator: Ada follows Bob")
    return told


def opened(made: Scene) -> list[EnrolmentOpened]:
    return [each for each in made.ledger.log.events if isinstance(each, EnrolmentOpened)]


def test_nothing_is_opened_and_no_code_told_before_the_second_agrees() -> None:
    made = scene()
    told = proposed(made)
    assert "code" not in told
    assert "code" not in give_as(made, 70, "ENROLMENT", ADMIT)["result"], "nor when it comes again"
    assert give_as(made, 71, "APPROVE", approval(told))["code"] == "same-operator"
    assert opened(made) == []


def test_the_second_is_told_the_code_of_the_person_who_is_on_record() -> None:
    made = scene()
    yes = approval(proposed(made))
    second_operator(made)
    result = give_as(made, 71, "APPROVE", yes)["result"]["result"]
    (event,) = opened(made)
    assert (result["subject"], event.role) == (str(event.subject_id), "operator")
    assert result["code"] == made.hsm.enrolment_code(event.subject_id)
    assert not any(
        result["code"].encode() in repr(each).encode() for each in made.ledger.log.events
    )


def test_the_code_is_told_once() -> None:
    made = scene()
    yes = approval(proposed(made))
    second_operator(made)
    give_as(made, 71, "APPROVE", yes)
    again = give_as(made, 71, "APPROVE", yes)["result"]
    assert (again["repeated"], "result" in again) == (True, False)
    assert len(opened(made)) == 1


def test_no_code_is_made_under_an_id_that_was_used() -> None:
    made = scene()
    yes = approval(proposed(made))
    second_operator(made)
    give_as(made, 77, "ROTATE", {"key": "K_CVV", "generation": 2, "why": "every year"})
    made.hsm.enrolment_code = _never  # type: ignore[method-assign]
    assert give_as(made, 77, "APPROVE", yes)["code"] == "command-id-used"
    assert opened(made) == []


def test_without_an_hsm_it_still_waits() -> None:
    """The code is known before the approval is stored, so that no approval loses it."""
    made = scene()
    yes = approval(proposed(made))
    second_operator(made)
    made.lane.full = True
    assert give_as(made, 71, "APPROVE", yes)["code"] == "busy"
    made.lane.full = False
    assert "code" in give_as(made, 71, "APPROVE", yes)["result"]["result"]


def test_whoever_was_told_the_code_does_not_admit_who_comes_with_it() -> None:
    """With a key of his own he would be two operators."""
    made = scene()
    yes = approval(proposed(made))
    first = made.key, made.session
    second_operator(made)
    give_as(made, 71, "APPROVE", yes)
    (event,) = opened(made)
    came = enrolments.queue(
        context(), enrolments.evolve(None, event), key_hash=b"k" * 32, why="the policy asks"
    )
    made.ledger.given(came)
    decision = {"enrolment": str(event.originator_id), "approve": True, "why": "it is Ada"}
    assert give_as(made, 72, "ENROLMENT", decision)["code"] == "same-operator"
    assert [row["why_not"] for row in queue(made)] == ["same-operator"]
    made.key, made.session = first
    assert [row["may_decide"] for row in queue(made)] == [True]
    assert give_as(made, 73, "ENROLMENT", decision)["result"]["status"] == "admitted"
    assert isinstance(made.ledger.log.events[-1], EnrolmentAdmitted)


def test_no_policy_lets_a_person_in_without_a_look() -> None:
    """Who was told the code could come with it."""
    made = scene()
    profile = msgspec.to_builtins(policies.DEFAULTS["operator"])
    body = {"profiles": [{**profile, "check": "automatic"}], "why": "haste"}
    assert give_as(made, 70, "POLICY", body)["code"] == "invalid"

    earlier = replace(policies.DEFAULTS["operator"], check=policies.AUTOMATIC)
    made.ledger.given(policies.set_profiles(context(), None, profiles=(earlier,), why="haste"))
    yes = approval(proposed(made))
    second_operator(made)
    code = give_as(made, 71, "APPROVE", yes)["result"]["result"]["code"]
    came = Enrol(
        origin(90),
        DEADLINE_US,
        code_digests=made.hsm.code_digests(code),
        key_hash=b"k" * 32,
        certificate=None,
    )
    answer, _ = made.ledger.when(came)
    assert answer["state"] == "queued"


def _never(command_id: UUID) -> str:
    raise AssertionError("asked for a code")
