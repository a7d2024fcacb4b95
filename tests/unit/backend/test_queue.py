"""D QUERY `queue`: everything that waits for an operator, and what exactly each matter is."""

import asyncio
from typing import Any

import pytest

from application.refill import Terms
from domain.aggregates import enrolment as enrolments
from domain.ids import make_id
from tests.unit.application import happened
from tests.unit.application.ledger_double import NOW_MS, NOW_US, context
from tests.unit.application.test_dual_control import CERTIFICATES, issued
from tests.unit.backend.operator_double import Scene, second_operator
from tests.unit.backend.test_correcting import LINE, SEEN, WORDS

ENROLMENT = make_id(NOW_MS - 3_600_000, 1, 77)


@pytest.fixture
def scene() -> Scene:
    made = Scene()
    made.ledger.given(
        happened.account_opened(),
        happened.credited(10_000),
        happened.authorized(4_500),
        happened.debited(4_500),
        *map(issued, CERTIFICATES),
    )
    return made


def give(made: Scene, verb: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = asyncio.run(made.command(verb, body))[1]
    result: dict[str, Any] = answer.get("result", answer)
    return result


def queue(made: Scene, **more: Any) -> Any:
    answer = asyncio.run(made.read("QUERY", what="queue", **more))[1]
    return answer.get("rows", answer)


def corrected(made: Scene, amount_cents: int = 450) -> dict[str, Any]:
    lines = [{**LINE, **SEEN, "amount_cents": amount_cents}]
    return give(made, "CORRECT", {**WORDS, "lines": lines})


def revoked(made: Scene) -> dict[str, Any]:
    ids = [str(id) for id in CERTIFICATES]
    return give(made, "REVOKE", {"certificates": ids, "why": "the shop closed"})


def waiting_device(made: Scene) -> None:
    opened = enrolments.open(
        context(), ENROLMENT, subject_id=happened.TERMINAL, role="pos", expires_us=NOW_US + 1
    )
    before = enrolments.evolve(None, opened)
    came = enrolments.queue(context(), before, key_hash=b"k" * 32, why="an unusual hour")
    made.ledger.given(opened, came)


def test_nothing_waits_at_first(scene: Scene) -> None:
    assert queue(scene) == []


def test_everything_that_waits_is_in_one_list(scene: Scene) -> None:
    waiting_device(scene)
    correction, revocation = corrected(scene), revoked(scene)
    rows = queue(scene)
    assert [row["kind"] for row in rows] == ["enrolment", "correction", "proposal"], "oldest first"
    device, amount, certificates = rows
    assert (amount["id"], amount["amount_cents"]) == (correction["proposal"], 4_050)
    assert (certificates["id"], certificates["amount_cents"]) == (revocation["proposal"], None)
    assert amount["seen"] == correction["command_hash"]
    assert device["what"].endswith("an unusual hour")
    assert [row["may_decide"] for row in rows] == [True, False, False]
    assert {row["why_not"] for row in rows} == {"", "same-operator"}
    second_operator(scene)
    assert all(row["may_decide"] for row in queue(scene))


def test_whoever_decides_over_a_device_is_shown_its_key(scene: Scene) -> None:
    waiting_device(scene)
    _, detail = queue(scene, of=str(ENROLMENT))
    assert detail == {"key_hash": (b"k" * 32).hex()}


def test_an_auditor_sees_it_and_decides_nothing() -> None:
    made = Scene("auditor")
    waiting_device(made)
    (row,) = queue(made)
    assert (row["may_decide"], row["why_not"]) == (False, "not-an-operator")


def test_a_correction_is_shown_with_what_it_would_do_now(scene: Scene) -> None:
    first, other = corrected(scene), corrected(scene, 400)
    row, effect, *fields = queue(scene, of=first["proposal"])
    assert row["id"] == first["proposal"]
    assert effect["effects"]["lines"][0]["balance_cents"] == {"before": 5_500, "after": 9_550}
    assert effect["effects"]["statements"][0]["settled_days"] == ["2026-09-20"]
    assert {"field": "evidence", "value": "bill 17"} in fields
    assert {"field": "lines", "value": {**LINE, **SEEN}} in fields
    second_operator(scene)
    yes = {"proposal": first["proposal"], "approve": True, "command_hash": row["seen"]}
    assert give(scene, "APPROVE", yes)["status"] == "approved"
    _, stale, *_ = queue(scene, of=other["proposal"])
    assert stale["code"] == "stale", "told before anybody approves it"
    assert len(queue(scene)) == 1


def test_what_does_not_wait_is_said_to(scene: Scene) -> None:
    made = revoked(scene)
    assert [row.get("field") for row in queue(scene, of=made["proposal"])[1:]].count(
        "certificates"
    ) == len(CERTIFICATES)
    give(scene, "APPROVE", {"proposal": made["proposal"], "approve": False, "why": "no"})
    assert queue(scene, of=made["proposal"])["code"] == "not-waiting"
    assert queue(scene, of="x")["code"] == "invalid"


def test_a_list_that_is_behind_is_no_empty_list(scene: Scene) -> None:
    corrected(scene)
    scene.caught_up = False
    assert queue(scene)["code"] == "unavailable"


def refill(made: Scene, **facts: Any) -> str:
    """An order above the limit; the lists tell one row of it."""
    made.refills.terms = Terms(alone_most_cents=100)
    lines = [{"account": str(happened.ACCOUNT), "amount_cents": 4_500}]
    body = {"company": str(happened.COMPANY), "lines": lines, **facts}
    id = str(give(made, "REFILL", body)["id"])
    made.refills.given = [{"refill": id, "method": "bank", "why": ""}]
    return id


def test_a_refill_above_the_limit_waits_for_another_person(scene: Scene) -> None:
    scene.ledger.given(happened.company_registered())
    id = refill(scene, confirmed=True)
    (row,) = queue(scene)
    assert (row["kind"], row["id"], row["amount_cents"]) == ("refill", id, 4_500)
    assert "Refill of 1 account" in row["what"]
    assert row["why_not"] == "same-operator"
    second_operator(scene)
    shown = queue(scene, of=id)
    assert shown[0]["may_decide"]
    assert {"field": "method", "value": "bank"} in shown[1:]
    assert not any(each.get("field") == "why" for each in shown[1:]), "what is empty is left out"
    give(scene, "REFILL", {"what": "approve", "refill": id})
    assert queue(scene) == []


def test_a_payment_that_did_not_come_waits_unless_the_processor_tells_it(scene: Scene) -> None:
    scene.ledger.given(happened.company_registered())
    id = refill(scene)
    (row,) = queue(scene)
    assert (row["kind"], row["may_decide"], row["asked_by"]) == ("refill-payment", True, "")
    give(scene, "REFILL", {"what": "confirm", "refill": id, "why": "WIRE-7"})
    assert [row["kind"] for row in queue(scene)] == ["refill"]
    refill(scene, method="card", token="pm_card_visa")
    assert [row["kind"] for row in queue(scene)] == ["refill"]


def test_a_dispute_waits_with_what_both_sides_said(scene: Scene) -> None:
    asked = {"do": "open", "transaction": str(happened.PAYMENT), "text": "was charged twice"}
    id = give(scene, "DISPUTE", asked)["dispute"]
    give(scene, "DISPUTE", {"do": "evidence", "dispute": id, "side": "shop", "text": "two meals"})
    (row,) = queue(scene)
    assert (row["kind"], row["id"], row["why_not"]) == ("dispute", id, "same-operator")
    said = [each["value"] for each in queue(scene, of=id)[1:] if each["field"] == "evidence"]
    told = [(each["side"], each["text"]) for each in said]
    assert told == [("cardholder", "was charged twice"), ("shop", "two meals")]


def test_an_alert_waits_until_somebody_gives_his_verdict(scene: Scene) -> None:
    scene.ledger.given(happened.alert_raised())
    (row,) = queue(scene)
    assert (row["kind"], row["amount_cents"], row["may_decide"]) == ("alert", None, True)
    assert (
        row["what"] == "Suspicious payment of $6.75 by stripe card: many payments in a short time"
    )
    details = queue(scene, of=row["id"])[1:]
    assert {"field": "card", "value": str(happened.CARD)} in details
    give(scene, "ALERT", {"alert": row["id"], "verdict": "harmless", "why": "called him"})
    assert queue(scene) == []
