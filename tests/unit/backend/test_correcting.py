"""CORRECT as operators send it: looked at first, asked for by one, approved by another."""

import asyncio
from typing import Any
from uuid import UUID

import pytest

from domain.aggregates.account import Account
from domain.aggregates.transaction import Corrected
from tests.unit.application import happened
from tests.unit.backend.operator_double import Scene, second_operator

LINE = {"transaction": str(happened.PAYMENT), "amount_cents": 450}
SEEN = {"version": 1, "from_cents": 4_500}
WORDS = {"why": "typed 45.00 for 4.50", "evidence": "bill 17"}
REFILL = str(happened.COMPANY)


@pytest.fixture
def scene() -> Scene:
    made = Scene()
    made.ledger.given(
        happened.account_opened(),
        happened.credited(10_000),
        happened.authorized(4_500),
        happened.debited(4_500),
    )
    return made


def give(made: Scene, verb: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = asyncio.run(made.command(verb, body))[1]
    result: dict[str, Any] = answer.get("result", answer)
    return result


def ask(made: Scene, *lines: dict[str, Any], **more: Any) -> dict[str, Any]:
    return give(made, "CORRECT", {**WORDS, "lines": list(lines), **more})


def approve(made: Scene, proposal: dict[str, Any]) -> dict[str, Any]:
    seen = {"proposal": proposal["proposal"], "command_hash": proposal["command_hash"]}
    return give(made, "APPROVE", {**seen, "approve": True})


def balance(made: Scene) -> int:
    account = made.ledger.states.get(happened.ACCOUNT, Account)
    assert account is not None
    return account.balance_cents


def test_a_preview_shows_balances_and_statements_and_asks_nobody(scene: Scene) -> None:
    shown = ask(scene, LINE, preview=True)
    assert shown["preview"] and shown["seen"] == [[1, 4_500]]
    assert shown["lines"][0]["balance_cents"] == {"before": 5_500, "after": 9_550}
    (statement,) = shown["statements"]
    assert statement["net_cents"] == {"before": 10_000, "after": 5_950}
    assert len(scene.ledger.log.events) == 4


def test_one_asks_and_another_approves(scene: Scene) -> None:
    made = ask(scene, {**LINE, **SEEN})
    assert made["status"] == "waiting"
    assert made["summary"].endswith("from $45.00 to $4.50: typed 45.00 for 4.50")
    assert balance(scene) == 5_500
    assert approve(scene, made)["code"] == "same-operator"
    asker = scene.session.peer.subject_id
    second_operator(scene)
    done = approve(scene, made)
    assert done["result"]["lines"][0]["balance_cents"]["after"] == 9_550
    assert balance(scene) == 9_550
    (corrected,) = (each for each in scene.ledger.log.events if isinstance(each, Corrected))
    assert corrected.grounds.requested_by == asker
    assert corrected.grounds.proposal_id == UUID(made["proposal"])
    assert corrected.actor.split(":")[1] == str(scene.session.peer.subject_id)


def test_of_two_proposals_for_one_record_the_later_approval_is_told(scene: Scene) -> None:
    first = ask(scene, {**LINE, **SEEN})
    other = ask(scene, {**LINE, "amount_cents": 400, **SEEN})
    second_operator(scene)
    assert approve(scene, first)["status"] == "approved"
    late = approve(scene, other)
    assert late["code"] == "stale" and "$4.50 now" in late["text"]
    assert balance(scene) == 9_550


def test_a_credit_and_a_payment_in_one_file(scene: Scene) -> None:
    credit = {"refill": REFILL, "account": str(happened.ACCOUNT), "amount_cents": 9_000}
    lines = [{**LINE, **SEEN}, {**credit, "version": 0, "from_cents": 10_000}]
    made = ask(scene, *lines)
    assert made["summary"].startswith("Correct 2 amounts by $50.50 in all")
    again = ask(scene, *reversed(lines))
    assert again["code"] == "already-proposed" and made["proposal"] in again["text"]
    second_operator(scene)
    assert approve(scene, made)["result"]["corrections"] == 2
    assert balance(scene) == 8_550
    assert ask(scene, *lines)["code"] == "correction-lines"


def test_the_same_command_again_is_the_same_proposal(scene: Scene) -> None:
    request, _ = scene.signed("CORRECT", {**WORDS, "lines": [{**LINE, **SEEN}]})
    first = asyncio.run(scene.send("C", "CORRECT", request))[1]["result"]
    again = asyncio.run(scene.send("C", "CORRECT", request))[1]["result"]
    assert again["repeated"] and again["proposal"] == first["proposal"]
    second_operator(scene)
    approve(scene, first)


@pytest.mark.parametrize(
    ("lines", "more", "said"),
    [
        ([], {}, "1 to 1,000"),
        ([LINE] * 1_001, {}, "1 to 1,000"),
        ([LINE], {}, "version"),
        ([{**LINE, **SEEN, "amount_cents": -1}], {}, "$0.00 to"),
        ([{**LINE, **SEEN, "amount_cents": 1.5}], {}, "whole cents"),
        ([{**LINE, **SEEN, "refill": REFILL}], {}, "one of the two"),
        ([{"amount_cents": 5, **SEEN}], {}, "one of the two"),
        ([{**LINE, **SEEN}], {"why": ""}, "why"),
        ([{**LINE, **SEEN}], {"evidence": "x" * 201}, "Shorten"),
        ([{**LINE, **SEEN}], {"document_sha256": "00"}, "64 hexadecimal"),
        ([{**LINE, **SEEN}, {**LINE, "transaction": "x"}, LINE], {}, "Line 2, transaction"),
        ([{**LINE, **SEEN}, {**LINE, "transaction": "x"}, LINE], {}, "Line 3, version"),
    ],
)
def test_bad_fields_are_told_before_anything_is_kept(
    scene: Scene, lines: list[dict[str, Any]], more: dict[str, Any], said: str
) -> None:
    answer = ask(scene, *lines, **more)
    assert answer["code"] == "invalid"
    assert said in answer["text"]
    assert len(scene.ledger.log.events) == 4


def test_a_correction_needs_evidence(scene: Scene) -> None:
    body = {"why": "typed wrong", "lines": [{**LINE, **SEEN}]}
    assert give(scene, "CORRECT", body)["text"].startswith("evidence: is missing")
    assert give(scene, "CORRECT", {**body, "document_sha256": "ab" * 32})["status"] == "waiting"


def test_nobody_is_asked_for_what_cannot_be_done(scene: Scene) -> None:
    assert ask(scene, {**LINE, **SEEN, "amount_cents": 90_000})["code"] == "balance"
    assert ask(scene, {**LINE, **SEEN, "version": 2})["code"] == "stale"
    assert len(scene.ledger.log.events) == 4
