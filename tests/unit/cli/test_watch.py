"""`watch`, and what a second operator is shown of it: only what changes, old → new."""

import json
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest

from adapters.backend.operator_ports import Rows
from adapters.backend.proposal_shown import proposal_rows
from adapters.cli.watch_words import WORDS, differences
from domain.aggregates.proposal import Proposal, ProposalMade
from domain.suspicion import DEFAULTS, Watch
from tests.unit.cli.backend_double import BackendDouble
from tests.unit.cli.conftest import Program

RULES = msgspec.structs.asdict(DEFAULTS)
OTHER = RULES | {"burst_count": 5, "round_most_cents": 1_250}
CHANGED = ["payments in a burst: 8 → 5", "each of them at most: $5.00 → $12.50"]


@pytest.fixture
def in_force(backend: BackendDouble) -> None:
    """The first rules."""
    rows = [{"version": 1, **RULES}]
    ledger, directory = backend.outside.ledger, backend.outside.directory

    class Listed:
        def get(self, id: UUID) -> Any | None:
            return ledger.states.get(id, Proposal)

    def proposals() -> Rows:
        made = [each for each in ledger.log.events if isinstance(each, ProposalMade)]
        return [
            {
                "proposal": str(each.originator_id),
                "status": "waiting",
                "verb": each.verb,
                "summary": each.summary,
                "proposer": str(each.proposer_id),
                "command_hash": each.command_hash.hex(),
            }
            for each in made
        ]

    def proposal(id: UUID) -> Rows:
        return proposal_rows(Listed(), id)

    directory.watch = lambda: rows  # type: ignore[method-assign]
    directory.proposals = proposals  # type: ignore[method-assign]
    directory.proposal = proposal  # type: ignore[method-assign]


def written(folder: Path, rules: dict[str, Any]) -> str:
    path = folder / "watch.json"
    path.write_text(json.dumps(rules))
    return str(path)


def test_every_rule_has_words() -> None:
    assert tuple(WORDS) == Watch.__struct_fields__


def test_rules_that_change_nothing_say_so() -> None:
    assert list(differences(RULES, RULES)) == ["these rules are in force already: nothing changes"]


@pytest.mark.usefixtures("in_force")
def test_money_and_times_are_as_people_write_them(program: Program) -> None:
    out = program("watch", "show").out
    assert "rules as set 1 time\n" in out
    assert "$5.00" in out
    assert program.json("watch", "show")["round_most_cents"] == 500


@pytest.mark.usefixtures("in_force")
def test_only_what_changes_is_shown(program: Program, tmp_path: Path) -> None:
    ended = program("watch", "set", written(tmp_path, OTHER), "--why", "holidays")
    assert ended.out.splitlines()[:2] == CHANGED
    assert "Other rules by which payments are watched: holidays" in ended.out
    (waits,) = program.json("queue", "list")
    shown = program("queue", "show", waits["id"]).out
    assert all(f"  {line}\n" in shown for line in CHANGED)
    assert "far_km" not in shown and "{" not in shown
    approved = program("queue", "approve", waits["id"], "--as", "operator-2").out
    assert "is approved: Other rules by which payments are watched: holidays" in approved


@pytest.mark.usefixtures("in_force")
def test_what_is_missing_and_what_is_wrong_is_named(program: Program, tmp_path: Path) -> None:
    few = {name: value for name, value in RULES.items() if name != "speed_kmh"}
    ended = program("watch", "rehearse", written(tmp_path, few | {"burst_count": -1}))
    assert ended.status == 2
    said = " ".join(ended.err.split())
    assert "lacks speed_kmh. Give all of them" in said
    assert "burst_count: must be a whole number from 0 to 8." in said
