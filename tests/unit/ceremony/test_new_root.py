"""The ceremony for a new root: who may hold it, what stops it, and that it ends once."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from adapters.ceremony.desk import Abandoned
from adapters.ceremony.holding import NotAgain
from adapters.ceremony.new_root_holding import Who, first_of, open_generation, who_comes
from adapters.ceremony.open_secrets import FILE
from adapters.ceremony.order import CLOSING, folder_of
from adapters.ceremony.people import PlanError
from adapters.ceremony.shares import split
from adapters.ceremony.transcript import (
    NOTE,
    TRANSCRIPT_FILE,
    Entry,
    Transcript,
    TranscriptBroken,
    read_entries,
)
from adapters.ceremony.verification import verify
from devices.durable import write_durably
from tests.unit.ceremony.new_root_hall import House, certificate

COME = ("Ada Ng", ["Bo Ruiz"], ["Chiara Ito", "Eun Kim"])


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def people(house: House) -> Who:
    return who_comes(house.first, *COME)


def entries(house: House) -> list[Entry]:
    return read_entries((folder_of(house.folder, 2) / TRANSCRIPT_FILE).read_bytes())


def notes(house: House) -> list[str]:
    return [entry.text for entry in entries(house) if entry.step == NOTE]


def test_an_honest_ceremony_makes_one_root_and_verifies(house: House) -> None:
    held = house.hold(people(house))
    assert (held.generation, len(house.served.orders)) == (2, 1)
    steps = [entry.step for entry in held.transcript.entries]
    assert len(set(steps)) == len(steps)
    assert sorted(path.name for path in held.folder.iterdir()) == [
        "signatures.json", "transcript.jsonl", "transcript.pdf", "transcript.txt",
    ]  # fmt: skip
    verdict = verify(held.folder, house.known)
    assert verdict.ok, verdict.checks
    order = held.transcript.find("order")
    assert order is not None
    assert house.served.orders == [order.hash]
    assert verify(held.folder, [house.roots.made[2][0]]).ok, "the new root is known as well"


def test_nothing_secret_is_written(house: House) -> None:
    house.table.lies = [lambda words: words[:-3]]
    house.hold(people(house))
    written = (folder_of(house.folder, 2) / TRANSCRIPT_FILE).read_text() + repr(house.table.told)
    assert house.roots.pin not in written
    for words in house.table.shares.values():
        assert " ".join(words.split()[4:8]) not in written


def test_the_pin_is_in_no_file_while_the_ceremony_is_open(house: House) -> None:
    house.served.in_force = None
    house.served.known = ()
    with pytest.raises(Abandoned, match="a session does not have the two roots"):
        house.hold(people(house))
    for path in folder_of(house.folder, 2).rglob("*"):
        assert house.roots.pin.encode() not in path.read_bytes()
        assert house.table.shares[1].encode() not in path.read_bytes()


@pytest.mark.parametrize(
    ("custodians", "why"),
    [
        (["Chiara Ito"], "2 of the first ceremony's 3 shares are needed, and 1 custodians"),
        ([], "are needed"),
        (["Chiara Ito", "Mallory"], "Mallory got no share in the first ceremony"),
        (["Chiara Ito", "Mallory=4"], "there is no share 4"),
        (["Chiara Ito", "Mallory=x"], "there is no share x"),
        (["Chiara Ito", "Mallory=1"], "a share is named twice"),
        (["Chiara Ito", "Chiara Ito=2"], "are needed|do not fit|twice"),
        (["Bo Ruiz=1", "Eun Kim"], "a name is there twice"),
    ],
)
def test_other_people_or_too_few_are_refused(house: House, custodians: list[str], why: str) -> None:
    with pytest.raises(PlanError, match=why):
        who_comes(house.first, "Ada Ng", ["Bo Ruiz"], custodians)


def test_who_keeps_anothers_share_now_is_written_down(house: House) -> None:
    house.hold(who_comes(house.first, "Ada Ng", ["Bo Ruiz"], ["Gil Poe=2", "Eun Kim"]))
    (text,) = [entry.text for entry in entries(house) if entry.step == "share 2"]
    assert text.endswith("It was handed over: Dev Roy took it then.")
    assert verify(folder_of(house.folder, 2), house.known).ok


def test_without_a_first_ceremony_there_is_none_for_the_next_root(tmp_path: Path) -> None:
    with pytest.raises(NotAgain, match="hsm rotate CA-ROOT"):
        first_of(tmp_path)


def test_a_wrong_share_is_noticed_and_said_without_its_words(house: House) -> None:
    words, other = house.table.shares, split("another PIN", 2, 3)
    house.table.lies = [
        lambda given: given + " acid",
        lambda given: other[0],
        lambda given: words[2],
    ]
    house.hold(people(house))
    assert notes(house) == [
        "Share 1 was not given: this is no share: a word is wrong, missing or too many.",
        "Share 1 was not given: it is a share of another ceremony.",
        "Share 1 was not given: it is share 2.",
    ]


def test_shares_of_another_installation_make_no_root(house: House, tmp_path: Path) -> None:
    house.table.shares = House(tmp_path / "another").table.shares
    with pytest.raises(Abandoned, match="share 1 was given wrongly 5 times"):
        house.hold(people(house))
    assert house.served.orders == []


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ({"in_force": ("aa", "bb")}, "two roots are in force"),
        ({"in_file": ("aa",)}, "holds another root than the ledger"),
        ({"in_force": ()}, "holds another root than the ledger"),
    ],
)
def test_a_state_that_does_not_fit_begins_nothing(
    house: House, how: dict[str, tuple[str, ...]], why: str
) -> None:
    for name, value in how.items():
        setattr(house.served, name, value)
    with pytest.raises(NotAgain, match=why):
        house.hold(people(house))
    assert not folder_of(house.folder, 2).exists()


def test_a_root_in_the_hsm_that_is_not_in_force_stops_it(house: House) -> None:
    house.served.in_force = house.served.in_file = ("ab" * 32,)
    with pytest.raises(Abandoned, match="another than the one in force"):
        house.hold(people(house))
    assert house.served.orders == []


def test_a_second_root_that_follows_another_than_the_first_ceremonys_is_not_made(
    house: House,
) -> None:
    house.roots.made[1] = [certificate(house.roots.keys[1], house.roots.keys[1])]
    with pytest.raises(Abandoned, match="another than the first ceremony's"):
        house.hold(people(house))
    assert house.served.orders == []


def test_a_third_root_is_checked_against_the_second_ones_ceremony(house: House) -> None:
    second = house.hold(people(house))
    house.served.oldest = 2
    third = house.hold(people(house))
    assert third.generation == 3
    known = [house.roots.made[2][0]]
    assert verify(third.folder, known).ok, verify(third.folder, known).checks
    raw = (house.folder / TRANSCRIPT_FILE).read_bytes()
    (second.folder / TRANSCRIPT_FILE).write_bytes(raw)
    assert [check.what for check in verify(third.folder, known).checks if not check.ok] == [
        "the root before is that of the ceremony before"
    ]


def test_a_token_that_was_replaced_is_written_down(house: House) -> None:
    house.roots.serial = "2"
    house.hold(people(house))
    (text,) = [entry.text for entry in entries(house) if entry.step == "proof"]
    assert text.endswith("Its serial number, 2, is not the first ceremony's, which was 1.")


def test_a_backup_that_nobody_saw_is_written_as_that(house: House) -> None:
    house.served.backup = None
    house.hold(people(house))
    (text,) = [entry.text for entry in entries(house) if entry.step == "backup"]
    assert text.endswith("the program saw none.")


class Killed(BaseException):
    pass


def test_killed_at_every_step_it_makes_one_root_and_does_nothing_twice(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    append, lives, made = Transcript.append, 0, 0

    def once(transcript: Transcript, entry: Entry) -> None:
        nonlocal made
        made += entry.step != NOTE
        if made == 2:
            raise Killed
        append(transcript, entry)

    monkeypatch.setattr(Transcript, "append", once)
    held = None
    while held is None:
        lives, made = lives + 1, 0
        try:
            held = house.hold(people(house) if lives < 3 else None)
        except Killed:
            continue
    steps = [entry.step for entry in held.transcript.entries if entry.step != NOTE]
    assert lives == len(steps)
    assert len(set(steps)) == len(steps)
    assert sorted(house.roots.keys) == [1, 2]
    assert len(set(house.served.orders)) == 1, "the same order, asked for again"
    assert open_generation(house.folder) is None
    verdict = verify(held.folder, house.known)
    assert verdict.ok, verdict.checks


@pytest.mark.parametrize("file", ["signatures.json", "transcript.txt", "transcript.pdf"])
def test_killed_between_its_documents_it_is_signed_once(
    house: House, monkeypatch: pytest.MonkeyPatch, file: str
) -> None:
    def dies(path: Path, content: bytes) -> None:
        if path.name == file:
            raise Killed
        write_durably(path, content)

    monkeypatch.setattr("adapters.ceremony.holding.write_durably", dies)
    with pytest.raises(Killed):
        house.hold(people(house))
    monkeypatch.undo()
    held = house.hold(None)
    assert held.transcript.entries[-1].step == CLOSING
    assert verify(held.folder, house.known).ok
    with pytest.raises(NotAgain, match="two roots are in force"):
        house.hold(people(house))


def interrupted(house: House) -> Path:
    house.served.known = ()
    with pytest.raises(Abandoned):
        house.hold(people(house))
    house.served.known = None
    return folder_of(house.folder, 2)


def test_with_others_it_does_not_go_on(house: House) -> None:
    interrupted(house)
    with pytest.raises(PlanError, match="with other people is open"):
        house.hold(who_comes(house.first, "Ada Ng", ["Bo Ruiz"], ["Dev Roy", "Eun Kim"]))
    house.hold(None)
    assert "The custodians give their shares once more." not in notes(house), "no PIN was needed"


def test_a_copy_of_an_open_one_is_not_gone_on_with(house: House) -> None:
    folder = interrupted(house)
    house.roots.keys.pop(2)
    house.roots.made.pop(2)
    (folder / FILE).unlink()
    with pytest.raises(NotAgain, match=r"move .*root-2 away"):
        house.hold(people(house))
    folder.rename(folder.with_name("away"))
    assert house.hold(people(house)).generation == 2


@pytest.mark.parametrize("how", ["altered", "cut", "first"])
def test_what_was_tampered_with_is_not_gone_on_with(house: House, how: str) -> None:
    path = interrupted(house) / TRANSCRIPT_FILE
    lines = path.read_bytes().splitlines(keepends=True)
    if how == "altered":
        path.write_bytes(b"".join(lines).replace(b"Bo Ruiz", b"Bo Cruz"))
    elif how == "cut":
        path.write_bytes(b"".join(lines[:-3]))
    else:
        other = House(house.folder.parent / "other").folder / TRANSCRIPT_FILE
        (house.folder / TRANSCRIPT_FILE).write_bytes(other.read_bytes())
    with pytest.raises(TranscriptBroken):
        house.hold(None)


def wrong(house: House) -> list[str]:
    verdict = verify(folder_of(house.folder, 2), house.known)
    return [check.what for check in verdict.checks if not check.ok]


def test_an_auditor_sees_what_was_forged(house: House, tmp_path: Path) -> None:
    house.hold(people(house))
    folder = folder_of(house.folder, 2)
    text = folder / "transcript.txt"
    text.write_text(text.read_text().replace("Eun Kim", "Mallory"))
    assert wrong(house) == ["transcript.txt shows these entries"]
    other = House(tmp_path / "other")
    assert [c.what for c in verify(folder, other.known).checks if not c.ok] == [
        "the root that you know", "transcript.txt shows these entries",
    ]  # fmt: skip
    raw = (other.folder / TRANSCRIPT_FILE).read_bytes()
    (house.folder / TRANSCRIPT_FILE).write_bytes(raw)
    assert "the first ceremony's custodians, and enough of them" in wrong(house)
    (folder / "signatures.json").write_bytes(b"{}")
    assert "the signatures" in wrong(house)


def test_a_link_that_the_root_before_did_not_sign_does_not_verify(house: House) -> None:
    house.roots.links_by = ec.generate_private_key(ec.SECP256R1())
    house.hold(people(house))
    assert wrong(house) == ["the root before signed the link"]
