"""Proof files: what is proven holds for a stranger, and nothing else passes as a proof."""

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from adapters.audit import proof_file, proving
from adapters.audit.note import BadNote, Checkpoint
from adapters.audit.proof_file import (
    UnusableFile,
    check_extension,
    check_proof,
    read_consistency,
    read_file,
    read_proof,
    to_text,
)
from adapters.audit.proving import NoSuchEvent, NotAsWritten, NotSigned, TooMany
from application.merkle_proofs import BadProof
from tests.unit.audit.log_double import KEY, ORIGIN, SmallLog

STRANGER = Path(__file__).parents[3] / "docs" / "verify_proof.py"


@pytest.fixture
def log(tmp_path: Path) -> SmallLog:
    return SmallLog(tmp_path / "checkpoints")


def stranger_says(proof: Path, key: Path) -> "subprocess.CompletedProcess[str]":
    """The stand-alone program of the documentation, which imports nothing of ours."""
    command = [sys.executable, "-I", str(STRANGER), str(proof), str(key)]
    return subprocess.run(command, capture_output=True, text=True, cwd=proof.parent)


@pytest.mark.parametrize("position", [1, 2, 50, 64, 65, 100])
def test_an_event_is_proven_to_us_and_to_a_stranger(
    log: SmallLog, tmp_path: Path, position: int
) -> None:
    text = to_text(log.prover().of_position(position))
    proof = read_proof(text.encode())
    assert check_proof(proof, KEY.public_key(), ORIGIN) == Checkpoint(ORIGIN, 100, log.tree.root())
    assert [event.row for event in proof.events] == [log.stored[position - 1]]
    (tmp_path / "proof.json").write_text(text)
    said = stranger_says(tmp_path / "proof.json", log.folder.path / "log.pub")
    assert (said.returncode, said.stderr) == (0, "")
    assert f"event {position} (account.credited/1) is in {ORIGIN} of 100 events" in said.stdout


def test_all_events_of_a_stream_are_proven(log: SmallLog) -> None:
    proof = log.prover().of_stream(UUID(int=5))
    assert [event.position for event in proof.events] == [13, 14, 15]
    assert check_proof(proof, KEY.public_key()).size == 100


def test_what_is_not_there_is_not_proven(log: SmallLog, monkeypatch: pytest.MonkeyPatch) -> None:
    for position in (101, 2**62, 0, -1):
        with pytest.raises(NoSuchEvent):
            log.prover().of_position(position)
    with pytest.raises(NoSuchEvent):
        log.prover().of_stream(UUID(int=99))
    monkeypatch.setattr(proving, "MOST_EVENTS", 2)
    with pytest.raises(TooMany):
        log.prover().of_stream(UUID(int=5))


def test_a_new_event_is_waited_for_until_it_is_signed(
    log: SmallLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    log.add(5)
    monkeypatch.setattr(proving, "SIGNED_WITHIN_S", 0.2)
    with pytest.raises(NotSigned):
        log.prover().of_position(103)
    monkeypatch.setattr(proving, "SIGNED_WITHIN_S", 20)
    timer = threading.Timer(0.3, log.signed)
    timer.start()
    before_s = time.monotonic()
    assert log.prover().of_position(103).tree_size == 105
    assert time.monotonic() - before_s >= 0.2
    timer.join()


def test_a_row_that_was_changed_is_not_proven(log: SmallLog) -> None:
    log.stored[41] = log.stored[41]._replace(state=b"another")
    with pytest.raises(NotAsWritten, match="Event 42 is not what was written"):
        log.prover().of_position(42)
    assert check_proof(log.prover().of_position(43), KEY.public_key())


def test_leaves_that_were_changed_prove_nothing(log: SmallLog) -> None:
    prover = log.prover()
    path = log.folder.leaves_path
    right = path.read_bytes()
    path.write_bytes(right[:320] + bytes(32) + right[352:])
    with pytest.raises(NotAsWritten, match="not what was signed"):
        prover.of_position(43)
    with pytest.raises(NotAsWritten, match="leaves"):
        prover.extension_of(50)
    path.write_bytes(right[:640])
    with pytest.raises(NotAsWritten):
        prover.of_position(12)
    path.write_bytes(right)
    assert prover.of_position(43)


@pytest.mark.parametrize("old", [0, 1, 50, 64, 99, 100])
def test_a_log_extends_what_was_signed_before(log: SmallLog, old: int) -> None:
    before = SmallLog(log.folder.path.parent / "before", old)
    file = read_consistency(to_text(log.prover().extension_of(old)).encode())
    known = Checkpoint(ORIGIN, old, before.tree.root())
    new = Checkpoint(ORIGIN, 100, log.tree.root())
    assert check_extension(file, known, KEY.public_key()) == new
    assert check_extension(file, known, KEY.public_key(), new) == new
    with pytest.raises(BadProof):
        check_extension(file, known._replace(root=bytes(32)), KEY.public_key())
    with pytest.raises(BadProof, match="another checkpoint"):
        check_extension(file, known, KEY.public_key(), new._replace(size=99))
    with pytest.raises(BadProof, match="old checkpoint has 77"):
        check_extension(file, known._replace(size=77), KEY.public_key())


def _changes() -> dict[str, Any]:
    def event(**members: Any) -> Any:
        return lambda proof: proof["events"][0].update(members)

    def member(**members: Any) -> Any:
        return lambda proof: proof.update(members)

    return {
        "another position": event(position=44),
        "another position and index": event(position=44, index=43),
        "another index": event(index=44),
        "position 0": event(position=0),
        "another stream": event(stream=str(UUID(int=77))),
        "another version": event(version=77),
        "another topic": event(topic="account.debited/1"),
        "another ciphertext": event(ciphertext="AAAA"),
        "another leaf": event(leaf_hash="AAAA"),
        "no path": event(path=[]),
        "a path of short hashes": event(path=["AAAA"]),
        "a path too long": lambda proof: proof["events"][0]["path"].append("A" * 43 + "="),
        "another tree size": member(tree_size=99),
        "tree size 0": member(tree_size=0),
        "the greatest tree size": member(tree_size=2**63 - 1),
        "another origin": member(origin="other.test/log"),
        "another key's fingerprint": member(key_sha256="00" * 32),
        "a checkpoint that says more": lambda proof: proof.update(
            checkpoint=proof["checkpoint"].replace("\n100\n", "\n101\n"), tree_size=101
        ),
        "no checkpoint": member(checkpoint=""),
        "a checkpoint of size 2^63": lambda proof: proof.update(
            checkpoint=proof["checkpoint"].replace("\n100\n", f"\n{2**63}\n")
        ),
    }


@pytest.mark.parametrize("change", _changes())
def test_a_proof_that_was_altered_does_not_hold(log: SmallLog, change: str) -> None:
    proof = json.loads(to_text(log.prover().of_position(43)))
    _changes()[change](proof)
    with pytest.raises((BadProof, BadNote)):
        check_proof(read_proof(json.dumps(proof).encode()), KEY.public_key())


def test_a_size_of_zero_holds_nothing(log: SmallLog) -> None:
    proof = json.loads(to_text(log.prover().of_position(43)))
    empty = Checkpoint(ORIGIN, 0, bytes(32))
    proof |= {"checkpoint": log.note(empty), "tree_size": 0}
    with pytest.raises(BadProof, match="no leaf"):
        check_proof(read_proof(json.dumps(proof).encode()), KEY.public_key())


def test_a_proof_of_another_key_or_log_does_not_hold(log: SmallLog, tmp_path: Path) -> None:
    proof = log.prover().of_position(43)
    other = Ed25519PrivateKey.generate()
    with pytest.raises(BadProof, match="another key"):
        check_proof(proof, other.public_key())
    with pytest.raises(BadProof, match="another log"):
        check_proof(proof, KEY.public_key(), "other.test/log")
    key, file = tmp_path / "other.pub", tmp_path / "proof.json"
    key.write_bytes(
        other.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    file.write_text(to_text(proof))
    assert "did not sign" in stranger_says(file, key).stderr
    file.write_text(to_text(proof).replace("account.credited", "account.debited"))
    said = stranger_says(file, log.folder.path / "log.pub")
    assert (said.returncode, said.stdout) == (1, "")
    assert "event 43 is not in the signed log" in said.stderr


def _unusable() -> dict[str, Any]:
    def changed(**members: Any) -> Any:
        return lambda text: json.dumps(json.loads(text) | members)

    return {
        "nothing": lambda text: "",
        "cut off": lambda text: text[:-200],
        "no JSON": lambda text: "position,stream\n",
        "an array": lambda text: f"[{text}]",
        "nested for ever": lambda text: "[" * 200_000,
        "nested in a member": lambda text: '{"format":' + '{"a":' * 200_000,
        "a format of tomorrow": changed(format="ticketrestaurant-proof/2"),
        "a consistency file": changed(format=proof_file.CONSISTENCY),
        "no format": lambda text: text.replace('"format"', '"form"'),
        "no events": changed(events=[]),
        "events of another kind": changed(events=[1]),
        "too many events": lambda text: json.dumps(
            json.loads(text) | {"events": json.loads(text)["events"] * 501}
        ),
        "size 2^63": changed(tree_size=2**63),
        "a huge size": changed(tree_size=10**4000),
        "a negative size": changed(tree_size=-1),
        "a fraction": changed(tree_size=1.5),
        "a huge checkpoint": changed(checkpoint="x" * 20_000),
        "half a character": lambda text: text.replace(ORIGIN, "\\ud800"),
        "no base64": lambda text: text.replace('"leaf_hash": "', '"leaf_hash": "!'),
        "a path without end": lambda text: text.replace(
            '"path": [', '"path": [' + '"AAAA",' * 10_000
        ),
    }


@pytest.mark.parametrize("change", _unusable())
def test_what_is_no_proof_file_is_told_so(log: SmallLog, change: str) -> None:
    text = _unusable()[change](to_text(log.prover().of_position(43)))
    with pytest.raises(UnusableFile):
        read_proof(text.encode())
    with pytest.raises(UnusableFile):
        read_consistency(text.encode() if change != "a consistency file" else b"{}")


def test_files_are_bounded_before_they_are_read(tmp_path: Path) -> None:
    huge = tmp_path / "huge.json"
    with huge.open("wb") as file:
        file.truncate(2**36)
    with pytest.raises(UnusableFile, match="larger than"):
        read_file(huge, 1_000)
    for path in (tmp_path / "missing", tmp_path):
        with pytest.raises(UnusableFile, match="cannot be read"):
            read_file(path)
    os.mkfifo(tmp_path / "pipe")
    assert read_file(tmp_path / "pipe") == b"", "nobody is waited for"
