"""REVOKE and APPROVE as operators send them: one certificate at once, several by two people."""

import asyncio
from hashlib import sha256
from typing import Any
from uuid import UUID

from adapters.backend.operators import Operators
from domain.aggregates.proposal import Proposal
from protocol.encoding import unb64
from tests.unit.application.test_dual_control import CERTIFICATES, issued
from tests.unit.backend.operator_double import Scene, second_operator

TWO = {"certificates": [str(id) for id in CERTIFICATES], "why": "the shop closed"}
ONE = {"certificates": [str(CERTIFICATES[0])], "reason": "keyCompromise", "why": "stolen"}


def scene() -> Scene:
    made = Scene()
    made.ledger.given(*map(issued, CERTIFICATES))
    return made


def give(made: Scene, verb: str, body: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    return asyncio.run(made.command(verb, body))


def test_one_certificate_is_revoked_at_once() -> None:
    verb, body = give(scene(), "REVOKE", ONE)
    assert verb == "STATUS"
    assert len(body["result"]["revoked"]) == 1


def test_several_wait_for_a_second_operator_who_saw_the_signed_bytes() -> None:
    made = scene()
    request, raw = made.signed("REVOKE", TWO)
    _, body = asyncio.run(made.send("C", "REVOKE", request))
    told = body["result"]
    assert (told["status"], told["summary"]) == (
        "waiting",
        "Revoke 2 certificates (unspecified): the shop closed",
    )
    kept = made.ledger.states.get(UUID(told["proposal"]), Proposal)
    assert kept is not None
    assert (kept.command, kept.command_hash) == (raw, sha256(unb64(request["command"])).digest())

    yes = {
        "proposal": told["proposal"],
        "approve": True,
        "command_hash": told["command_hash"],
    }
    assert give(made, "APPROVE", yes)[1]["code"] == "same-operator"
    second_operator(made)
    assert give(made, "APPROVE", {**yes, "command_hash": "0" * 64})[1]["code"] == "other-content"
    assert len(give(made, "APPROVE", yes)[1]["result"]["result"]["revoked"]) == 2


def test_what_a_revoked_certificate_proposed_is_not_carried_out() -> None:
    """Perhaps a thief made it. It can be rejected."""
    made = scene()
    outside, thiefs = made.surroundings(), made.session.peer.serial
    object.__setattr__(outside, "is_revoked", lambda serial: serial == thiefs)
    made.operators = Operators(outside)
    told = give(made, "REVOKE", TWO)[1]["result"]
    yes = {
        "proposal": told["proposal"],
        "approve": True,
        "command_hash": told["command_hash"],
    }
    second_operator(made)
    assert give(made, "APPROVE", yes)[1]["code"] == "proposer-revoked"
    assert len(made.ledger.log.events) == 3, "nothing but the proposal"
    no = {"proposal": told["proposal"], "approve": False, "why": "his key was stolen"}
    assert give(made, "APPROVE", no)[1]["result"]["status"] == "rejected"


def test_a_second_operator_says_no() -> None:
    made = scene()
    told = give(made, "REVOKE", TWO)[1]["result"]
    second_operator(made)
    no = {"proposal": told["proposal"], "approve": False}
    assert give(made, "APPROVE", no)[1]["code"] == "invalid", "a no has a reason"
    assert give(made, "APPROVE", {**no, "why": "not these"})[1]["result"]["status"] == "rejected"


def test_bad_fields_are_told_before_anything_is_kept() -> None:
    bad: list[dict[str, Any]] = [
        {"certificates": []},
        {"certificates": ["x"]},
        {"certificates": [str(CERTIFICATES[0])] * 1_001},
        {"reason": "certificateHold"},
        {"why": ""},
    ]
    for changed in bad:
        made = scene()
        assert give(made, "REVOKE", {**TWO, **changed})[1]["code"] == "invalid"
        assert len(made.ledger.log.events) == 2
