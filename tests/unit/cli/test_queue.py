"""`queue` as operators use it: what waits, in full before a yes, and never a yes to oneself."""

import pytest

from adapters.backend.queue import KINDS
from adapters.cli.queue import DECISIONS
from application.refill import Terms
from tests.unit.application import happened
from tests.unit.cli.backend_double import BackendDouble
from tests.unit.cli.conftest import Program

PAYMENT = str(happened.PAYMENT)


@pytest.fixture
def proposal(program: Program, backend: BackendDouble) -> str:
    """A correction that operator-1 asked for."""
    backend.outside.ledger.given(
        happened.account_opened(),
        happened.credited(10_000),
        happened.authorized(4_500),
        happened.debited(4_500),
    )
    words = ("--why", "typed wrong", "--evidence", "bill 17")
    return str(program.json("correct", PAYMENT, "4.50", *words)["proposal"])


def test_every_kind_that_waits_can_be_decided_here() -> None:
    assert {kind.name for kind in KINDS} == DECISIONS.keys()


def test_an_empty_queue_says_so(program: Program, backend: BackendDouble) -> None:
    assert program("queue", "list").out == "nothing waits for an operator\n"
    assert program("queue", "list", "--kind", "enrolment").out == "no enrolment waits\n"
    assert program.json("queue", "list") == []
    assert program("queue", "list", "--kind", "pizza").status == 2


def test_what_waits_is_listed_and_shown_in_full(program: Program, proposal: str) -> None:
    listed = program("queue", "list", "--as", "operator-2").out
    assert proposal in listed and "correction" in listed and "$40.50" in listed
    assert "not yours" in program("queue", "list").out
    assert program.json("queue", "list", "--kind", "proposal") == []
    shown = program("queue", "show", proposal, "--as", "auditor-1").out
    for part in ("$55.00 → $95.50", "statement of Corner Deli", "evidence: bill 17", "from $45.00"):
        assert part in shown
    details = program.json("queue", "show", proposal)["details"]
    assert details[0]["effects"]["corrections"] == 1


def test_nobody_approves_by_default_what_he_asked_for(program: Program, proposal: str) -> None:
    ended = program("queue", "approve", proposal)
    assert ended.status == 2
    assert "operator-1 asked for it" in ended.err and "--as" in ended.err
    named = program("queue", "approve", proposal, "--as", "operator-1")
    assert named.status == 1 and "Another operator" in named.err
    done = program("queue", "approve", proposal, "--as", "operator-2")
    assert done.status == 0
    assert "is approved" in done.out and "$55.00 → $95.50" in done.out
    again = program("queue", "approve", proposal, "--as", "operator-2")
    assert again.status == 1 and "Nothing with that id waits" in again.err


def test_the_one_who_asked_withdraws(program: Program, proposal: str) -> None:
    assert program("queue", "reject", proposal).status == 2, "a no has a reason"
    assert "is rejected" in program("queue", "reject", proposal, "--why", "the wrong one").out
    assert program.json("queue", "list") == []


@pytest.mark.parametrize("command", ["list", "show", "approve", "reject"])
def test_every_command_has_help_with_an_example(program: Program, command: str) -> None:
    out = program("queue", command, "--help").out
    assert f"ticketrestaurant queue {command}" in " ".join(out.split()) and "Example:" in out


def test_a_refill_is_confirmed_and_approved_from_the_queue(
    program: Program, backend: BackendDouble
) -> None:
    backend.outside.refills.terms = Terms(alone_most_cents=100)
    backend.outside.ledger.given(happened.company_registered(), happened.account_opened())
    line = ("--line", f"{happened.ACCOUNT}:45.00", "--unpaid", "--no-wait")
    id = str(program.json("refill", str(happened.COMPANY), *line)["id"])
    backend.outside.refills.given = [{"refill": id, "method": "bank"}]
    assert program("queue", "approve", id).status == 2, "a payment has a reference"
    paid = program("queue", "approve", id, "--why", "WIRE-7")
    assert paid.status == 0 and "is awaiting-approval" in paid.out
    assert "method: bank" in program("queue", "show", id).out
    assert program("queue", "approve", id).status == 2, "operator-1 ordered it"
    assert "is approved" in program("queue", "approve", id, "--as", "operator-2").out
