"""`books …` for people and for programs: tables, JSON, CSV, exit statuses, statements at fault."""

import json
import stat
from pathlib import Path

import pytest

from domain.aggregates.reconciliation import StatementMatched
from tests.unit.backend.test_books import YESTERDAY, expected, open_day
from tests.unit.cli.backend_double import BackendDouble
from tests.unit.cli.conftest import Program

PERIOD = ("--from", "2026-11-01", "--to", "2026-11-30")


def test_a_trial_balance_is_a_table_json_or_csv(program: Program, backend: BackendDouble) -> None:
    shown = program("books", "trial-balance").out
    assert "as of event 7, 2026-09-21, closed" in shown
    assert "1000  Bank     asset  $1,234.50" in shown
    found = program.json("books", "trial-balance", "--at", "2026-11-23")
    assert (found["accounts"][0]["balance_cents"], found["sum_cents"]) == (123_450, 0)
    assert str(backend.outside.books.asked) == "2026-11-23"
    program("books", "trial-balance", "--at", "12345")
    assert backend.outside.books.asked == 12_345
    assert program("books", "trial-balance", "--csv").out.split("\r\n")[1] == (
        "1000,Bank,asset,USD,1234.50"
    )


@pytest.mark.parametrize("arguments", [
    ("trial-balance", "--at", "yesterday"),
    ("trial-balance", "--csv", "--json"),
    ("profit", "--from", "2026-11-30", "--to", "2026-11-01"),
    ("journal", *PERIOD, "--json"),
    ("close", "2026-11-31"),
    ("close", "2026-11-01", "--since", "2026-11-02"),
])  # fmt: skip
def test_wrong_use_ends_so(
    program: Program, backend: BackendDouble, arguments: tuple[str, ...]
) -> None:
    assert program("books", *arguments).status == 2


def test_books_that_do_not_add_up_end_as_broken(program: Program, backend: BackendDouble) -> None:
    backend.outside.books.sum_cents = 1
    ended = program("books", "trial-balance")
    assert (ended.status, "$0.01" in ended.out) == (4, True)


def test_profit_and_journal(program: Program, backend: BackendDouble) -> None:
    shown = program("books", "profit", *PERIOD).out
    assert shown.splitlines()[-1].split() == ["profit", "$9.90"]
    assert program("books", "journal", *PERIOD).out == "day,event\r\n2026-09-21,7\r\n"
    out = backend.home / "journal.csv"
    assert program.json("books", "journal", *PERIOD, "--out", str(out))["bytes"] == 25
    assert stat.S_IMODE(out.stat().st_mode) == 0o600


def test_closed_days_are_listed_exported_and_told_where_at_fault(
    program: Program, backend: BackendDouble
) -> None:
    assert "no day is closed yet" in program("books", "closings").out
    backend.outside.books.faults = ["", ""]
    folder = backend.home / "closings"
    assert program("books", "closings", "--export", str(folder)).status == 0
    assert (folder / "2026-09-02.txt").read_text() == "day 2\n"
    backend.outside.books.faults = ["", "not signed by the log's key"]
    ended = program("books", "closings")
    assert (ended.status, "not signed" in ended.out) == (4, True)


def test_days_are_closed_one_after_the_other(program: Program, backend: BackendDouble) -> None:
    backend.outside.books.day = open_day()
    assert program.json("books", "close", YESTERDAY)["position"] == 7
    assert "was closed before" in program("books", "close", YESTERDAY).out
    backend.outside.books.day = open_day("2099-01-01")
    ended = program("books", "close", "2099-01-01")
    assert (ended.status, "closed meanwhile" in ended.err) == (1, True)


CSV = f"date,amount,reference\n{YESTERDAY},240.00,{expected().reference}\n{YESTERDAY},7.00,B2\n"


def test_a_statement_is_matched_and_what_is_left_over_is_listed(
    program: Program, backend: BackendDouble, tmp_path: Path
) -> None:
    backend.outside.books.expectations = [expected(), expected(8, 900)]
    file = tmp_path / "statement.csv"
    file.write_text(CSV)
    told = program.json("books", "reconcile", str(file), "--preview")
    assert told["preview"]
    assert not backend.outside.ledger.log.events
    ended = program("books", "reconcile", str(file))
    assert ended.status == 0
    assert "1 matched" in ended.out
    assert "$240.00" in ended.out
    assert "on the statement only: 1" in ended.out
    assert "in the books only: 1" in ended.out
    (event,) = backend.outside.ledger.log.events
    assert isinstance(event, StatementMatched)
    assert len(event.lines) == 1


@pytest.mark.parametrize(("content", "status"), [("date,amount\n", 2), ("", 2), (None, 5)])
def test_a_file_that_is_no_statement_ends_at_once(
    program: Program, backend: BackendDouble, tmp_path: Path, content: str | None, status: int
) -> None:
    file = tmp_path / "statement.csv"
    if content is not None:
        file.write_text(content)
    ended = program("books", "reconcile", str(file), "--json")
    assert (ended.status, str(file) in ended.err) == (status, True)
    assert "Traceback" not in ended.err
    with pytest.raises(ValueError, match="Expecting"):
        json.loads(ended.out)
