"""What needs two operators is done once a second one approved the very same bytes."""

from typing import Any
from uuid import UUID

import pytest

from application.command import Command, Refused
from application.dual_control import Approve, Propose, Reject
from application.revoke import RevokeCertificates
from domain.aggregates import certificate as certificates
from domain.aggregates.certificate import Certificate
from domain.aggregates.proposal import LIFETIME_US, Proposal
from domain.event import Context, Event
from domain.ids import make_id
from tests.unit.application.ledger_double import DEADLINE_US, NOW_MS, Ledger, context, origin

FIRST, SECOND = UUID(int=1), UUID(int=2)
CERTIFICATES = [make_id(NOW_MS, 0, n) for n in (11, 12)]
RAW = b'{"verb":"REVOKE"}'


def issued(id: UUID) -> Event:
    return certificates.issue(
        context(),
        id,
        subject_id=UUID(int=7),
        role="pos",
        serial=format(id.int & 0xFFFF, "x"),
        fingerprint=b"f" * 32,
        not_before_us=0,
        not_after_us=1,
    )


def revoke(number: int, ids: list[UUID] = CERTIFICATES) -> RevokeCertificates:
    return RevokeCertificates(
        origin(number), DEADLINE_US, certificate_ids=ids, reason="superseded", why="test"
    )


def propose(number: int = 1, raw: bytes = RAW, inner: Command | None = None) -> Propose:
    return Propose(
        origin(number),
        DEADLINE_US,
        partition=0,
        verb="REVOKE",
        summary="Revoke 2 certificates",
        raw=raw,
        signature="eyJ..x",
        proposer_id=FIRST,
        inner=inner or revoke(number),
    )


def approve(proposal: Proposal, number: int = 2, **changed: Any) -> Approve:
    facts: dict[str, Any] = {
        "proposal_id": proposal.id,
        "command_hash": proposal.command_hash,
        "approver_id": SECOND,
        "raw": b"{}",
        "signature": "eyJ..y",
        "inner": revoke(number),
    }
    return Approve(origin(number), DEADLINE_US, **(facts | changed))


@pytest.fixture
def place() -> Ledger:
    return Ledger().given(*map(issued, CERTIFICATES))


def proposed(place: Ledger) -> Proposal:
    answer, _ = place.when(propose())
    found = place.states.get(UUID(answer["proposal"]), Proposal)
    assert found is not None
    return found


def revoked(place: Ledger) -> list[bool]:
    states = [place.states.get(id, Certificate) for id in CERTIFICATES]
    return [state is not None and state.revoked for state in states]


def test_a_proposal_does_nothing(place: Ledger) -> None:
    assert proposed(place).status == "waiting"
    assert revoked(place) == [False, False]


def test_a_second_operator_has_it_done_in_one_commit(place: Ledger) -> None:
    answer, events = place.when(approve(proposed(place)))
    assert (answer["status"], len(answer["result"]["revoked"])) == ("approved", 2)
    assert [event.TOPIC for event in events] == [
        "proposal.approved/1",
        *["certificate.revoked/2"] * 2,
    ]
    assert revoked(place) == [True, True]


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"approver_id": FIRST}, "same-operator"),
        ({"command_hash": b"x" * 32}, "other-content"),
        ({"proposal_id": make_id(NOW_MS, 0, 99)}, "no-such-proposal"),
        ({"inner": revoke(2, [make_id(NOW_MS, 0, 98)])}, "no-such-certificate"),
    ],
)
def test_what_is_refused_changes_nothing(place: Ledger, changed: dict[str, Any], code: str) -> None:
    answer, events = place.when(approve(proposed(place), **changed))
    assert isinstance(answer, Refused)
    assert (answer.code, events) == (code, [])
    assert revoked(place) == [False, False]


def test_it_is_decided_once(place: Ledger) -> None:
    proposal = proposed(place)
    no = Reject(origin(2), DEADLINE_US, proposal_id=proposal.id, by_id=FIRST, why="withdrawn")
    assert place.when(no)[0]["status"] == "rejected"
    answer, events = place.when(approve(proposal, 3))
    assert (answer.code, events) == ("already-decided", [])


def test_the_same_approval_again_is_answered_and_not_done_again(place: Ledger) -> None:
    proposal = proposed(place)
    place.when(approve(proposal))
    answer, events = place.when(approve(proposal))
    assert (answer["status"], answer["repeated"], events) == ("approved", True, [])


def test_an_id_that_decided_one_proposal_decides_no_other(place: Ledger) -> None:
    answer, _ = place.when(propose(5, b"other", revoke(5)))
    other = place.states.get(UUID(answer["proposal"]), Proposal)
    assert other is not None
    proposal = proposed(place)
    no = Reject(origin(7), DEADLINE_US, proposal_id=proposal.id, by_id=FIRST, why="withdrawn")
    place.when(no)
    no_other = Reject(origin(7), DEADLINE_US, proposal_id=other.id, by_id=FIRST, why="withdrawn")
    assert place.when(no_other)[0].code == "command-id-used"
    place.when(approve(other, 6))
    assert place.when(approve(proposal, 6))[0].code == "command-id-used"
    assert place.when(propose(1, b"a third"))[0].code == "command-id-used"


@pytest.mark.parametrize(
    ("ids", "code"),
    [([make_id(NOW_MS, 0, 98)], "no-such-certificate"), (CERTIFICATES[:1], "nothing-to-do")],
)
def test_what_could_not_be_done_is_not_proposed(place: Ledger, ids: list[UUID], code: str) -> None:
    place.when(revoke(8, CERTIFICATES[:1]))
    answer, events = place.when(propose(inner=revoke(1, ids)))
    assert (answer.code, events) == (code, [])


def test_after_a_day_it_is_void(place: Ledger) -> None:
    proposal = proposed(place)
    late = proposal.made_us + LIFETIME_US + 1
    command = approve(proposal)
    answer, events, _ = command.execute(place.states, _at(late))
    assert (answer.code, list(events)) == ("proposal-expired", [])


def _at(recorded_us: int) -> Context:
    made = context()
    return Context(
        occurred_at_us=made.occurred_at_us,
        recorded_at_us=recorded_us,
        actor=made.actor,
        command_id=made.command_id,
        correlation_id=made.correlation_id,
        issuer_id=made.issuer_id,
    )


def test_a_certificate_is_revoked_once(place: Ledger) -> None:
    place.when(revoke(1))
    answer, events = place.when(revoke(2))
    assert (answer["revoked"], len(answer["revoked_before"]), events) == ([], 2, [])
