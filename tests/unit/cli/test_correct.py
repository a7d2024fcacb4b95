"""`correct` as operators use it: shown first, proposed by one, approved by another."""

from pathlib import Path

import pytest

from tests.unit.application import happened
from tests.unit.cli.backend_double import BackendDouble
from tests.unit.cli.conftest import Program

PAYMENT, ACCOUNT, REFILL = map(str, (happened.PAYMENT, happened.ACCOUNT, happened.COMPANY))
WORDS = ("--why", "typed 45.00 for 4.50", "--evidence", "bill 17")


@pytest.fixture
def ledger(backend: BackendDouble) -> BackendDouble:
    backend.outside.ledger.given(
        happened.account_opened(),
        happened.credited(10_000),
        happened.authorized(4_500),
        happened.debited(4_500),
    )
    return backend


def test_before_and_after_are_shown_and_another_operator_is_asked(
    program: Program, ledger: BackendDouble
) -> None:
    shown = program("correct", PAYMENT, "4.50", *WORDS, "--preview")
    assert "nothing changed" in shown.out and "$55.00 → $95.50" in shown.out
    assert "statement of Corner Deli for 2026-09-21: $100.00 → $59.50" in shown.out
    assert "2026-09-20 is settled and stays as it was" in shown.out
    assert len(ledger.outside.ledger.log.events) == 4
    ended = program("correct", PAYMENT, "4.50", *WORDS)
    assert "A second operator must approve it" in ended.out
    assert "$45.00 → $4.50" in ended.err
    assert "waits for a second" in program("correct", PAYMENT, "4.50", *WORDS).err


def test_a_document_is_kept_by_its_hash(program: Program, ledger: BackendDouble) -> None:
    paper = ledger.home / "bill.pdf"
    paper.write_bytes(b"%PDF")
    why = ("--why", "wrong list", "--refill", REFILL)
    made = program.json("correct", ACCOUNT, "90.00", *why, "--document", str(paper))
    assert made["effects"]["lines"][0]["refill"] == REFILL
    assert "from $100.00 to $90.00" in made["summary"]
    gone = program("correct", ACCOUNT, "90.00", *why, "--document", str(paper) + "x")
    assert gone.status == 2 and "cannot be read" in gone.err


def written(folder: Path, *lines: str) -> str:
    path = folder / "corrections.csv"
    path.write_text("\n".join(["payment,refill,account,amount,why", *lines]))
    return str(path)


def test_a_file_is_one_proposal(program: Program, ledger: BackendDouble) -> None:
    path = written(ledger.home, f"{PAYMENT},,,4.50,", f",{REFILL},{ACCOUNT},90.00,its own reason")
    made = program.json("correct", "--file", path, *WORDS)
    assert made["status"] == "waiting"
    assert made["effects"]["corrections"] == 2
    again = program("correct", "--file", path, *WORDS)
    assert again.status == 1 and made["proposal"] in again.err


def test_every_line_at_fault_is_named_as_in_the_file(
    program: Program, ledger: BackendDouble
) -> None:
    bad = written(ledger.home, f"{PAYMENT},,,4.5,", f"{PAYMENT},{REFILL},,1.00,", ",,,1.00,")
    ended = program("correct", "--file", bad, *WORDS)
    assert ended.status == 2
    assert all(f"\nLine {line}, " in ended.err for line in (2, 3, 4))
    refused = written(ledger.home, f"{PAYMENT},,,45.00,", f"{PAYMENT},,,1.00,", f"{ACCOUNT},,,1,")
    ended = program("correct", "--file", refused, *WORDS)
    assert ended.status == 1
    for said in ("Line 2: The payment has", "Line 3: the record of line 2", "Line 4: There is no"):
        assert said in ended.err
    assert len(ledger.outside.ledger.log.events) == 4
