"""What people do wrong at the table is noticed, written down without its words, and repeated."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from adapters.ceremony.desk import Abandoned
from adapters.ceremony.open_secrets import FILE, OpenSecrets
from adapters.ceremony.people import Plan, PlanError, planned
from adapters.ceremony.shares import combine, split
from adapters.ceremony.transcript import NOTE, TRANSCRIPT_FILE, Transcript, TranscriptBroken
from tests.unit.ceremony.hall import HsmDouble, Table, conduct


def notes(transcript: Transcript) -> list[str]:
    return [entry.text for entry in transcript.entries if entry.step == NOTE]


def test_an_honest_ceremony_has_every_step_once_and_no_note(tmp_path: Path) -> None:
    table, hsm = Table(), HsmDouble()
    transcript = conduct(tmp_path / "c", hsm, table)
    steps = [entry.step for entry in transcript.entries]
    assert len(set(steps)) == len(steps)
    assert (steps[0], steps[-1]) == ("opening", "closing")
    assert combine([table.shares[1], table.shares[3]]) == hsm.pins[0]
    assert table.shown == 3


def test_nothing_secret_is_in_the_transcript(tmp_path: Path) -> None:
    table, hsm = Table(), HsmDouble()
    table.lies = [lambda words: words[:-3]]
    conduct(tmp_path / "c", hsm, table)
    written = (tmp_path / "c" / TRANSCRIPT_FILE).read_text() + "\n".join(table.told)
    assert hsm.pins[0] not in written
    for words in table.shares.values():
        assert words not in written
        assert " ".join(words.split()[4:8]) not in written


def test_a_share_given_back_wrongly_is_given_again(tmp_path: Path) -> None:
    table = Table()
    table.lies = [lambda words: words.replace(words.split()[7], "academic"), lambda words: ""]
    transcript = conduct(tmp_path / "c", HsmDouble(), table)
    assert notes(transcript) == ["Share 1 was given back wrongly and is given again."] * 2
    assert table.shown == 5


def test_a_custodian_who_never_gives_it_back_stops_the_ceremony(tmp_path: Path) -> None:
    table, hsm = Table(), HsmDouble()
    table.lies = [lambda words: "no"] * 5
    with pytest.raises(Abandoned, match="given back wrongly 5 times"):
        conduct(tmp_path / "c", hsm, table)
    transcript = conduct(tmp_path / "c", hsm, honest := Table())
    assert transcript.find("closing") is not None
    assert honest.shown == 3, "the first share was never confirmed"


@pytest.mark.parametrize(
    ("lie", "said"),
    [
        (lambda words: split("another", 2, 3)[1], "a share is of another ceremony"),
        (lambda words: words + " acid", "this is no share"),
    ],
)
def test_the_rehearsal_refuses_a_wrong_share(tmp_path: Path, lie, said: str) -> None:  # type: ignore[no-untyped-def]
    table = Table()
    table.lies = [*(lambda words: words,) * 3, lie]
    transcript = conduct(tmp_path / "c", HsmDouble(), table)
    (note,) = notes(transcript)
    assert note.startswith(f"The rehearsal failed: {said}")


def test_a_pin_that_does_not_open_the_hsm_ends_it(tmp_path: Path) -> None:
    class Deaf(HsmDouble):
        def opens_with(self, pin: str) -> bool:
            return False

    with pytest.raises(Abandoned, match="does not open the HSM"):
        conduct(tmp_path / "c", Deaf(), Table())


def test_a_misread_fingerprint_is_noted(tmp_path: Path) -> None:
    table = Table()
    table.misread = ["00000000", "ABAB abab"]
    transcript = conduct(tmp_path / "c", HsmDouble(), table)
    assert notes(transcript) == ["The fingerprint of the root certificate was misread."]


def interrupted(folder: Path) -> None:
    table = Table()
    table.lies = [*(lambda words: words,) * 2, *[lambda words: ""] * 5]
    with pytest.raises(Abandoned):
        conduct(folder, HsmDouble(), table)


def test_what_is_done_is_not_done_again(tmp_path: Path) -> None:
    interrupted(tmp_path / "c")
    before = OpenSecrets.open(tmp_path / "c")
    assert before is not None
    hsm = HsmDouble()
    hsm.pins = [before.pin]
    table = Table()
    # The rehearsal is by the custodians 2 and 3; who has share 2 had it before.
    table.shares[2] = "unknown to this table"
    words = before.shares["3"]
    assert "1" not in before.shares, "what a custodian has, the program has no more"
    with pytest.raises(Abandoned, match="rehearsal failed"):
        conduct(tmp_path / "c", hsm, table)
    assert table.shares[3] == words, "the same split"
    assert table.shown == 1
    assert len(hsm.pins) == 1, "the token was not made again"


@pytest.mark.parametrize("how", ["altered", "cut", "added", "state"])
def test_what_was_tampered_with_is_not_gone_on_with(tmp_path: Path, how: str) -> None:
    folder = tmp_path / "c"
    interrupted(folder)
    path = folder / TRANSCRIPT_FILE
    lines = path.read_bytes().splitlines(keepends=True)
    if how == "altered":
        path.write_bytes(b"".join(lines).replace(b"Sandbox Witness", b"Sandbox Nobody!", 1))
    elif how == "cut":
        path.write_bytes(b"".join(lines[:-3]))
    elif how == "added":
        transcript = Transcript.open(path)
        for _ in range(2):
            transcript.append(transcript.draft("x", NOTE, "t", {}, datetime.now(UTC)))
    else:
        (folder / FILE).write_bytes(b'{"pin": 1, "more": 2}')
    with pytest.raises(TranscriptBroken):
        conduct(folder, HsmDouble(), Table())


def test_a_last_line_that_was_not_written_whole_is_taken_away(tmp_path: Path) -> None:
    interrupted(tmp_path / "c")
    path = tmp_path / "c" / TRANSCRIPT_FILE
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"at":"2026')
    assert len(Transcript.open(path).entries) == whole.count(b"\n")
    assert path.read_bytes() == whole


@pytest.mark.parametrize(
    ("people", "why"),
    [
        (("A", [], ["C", "D"], 2), "needs a witness"),
        (("A", ["A"], ["C", "D"], 2), "twice"),
        (("A", ["B"], ["C", "c"], 2), "twice"),
        (("A", ["B"], ["C"], 1), "do not fit"),
        (("A", ["B"], ["C", "D"], 1), "do not fit"),
        (("A", ["B"], ["C", "D"], 3), "do not fit"),
        (("A", ["B"], [str(number) for number in range(17)], 2), "do not fit"),
        (("", ["B"], ["C", "D"], 2), "1 to 60"),
        (("A\x1b[2J", ["B"], ["C", "D"], 2), "1 to 60"),
        (("A", ["B"], ["C" * 61, "D"], 2), "1 to 60"),
        (("Łucja", ["B"], ["C", "D"], 2), "Latin letters"),
    ],
)
def test_a_plan_that_does_not_fit_is_refused(
    people: tuple[str, list[str], list[str], int], why: str
) -> None:
    with pytest.raises(PlanError, match=why):
        planned(*people)


def test_a_plan_is_read_back_as_it_was() -> None:
    plan = planned("Zoë Müller", ["B"], ["C", "D", "E"], 3)
    assert Plan.from_json(plan.as_json()) == plan
