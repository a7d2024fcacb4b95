"""`queue` as operators use it: what waits, in full before a yes, and never a yes to oneself."""

import pytest

from adapters.backend.queue import KINDS
from adapters.cli.queue import DECISIONS
from adapters.cli.queue_words import field_line, what_it_does
from adapters.cli.times import zone
from application.refill import Terms
from domain.aggregates import dispute as disputes
from domain.ids import make_id
from tests.unit.application import happened
from tests.unit.application.ledger_double import NOW_MS, context
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


@pytest.mark.parametrize("kind", DECISIONS)
def test_of_every_kind_it_is_said_what_a_yes_and_a_no_do(kind: str) -> None:
    approve, reject = what_it_does(kind)
    assert approve.startswith("approve: ") and reject.startswith("reject: ")


def test_fields_are_named_as_people_do() -> None:
    assert field_line("amount_cents", 108) == "amount: $1.08"
    evidence = {"side": "shop", "text": "two\nmeals", "document_sha256": "ab"}
    said = "the shop says two\ufffdmeals, document with SHA-256 ab"
    assert field_line("evidence", evidence) == said
    assert field_line("evidence", "bill 17") == "evidence: bill 17"
    names = {"0192": "operator-1"}
    assert field_line("ordered_by", "operator:0192:2a", names) == "ordered by: operator-1"
    assert field_line("paid_by", "operator:0193:2a", names) == "paid by: operator 0193"
    assert field_line("approved_by", "system:refills", names) == "approved by: system"
    assert field_line("subject", "0192", names) == "subject: operator-1 (0192)"


def test_help_says_that_a_script_is_not_asked(program: Program) -> None:
    out = " ".join(program("queue", "approve", "--help").out.split())
    assert "A script is not asked" in out and "Without a terminal nobody is asked" in out.replace(
        "│ │ ", ""
    )


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
    head, row, _ = listed.splitlines()
    assert head.split("  ")[0] == "id" and "operator-2 may decide" in head
    assert f"since ({zone()})" in head
    assert "  operator-1  " in row and "  yes  " in row
    mine = program("queue", "list").out
    assert "operator-1 may decide" in mine and "no: asked for it" in mine
    assert "no: not an operator" in program("queue", "list", "--as", "auditor-1").out
    assert "ticketrestaurant queue show ID" in listed
    assert program.json("queue", "list", "--kind", "proposal") == []
    shown = program("queue", "show", proposal, "--as", "auditor-1").out
    for part in ("$55.00 → $95.50", "statement of Corner Deli", "evidence: bill 17", "from $45.00"):
        assert part in shown
    assert "asked for by: operator-1\n" in shown
    assert "auditor-1 may not decide it: not an operator" in shown
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


@pytest.mark.parametrize(("decision", "verdict"), [("approve", "harmless"), ("reject", "fraud")])
def test_an_alert_is_closed_from_the_queue(
    program: Program, backend: BackendDouble, decision: str, verdict: str
) -> None:
    backend.outside.ledger.given(happened.alert_raised())
    (row,) = program.json("queue", "list", "--kind", "alert")
    assert "many payments" in program("queue", "show", row["id"]).out
    assert program("queue", decision, row["id"]).status == 2, "a verdict has a reason"
    closed = program.json("queue", decision, row["id"], "--why", "called him")
    assert (closed["status"], closed["verdict"]) == ("closed", verdict)
    assert program.json("queue", "list") == []


def test_who_decides_over_a_dispute_is_shown_the_evidence(
    program: Program, backend: BackendDouble
) -> None:
    id = make_id(NOW_MS, 5, 40)
    opened = disputes.open_(
        context(), id, transaction_id=happened.PAYMENT, account_id=happened.ACCOUNT,
        card_id=happened.CARD, shop_id=happened.SHOP, amount_cents=4_500,
        text="was charged twice", document_sha256=b"", opened_by=None,
    )  # fmt: skip
    backend.outside.ledger.given(opened)
    shown = program("queue", "show", str(id)).out
    assert "  the cardholder says was charged twice, given 20" in shown
    assert "  amount: $45.00\n" in shown and "  decide by: 20" in shown
    assert "approve: what is left of the amount in dispute goes back to the cardholder" in shown
    assert "reject:  for the shop: no money moves" in shown
    assert not any(raw in shown for raw in ("_cents", "_ms", "sha256", "SHA-256"))
