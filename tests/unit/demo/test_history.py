"""The demo's check of a card's history finds what is missing, foreign or does not add up."""

import json
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from adapters.cli.demo.history import History
from adapters.cli.demo.town import Terminal

OPERATOR = "01a20af5-0000-8000-8000-00000000000a"
POS = "01a20af5-0000-8000-8000-00000000000b"
HAPPENED = (
    ("account.credited", "operator"),
    ("account.debited", "pos"),
    ("account.debit_corrected", "operator"),
)
Lines = list[dict[str, Any]]


def line(position: int, topic: str, role: str, before: int | None, after: int) -> dict[str, Any]:
    return {
        "position": position,
        "at_us": 1_795_000_000_000_000 + position,
        "topic": f"{topic}/1",
        "who": f"{role}:{OPERATOR if role == 'operator' else POS}:1f",
        "what": "Something.",
        "corrects": 2 if "corrected" in topic else None,
        "changes": [{"what": "balance", "unit": "cents", "before": before, "after": after}],
    }


@pytest.fixture
def lines() -> Lines:
    return [
        line(1, "account.credited", "operator", None, 15_000),
        line(2, "account.debited", "pos", 15_000, 12_000),
        line(3, "account.debit_corrected", "operator", 12_000, 13_500),
    ]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    for name, id in (("operator-1", OPERATOR), ("operator-2", POS[:-1] + "c")):
        folder = tmp_path / "operators" / name
        folder.mkdir(parents=True)
        (folder / "identity.json").write_text(json.dumps({"id": id}))
    return tmp_path


def history(lines: Lines, home: Path) -> History:
    return History(lines, Terminal(POS, "Counter", home), ZoneInfo("America/New_York"), home)


def test_a_history_as_it_happened_has_no_faults(lines: Lines, home: Path) -> None:
    assert history(lines, home).faults(HAPPENED, 13_500) == []


def test_it_reads_as_who_did_what_with_before_and_after(lines: Lines, home: Path) -> None:
    shown = "\n".join(history(lines, home).in_words())
    assert "operator-1" in shown
    assert "POS Counter" in shown
    assert "balance $120.00 → $135.00" in shown
    assert "corrects 2" in shown


@pytest.mark.parametrize(
    ("spoil", "fault"),
    [
        (lambda lines: lines.pop(1), "missing: account.debited"),
        (lambda lines: lines[1].update(who="pos:somebody:1f"), "not the events that happened"),
        (lambda lines: lines[0].update(at_us=0), "event 1 does not say who and when"),
        (lambda lines: lines[2].update(corrects=None), "event 3 does not name the event"),
        (lambda lines: lines[2]["changes"][0].update(before=9), "12000 cents becomes 9"),
        (lambda lines: lines[2]["changes"][0].update(after=9), "the last balance is not $135.00"),
    ],
)
def test_every_fault_is_told(lines: Lines, home: Path, spoil: Any, fault: str) -> None:
    spoil(lines)
    assert any(fault in each for each in history(lines, home).faults(HAPPENED, 13_500))
