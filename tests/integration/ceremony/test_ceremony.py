"""The command as people use it: at a terminal, as an auditor, and when the PIN is needed."""

import json
import re
import shutil
from datetime import datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from adapters.ceremony.transcript import Transcript, read_entries
from adapters.hsm.provision import open_token
from tests.integration.ceremony.room import CUSTODIANS, PEOPLE, Room, command


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Room]:
    """A ceremony at a terminal; two participants have keys of their own."""
    home = tmp_path_factory.mktemp("held")
    keys = home.parent / f"{home.name}-keys"
    keys.mkdir()
    for name, key in (
        ("ng", ed25519.Ed25519PrivateKey.generate()),
        ("ruiz", ec.generate_private_key(ec.SECP256R1())),
    ):
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (keys / name).write_bytes(pem)
    own = ("--key", f"Ada Ng={keys / 'ng'}", "--key", f"Bo Ruiz={keys / 'ruiz'}")
    room = Room(home, "ceremony", *PEOPLE, "--threshold", "2", *own)
    assert room.wait() == 0, room.said
    return home, room


@pytest.fixture
def copy(held: tuple[Path, Room], tmp_path: Path) -> Path:
    """The folder of the transcript, to be tampered with."""
    folder = tmp_path / "copy"
    shutil.copytree(held[0] / "ceremony", folder)
    return folder


def test_the_folder_holds_no_secret_and_the_transcript_is_right(held: tuple[Path, Room]) -> None:
    home, room = held
    assert sorted(path.name for path in (home / "ceremony").iterdir()) == [
        "signatures.json", "transcript.jsonl", "transcript.pdf", "transcript.txt",
    ]  # fmt: skip
    done = command(home, "ceremony", "verify", "--json")
    assert done.returncode == 0, done.stderr
    verdict = json.loads(done.stdout)
    assert verdict["ok"]
    assert not verdict["sandbox"]
    assert {f"the signature of {name}" for name in CUSTODIANS} <= {
        each["what"] for each in verdict["checks"]
    }
    pin = command(home, "ceremony", "recover", "--to", "-", stdin=_typed(room, 1, 3)).stdout.strip()
    assert len(pin) == 15
    for path in home.rglob("*"):
        if path.is_file() and "tokens" not in path.parts:
            assert pin.encode() not in path.read_bytes(), path
            assert " ".join(room.shares[1][4:8]).encode() not in path.read_bytes(), path


def test_the_recovered_pin_opens_the_token_and_lies_in_a_file_of_its_own(
    held: tuple[Path, Room], tmp_path: Path
) -> None:
    home, room = held
    target = tmp_path / "pin"
    done = command(home, "ceremony", "recover", "--to", str(target), stdin=_typed(room, 2, 3))
    assert done.returncode == 0, done.stderr
    assert target.stat().st_mode & 0o777 == 0o600
    token = open_token(home, target.read_text().strip())
    token.heartbeat()
    token.close()
    again = command(home, "ceremony", "recover", "--to", str(target), stdin=_typed(room, 2, 3))
    assert (again.returncode, "there already" in again.stderr) == (1, True)


def test_too_few_and_foreign_shares_recover_nothing(
    held: tuple[Path, Room], tmp_path: Path
) -> None:
    home, room = held
    for stdin, why in (
        (_typed(room, 1), "the input ended after 1 shares, 2 are needed"),
        (_typed(room, 1, 1), "given twice"),
        ("academic acid\n", "this is no share"),
        ("", "the input ended"),
    ):
        done = command(home, "ceremony", "recover", "--to", "-", stdin=stdin)
        assert (done.returncode, done.stdout) == (1, ""), done
        assert why in done.stderr
    other = tmp_path / "other"
    assert command(other, "ceremony", "--sandbox").returncode == 0
    files = sorted((other / "ceremony" / "shares").iterdir())
    arguments = [word for file in files[:2] for word in ("--share-file", str(file))]
    assert command(other, "ceremony", "recover", "--to", "-", *arguments).returncode == 0
    foreign = command(home, "ceremony", "recover", "--to", "-", *arguments)
    assert (foreign.returncode, foreign.stdout) == (1, "")
    assert "of another ceremony" in foreign.stderr


def test_there_is_no_second_ceremony(held: tuple[Path, Room], tmp_path: Path) -> None:
    home, _ = held
    again = command(home, "ceremony", "--sandbox")
    assert again.returncode == 1
    assert "a ceremony was held here" in again.stderr
    lost = tmp_path / "lost"
    shutil.copytree(home, lost)
    shutil.rmtree(lost / "ceremony")
    done = command(lost, "ceremony", "--sandbox")
    assert done.returncode == 1
    assert "the HSM has its keys already" in done.stderr
    assert not (lost / "ceremony").exists()


def test_an_interrupted_one_goes_on_with_its_people_and_with_no_others(tmp_path: Path) -> None:
    begun = command(tmp_path, "ceremony", *PEOPLE, stdin="yes\nyes\n")
    assert begun.returncode == 1
    assert "start it again to go on" in begun.stderr
    others = command(tmp_path, "ceremony", "--sandbox")
    assert (others.returncode, "other people" in others.stderr) == (5, True)
    room = Room(tmp_path, "ceremony")
    assert room.wait() == 0, room.said
    text = (tmp_path / "ceremony" / "transcript.txt").read_text()
    assert "note: The ceremony was interrupted and goes on." in text
    assert text.count("Is present as") == 5


@pytest.mark.parametrize(
    ("name", "change", "wrong"),
    [
        ("transcript.jsonl", lambda raw: raw.replace(b"Bo Ruiz", b"Bo Rujz", 1), "chain"),
        ("transcript.jsonl", lambda raw: raw[: raw[:-1].rfind(b"\n") + 1], "every step"),
        ("transcript.jsonl", lambda raw: b"\n".join(raw.split(b"\n")[1:]), "chain"),
        ("transcript.jsonl", lambda raw: b"", "chain"),
        ("transcript.jsonl", lambda raw: b"\xff" + raw, "chain"),
        ("signatures.json", lambda raw: _flipped(raw, b'"root": "'), "the root key's signature"),
        ("signatures.json", lambda raw: _flipped(raw, b'"Bo Ruiz": "'), "the signature of Bo Ruiz"),
        ("signatures.json", lambda raw: b"[]", "the signatures"),
        ("transcript.txt", lambda raw: raw.replace(b"2 of 3", b"3 of 3"), "transcript.txt"),
        ("transcript.pdf", lambda raw: raw[:-1] + b" ", "transcript.pdf"),
    ],
)
def test_what_was_altered_is_named(copy: Path, name: str, change, wrong: str) -> None:  # type: ignore[no-untyped-def]
    path = copy / name
    path.write_bytes(change(path.read_bytes()))
    done = command(copy, "ceremony", "verify", str(copy))
    assert done.returncode == 4, done.stdout + done.stderr
    assert re.search(rf"WRONG +(the )?{re.escape(wrong)}", done.stdout), done.stdout


def _flipped(raw: bytes, before: bytes) -> bytes:
    """With another character in the middle of the signature."""
    at = raw.index(before) + len(before) + 40
    return raw[:at] + (b"A" if raw[at : at + 1] != b"A" else b"B") + raw[at + 1 :]


def test_a_chain_made_anew_lacks_its_signatures(copy: Path) -> None:
    """Whoever can hash can forge the chain, and nobody the root key's signature."""
    path = copy / "transcript.jsonl"
    entries = read_entries(path.read_bytes())
    path.unlink()
    forged = Transcript(path)
    for entry in entries:
        text = entry.text.replace("2 are needed", "3 are needed")
        at = datetime.fromisoformat(entry.at)
        forged.append(forged.draft(entry.who, entry.step, text, entry.facts, at))
    done = command(copy, "ceremony", "verify", str(copy))
    assert done.returncode == 4
    assert re.search(r"WRONG +the root key's signature", done.stdout)
    assert re.search(r"WRONG +the signature of Ada Ng", done.stdout)
    assert re.search(r"ok +the chain of entries", done.stdout)


def test_the_root_of_another_installation_is_noticed(
    held: tuple[Path, Room], tmp_path: Path
) -> None:
    other = tmp_path / "other"
    assert command(other, "ceremony", "--sandbox").returncode == 0
    entries = (other / "ceremony" / "transcript.jsonl").read_text().splitlines()
    root = next(json.loads(each) for each in entries if '"step":"root certificate"' in each)
    (tmp_path / "root.pem").write_text(root["facts"]["pem"])
    arguments = (str(held[0] / "ceremony"), "--root", str(tmp_path / "root.pem"))
    done = command(held[0], "ceremony", "verify", *arguments)
    assert done.returncode == 4
    assert "not of this installation" in done.stdout


def _typed(room: Room, *numbers: int) -> str:
    return "".join(" ".join(room.shares[number]) + "\n" for number in numbers)
