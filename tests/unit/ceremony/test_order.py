"""Which roots the backend makes: with a ceremony where the first was made in one."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from adapters.ceremony.open_secrets import FILE
from adapters.ceremony.order import CLOSING, ORDER, folder_of, refusal
from adapters.ceremony.people import SANDBOX, Plan, planned
from adapters.ceremony.transcript import TRANSCRIPT_FILE, Transcript
from tests.unit.ceremony.hall import HsmDouble, Table, conduct

REAL = planned("A. Ng", ["B. Ruiz"], ["C. Ito", "D. Roy", "E. Kim"], 2)


def held(tmp_path: Path, plan: Plan) -> Path:
    folder = tmp_path / "ceremony"
    conduct(folder, HsmDouble(), Table(), plan)
    return folder


def ordered(ceremonies: Path, generation: int) -> Transcript:
    folder = folder_of(ceremonies, generation)
    folder.mkdir(parents=True)
    transcript = Transcript.open(folder / TRANSCRIPT_FILE)
    for step in ("opening", ORDER):
        written(transcript, step)
    (folder / FILE).write_text("{}")
    return transcript


def written(transcript: Transcript, step: str) -> None:
    transcript.append(transcript.draft("x", step, "t", {}, datetime.now(UTC)))


def code(ceremonies: Path, generation: int, named: str) -> str | None:
    no = refusal(ceremonies, generation, named)
    return no and no[0]


def test_where_the_first_root_had_no_witnesses_two_operators_suffice(tmp_path: Path) -> None:
    assert code(tmp_path / "none", 2, "") is None
    assert code(held(tmp_path, SANDBOX), 2, "") is None


def test_where_it_had_the_next_one_needs_the_order_of_an_open_ceremony(tmp_path: Path) -> None:
    folder = held(tmp_path, REAL)
    assert code(folder, 2, "") == "ceremony-needed"
    assert code(folder, 2, "ab" * 32) == "other-ceremony"
    transcript = ordered(folder, 2)
    order = transcript.head
    written(transcript, "note")
    assert code(folder, 2, "") == "ceremony-needed"
    assert code(folder, 2, transcript.head) == "other-ceremony", "the hash of another line"
    assert code(folder, 2, order) is None
    assert code(folder, 3, order) == "other-ceremony", "for another root"
    (folder_of(folder, 2) / FILE).unlink()
    assert code(folder, 2, order) == "other-ceremony", "a copy of one that was open"
    (folder_of(folder, 2) / FILE).write_text("{}")
    written(transcript, CLOSING)
    assert code(folder, 2, order) == "other-ceremony", "it is over"


@pytest.mark.parametrize("named", ["", "order"])
def test_a_transcript_that_was_altered_makes_no_root(tmp_path: Path, named: str) -> None:
    folder = held(tmp_path, REAL)
    order = ordered(folder, 2).head if named else ""
    path = (folder_of(folder, 2) if named else folder) / TRANSCRIPT_FILE
    lines = path.read_text().splitlines()
    lines[0] = json.dumps({**json.loads(lines[0]), "who": "somebody"})
    path.write_text("\n".join(lines) + "\n")
    assert code(folder, 2, order) == "ceremony-unreadable"
