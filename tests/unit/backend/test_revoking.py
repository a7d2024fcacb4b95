"""What hangs on a certificate decides how many operators end it, and when."""

import asyncio
from collections.abc import Mapping
from typing import Any, cast
from uuid import UUID

import pytest

from adapters.backend.operators import Operators
from adapters.backend.revocations import Issued, Revocations
from adapters.backend.revoking import ALONE_AN_HOUR, NAMED_MOST
from domain.aggregates import certificate as certificates
from domain.aggregates.certificate import Certificate
from domain.event import Event
from domain.ids import make_id
from tests.unit.application.ledger_double import NOW_MS, context
from tests.unit.backend.operator_double import Scene, second_operator
from tests.unit.backend.test_rotating import give_as

ID = make_id(NOW_MS, 0, 21)
SERIAL = "2b"


def issued(role: str, serial: str = SERIAL, id: UUID = ID) -> Event:
    return certificates.issue(
        context(),
        id,
        subject_id=UUID(int=7),
        role=role,
        serial=serial,
        fingerprint=b"f" * 32,
        not_before_us=0,
        not_after_us=1,
    )


class Needing(Scene):
    """`needs`: what must be done before, by serial."""

    def __init__(self, role: str, serial: str = SERIAL) -> None:
        super().__init__()
        self.needs: dict[str, str] = {}
        self.only_under: dict[str, list[Issued]] = {}
        self.ledger.given(issued(role, serial))
        outside = self.surroundings()
        object.__setattr__(outside, "needed", self._needed)
        object.__setattr__(outside, "cut_off", lambda: self.only_under)
        self.operators = Operators(outside)

    def _needed(self) -> Mapping[str, str]:
        return self.needs

    def revoke(self) -> dict[str, Any]:
        return self.give("REVOKE", {"certificates": [str(ID)], "why": "a test"})

    def give(self, verb: str, body: dict[str, Any]) -> dict[str, Any]:
        return asyncio.run(self.command(verb, body))[1]

    @property
    def revoked(self) -> bool:
        state = self.ledger.states.get(ID, Certificate)
        assert state is not None
        return state.revoked


def approval(told: dict[str, Any]) -> dict[str, Any]:
    result = told["result"]
    assert result["status"] == "waiting"
    return {
        "proposal": result["proposal"],
        "approve": True,
        "command_hash": result["command_hash"],
    }


@pytest.mark.parametrize("role", ["pos", "card", "website", "operator", "auditor", "gateway"])
def test_a_holders_own_certificate_is_ended_by_one(role: str) -> None:
    scene = Needing(role)
    assert scene.revoke()["result"]["revoked"] == [SERIAL]
    assert scene.revoked


@pytest.mark.parametrize("role", ["authority:issuing", "backend", "pin"])
def test_one_on_which_others_hang_takes_two(role: str) -> None:
    scene = Needing(role)
    yes = approval(scene.revoke())
    assert not scene.revoked
    second_operator(scene)
    scene.give("APPROVE", yes)
    assert scene.revoked


def test_what_is_needed_stays_until_there_is_another_also_at_the_approval() -> None:
    scene = Needing("authority:issuing")
    scene.needs = {SERIAL: "Rotate CA-ISSUING first."}
    told = scene.revoke()
    assert (told["code"], told["text"]) == ("still-needed", "Rotate CA-ISSUING first.")
    scene.needs = {}
    yes = approval(scene.revoke())
    second_operator(scene)
    scene.needs = {SERIAL: "Rotate CA-ISSUING first."}
    assert scene.give("APPROVE", yes)["code"] == "still-needed"
    assert not scene.revoked


@pytest.mark.parametrize("role", ["operator", "authority:issuing"])
def test_nobody_ends_what_he_is_logged_in_by(role: str) -> None:
    scene = Needing(role, serial="1f" if role == "operator" else "2b")
    if role != "operator":
        object.__setattr__(scene.session.peer, "authorities", (0x2B,))
    told = scene.revoke()
    assert told["code"] == "still-needed"
    assert "pki renew" in told["text"]
    assert not scene.revoked


def test_nor_does_he_approve_it() -> None:
    scene = Needing("authority:issuing")
    yes = approval(scene.revoke())
    second_operator(scene)
    object.__setattr__(scene.session.peer, "authorities", (0x2B,))
    assert scene.give("APPROVE", yes)["code"] == "still-needed"


def test_a_root_is_retired_with_those_under_it_only_if_that_is_said() -> None:
    scene = Needing("authority:root")
    lost = [Issued(number, 1, "pos", UUID(int=number), b"old") for number in range(NAMED_MOST + 2)]
    scene.only_under = {SERIAL: lost}
    told = scene.revoke()
    assert told["code"] == "still-needed"
    assert told["text"].startswith(f"7 have no certificate under a newer root: pos {UUID(int=0)}")
    assert "and 2 more" in told["text"]
    body = {"certificates": [str(ID)], "why": "a test", "cut_off": True}
    scene.needs = {SERIAL: "Rotate BACKEND-ID first."}
    assert scene.give("REVOKE", body)["text"] == "Rotate BACKEND-ID first.", "that it never does"
    scene.needs = {}
    told = scene.give("REVOKE", body)
    assert "cut off who is under it alone" in told["result"]["summary"]
    yes = approval(told)
    second_operator(scene)
    scene.give("APPROVE", yes)
    assert scene.revoked
    assert scene.give("REVOKE", {**body, "cut_off": 7})["code"] in ("invalid", "bad-body")


def test_who_is_under_an_old_root_alone_is_known_from_the_log() -> None:
    def given(number: int, holder: int, issuer: bytes, role: str = "pos", end: int = 9) -> Event:
        return certificates.issue(
            context(),
            make_id(NOW_MS, 0, number),
            subject_id=UUID(int=holder),
            role=role,
            serial=format(number, "x"),
            fingerprint=b"f" * 32,
            not_before_us=0,
            not_after_us=end,
            issuer=issuer,
        )

    known = Revocations(cast(Any, None), lambda _: None)
    ended = given(4, 3, b"new")
    state = certificates.evolve(None, ended)
    revoked = certificates.revoke(context(), state, reason="superseded", why="a test")
    assert revoked is not None
    known._add([
        given(1, 1, b"old"), given(2, 1, b"new"),  # renewed
        given(3, 3, b""), ended, revoked,  # its successor was revoked
        given(5, 5, b"old", end=4),  # expired
        given(6, 6, b"old", role="authority:issuing"), given(7, 7, b"old", role="tls:pos"),
        given(8, 8, b"old"), given(9, 8, b"old"), given(10, 10, b"new"),
    ])  # fmt: skip
    found = known.only_under({b"", b"old"}, 5)
    assert [(each.subject_id.int, each.serial) for each in found] == [(3, 3), (8, 9)]


@pytest.mark.parametrize("role", ["authority:link", "tls:pos", "tls:authority"])
def test_what_is_ended_otherwise_says_how(role: str) -> None:
    assert Needing(role).revoke()["code"] == "not-revoked-here"


def test_many_one_by_one_are_as_many_at_once() -> None:
    scene = Needing("pos")
    ids = [make_id(NOW_MS, 0, 100 + number) for number in range(ALONE_AN_HOUR + 1)]
    scene.ledger.given(*(issued("pos", format(0x100 + n, "x"), id) for n, id in enumerate(ids)))
    *few, last = ids

    def revoke(id: UUID, number: int) -> dict[str, Any]:
        body = {"certificates": [str(id)], "why": "a test"}
        answer: dict[str, Any] = give_as(scene, 100 + number, "REVOKE", body)["result"]
        return answer

    for number, id in enumerate(few):
        assert revoke(id, number)["revoked"]
    assert revoke(few[0], 0)["repeated"], "given again it is the same command"
    assert revoke(last, 90)["status"] == "waiting"
    second_operator(scene)
    assert revoke(last, 91)["revoked"], "another operator has his own count"
