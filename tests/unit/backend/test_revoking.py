"""What hangs on a certificate decides how many operators end it, and when."""

import asyncio
from collections.abc import Mapping
from typing import Any, cast
from uuid import UUID

import pytest

from adapters.backend.operators import Operators
from adapters.backend.revocations import Issued, Revocations
from adapters.backend.revoking import NAMED_MOST
from domain.aggregates import certificate as certificates
from domain.aggregates.certificate import Certificate
from domain.aggregates.lone_revocation import EACH_MOST
from domain.event import Event
from domain.ids import make_id
from tests.unit.application.ledger_double import NOW_MS, context
from tests.unit.backend.operator_double import Scene, second_operator
from tests.unit.backend.test_rotating import give_as

ID = make_id(NOW_MS, 0, 21)
SERIAL = "2b"


HOLDER = UUID(int=7)
SIGNER = UUID(int=5 | (8 << 76) | (2 << 62))
"""Who signs in a `Scene`."""


def issued(role: str, serial: str = SERIAL, id: UUID = ID, holder: UUID = HOLDER) -> Event:
    return certificates.issue(
        context(),
        id,
        subject_id=holder,
        role=role,
        serial=serial,
        fingerprint=b"f" * 32,
        not_before_us=0,
        not_after_us=1,
    )


class Needing(Scene):
    """`needs`: what must be done before, by serial."""

    def __init__(self, role: str, serial: str = SERIAL, holder: UUID = HOLDER) -> None:
        super().__init__()
        self.needs: dict[str, str] = {}
        self.only_under: dict[str, list[Issued]] = {}
        self.ledger.given(issued(role, serial, holder=holder))
        outside = self.surroundings()
        object.__setattr__(outside, "needed", self._needed)
        object.__setattr__(outside, "cut_off", lambda: self.only_under)
        self.outside = outside
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


@pytest.mark.parametrize("role", ["pos", "card", "website", "gateway"])
def test_a_devices_certificate_is_ended_by_one(role: str) -> None:
    scene = Needing(role)
    assert scene.revoke()["result"]["revoked"] == [SERIAL]
    assert scene.revoked


def test_a_persons_own_is_ended_by_the_person() -> None:
    scene = Needing("operator", holder=SIGNER)
    assert scene.revoke()["result"]["revoked"] == [SERIAL]
    assert [event.TOPIC for event in scene.ledger.log.events][1:] == ["certificate.revoked/2"]


@pytest.mark.parametrize(
    ("role", "because"),
    [
        ("authority:issuing", "All others hang"),
        ("backend", "All others hang"),
        ("pin", "All others hang"),
        ("operator", "somebody else's"),
        ("auditor", "somebody else's"),
    ],
)
def test_another_persons_and_one_on_which_others_hang_take_two(role: str, because: str) -> None:
    scene = Needing(role)
    told = scene.revoke()
    assert because in told["result"]["because"]
    yes = approval(told)
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


class Stolen(Needing):
    """More terminals than one operator, or two, may revoke alone."""

    def __init__(self) -> None:
        super().__init__("pos")
        self.ids = [make_id(NOW_MS, 0, 100 + number) for number in range(2 * EACH_MOST + 2)]
        self.ledger.given(
            *(issued("pos", format(0x100 + n, "x"), id) for n, id in enumerate(self.ids))
        )

    def one(self, number: int, command: int = 0) -> dict[str, Any]:
        """What is told of one; `command`, if given, is the id of the command."""
        body = {"certificates": [str(self.ids[number])], "why": "a test"}
        told = give_as(self, command or 100 + number, "REVOKE", body)
        result: dict[str, Any] = told["result"]
        return result


def test_many_one_by_one_take_two() -> None:
    scene = Stolen()
    for number in range(EACH_MOST):
        assert scene.one(number)["revoked"]
    assert scene.one(0)["repeated"], "given again it is the same command"
    assert scene.one(EACH_MOST - 1)["repeated"], "the last one, too"
    sixth = scene.one(EACH_MOST)
    assert (sixth["status"], sixth["because"]) == (
        "waiting",
        "You revoked 5 certificates alone within 24 hours, the most for one.",
    )
    assert scene.one(EACH_MOST)["repeated"], "given again it is the same proposal"
    assert scene.one(0, 200)["unchanged"], "what is revoked already is no more than that"
    second_operator(scene)
    scene.give("APPROVE", approval({"result": sixth}))
    assert scene.one(EACH_MOST + 1)["revoked"], (
        "another operator has his own, and approving is free"
    )


def test_the_count_is_in_the_ledger_and_goes_with_the_day() -> None:
    scene = Stolen()
    for number in range(EACH_MOST):
        scene.one(number)
    scene.ledger.states.drop()
    scene.operators = Operators(scene.outside)
    assert scene.one(EACH_MOST, 300)["status"] == "waiting", "a restart gives nobody new ones"
    scene.ledger.now_us += 24 * 3600 * 1_000_000
    assert scene.one(EACH_MOST, 301)["revoked"]


def test_all_together_have_a_most_too() -> None:
    scene = Stolen()
    for number in range(EACH_MOST):
        scene.one(number)
    second_operator(scene)
    for number in range(EACH_MOST, 2 * EACH_MOST):
        assert scene.one(number)["revoked"]
    object.__setattr__(scene.session.peer, "subject_id", UUID(int=9 | (8 << 76) | (2 << 62)))
    told = scene.one(2 * EACH_MOST)
    assert told["because"] == "10 certificates were revoked by one operator alone within 24 hours."
