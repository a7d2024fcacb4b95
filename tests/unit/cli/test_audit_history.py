"""A card's history is read as a table by people and as JSON by programs."""

import io
import json
from datetime import UTC
from typing import Any

import pytest
from rich.console import Console

from adapters.cli.audit_history import lines_of, table_of, with_names
from adapters.cli.people import people
from tests.unit.application import happened
from tests.unit.cli.backend_double import BackendDouble
from tests.unit.cli.conftest import Program

OPERATOR = "0192f0c1-0000-8000-8000-00000000000a"


def line(position: int, **changed: Any) -> dict[str, Any]:
    return {
        "position": position,
        "at_us": 1_790_000_000_123_456,
        "occurred_us": 1_790_000_000_000_000,
        "who": f"operator:{OPERATOR}:1f",
        "of": "account",
        "stream": str(happened.ACCOUNT),
        "version": position,
        "topic": "account.debited/1",
        "what": "$12.50 debited for a payment.",
        "changes": [{"what": "balance", "unit": "cents", "before": 12_000, "after": 10_750}],
        "corrects": None,
        "why": "",
        "transaction": None,
        **changed,
    }


def shown(*rows: dict[str, Any], names: dict[str, str] | None = None) -> str:
    console = Console(width=180, file=io.StringIO(), record=True)
    console.print(table_of(rows, UTC, names or {}))
    return console.export_text()


def test_a_line_says_when_who_what_and_how_it_changed() -> None:
    text = shown(line(7), names={OPERATOR: "operator-1"})
    for part in ("7", "2026-09-21 14:13:20.123", "operator-1", "$120.00 → $107.50", "(UTC)"):
        assert part in text


def test_a_correction_names_what_it_corrects_and_why() -> None:
    text = shown(line(9, corrects=7, why="typed 45.00 for 4.50"))
    assert "corrects event 7" in text
    assert "typed 45.00 for 4.50" in text
    assert f"operator {OPERATOR}" in text


def test_the_terminal_that_acted_is_named_by_its_label() -> None:
    row = line(3, who=f"pos:{happened.TERMINAL}:1f", label="Till 1")
    assert f"pos Till 1 …{str(happened.TERMINAL)[-4:]}" in shown(row)


@pytest.mark.parametrize(
    ("who", "label", "name"),
    [
        (f"operator:{OPERATOR}:1f", "operator-1", "operator-1"),
        ("system:refills", "refills", "system refills"),
        (f"card:{happened.CARD}:1f", "", f"card {happened.CARD}"),
        ("", "", ""),
    ],
)
def test_programs_get_the_names_that_people_see(who: str, label: str, name: str) -> None:
    row = line(3, who=who)
    found = with_names(row, {OPERATOR: "operator-1"})
    assert (found["who"], found["label"], found["name"]) == (who, label, name)
    till = line(3, who=f"pos:{happened.TERMINAL}:1f", label="Till 1")
    assert with_names(till, {})["label"] == "Till 1"
    assert with_names(till, {})["name"] == f"pos Till 1 …{str(happened.TERMINAL)[-4:]}"


def test_the_payments_id_is_shown_for_corrections() -> None:
    row = line(3, of="transaction", transaction=str(happened.ACCOUNT))
    assert f"payment {happened.ACCOUNT}" in shown(row)


def test_a_narrow_terminal_gets_lines_that_fit_and_whole_ids() -> None:
    rows = [line(3, of="transaction", transaction=str(happened.ACCOUNT), why="word " * 40)]
    lines = list(lines_of(rows, UTC, {}, 80))
    assert all(len(each) <= 80 for each in lines)
    assert any(f"payment {happened.ACCOUNT}" in each for each in lines)
    assert "2026-09-21 14:13:20.123 UTC" in lines[0]


def test_a_first_value_has_nothing_before_it() -> None:
    first = {"what": "status", "unit": "text", "before": None, "after": "active"}
    assert "status: — → active" in shown(line(1, changes=[first], at_us=0))


def test_a_text_cannot_command_the_terminal() -> None:
    text = shown(line(1, why="\x1b[2J[red]x[/red]\u202e"))
    assert "\x1b" not in text
    assert "[red]x[/red]" in text


def test_the_history_of_a_card_is_replayed(program: Program, backend: BackendDouble) -> None:
    backend.outside.history = [line(n) for n in range(1, 400)]
    card = str(happened.CARD)
    replayed = program.json("audit", "history", card)
    assert replayed == [with_names(row, people()) for row in backend.outside.history]
    ended = program("audit", "history", card, "--utc")
    assert ended.status == 0
    assert "399 events" in ended.out
    assert backend.outside.asked == [happened.CARD, happened.CARD]
    backend.outside.history = []
    assert program("audit", "history", card).status == 1


def test_people_of_this_machine_are_called_by_name(backend: BackendDouble) -> None:
    names = people()
    assert sorted(names.values()) == ["auditor-1", "operator-1", "operator-2"]
    (backend.home / "operators" / "broken").mkdir()
    (backend.home / "operators" / "broken" / "identity.json").write_text(json.dumps([]))
    assert people() == names
