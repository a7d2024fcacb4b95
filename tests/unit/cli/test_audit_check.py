"""`audit check` and `audit consistency`: what they say, and their exit statuses for scripts."""

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from typer.testing import CliRunner, Result

from adapters.audit.note import Checkpoint
from adapters.audit.proof_file import to_text
from adapters.cli import audit, exit_codes
from adapters.cli.failure import Failure
from tests.unit.audit.log_double import ORIGIN, SmallLog

BROKEN, UNUSABLE = exit_codes.INTEGRITY_BROKEN, exit_codes.USAGE


class Desk:
    """Files as an auditor keeps them: two checkpoints, the key, proofs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = SmallLog(folder / "checkpoints", 60)
        self.old = self.file("old", self.log.signed())
        self.log.add(40)
        self.new = self.file("new", self.log.signed())
        self.key = str(self.log.folder.path / "log.pub")
        self.leaves = str(self.log.folder.leaves_path)
        prover = self.log.prover()
        self.proof = self.file("proof.json", to_text(prover.of_position(43)))
        self.extension = self.file("extension.json", to_text(prover.extension_of(60)))

    def file(self, name: str, text: str) -> str:
        (self.folder / name).write_text(text)
        return str(self.folder / name)

    def other_key(self) -> str:
        key = Ed25519PrivateKey.generate().public_key()
        pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        return self.file("other.pub", pem.decode())


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.setenv("TICKETRESTAURANT_HOME", str(tmp_path / "nothing-here"))
    return Desk(tmp_path)


def run(*arguments: str) -> Result:
    app = typer.Typer()
    audit.register(app)
    return CliRunner().invoke(app, ["audit", *arguments])


def status(result: Result) -> int:
    failure = result.exception
    return failure.status if isinstance(failure, Failure) else result.exit_code


def test_a_proof_that_holds(desk: Desk) -> None:
    result = run("check", desk.proof, "--key", desk.key)
    assert result.exit_code == exit_codes.OK
    assert "Event 43: account.credited/1, version 1 of" in result.output
    assert f"In the log {ORIGIN} of 100 events" in result.output
    assert "✓ The proof holds." in result.output
    said = json.loads(run("check", desk.proof, "--key", desk.key, "--json").stdout)
    assert (said["holds"], said["positions"], said["tree_size"]) == (True, [43], 100)
    assert run("check", desk.proof, "--key", desk.key, "--origin", ORIGIN).exit_code == 0


def test_proofs_that_do_not_hold(desk: Desk) -> None:
    text = Path(desk.proof).read_text()
    altered = desk.file("altered.json", text.replace("account.credited", "account.debited"))
    for arguments in (
        [altered, "--key", desk.key],
        [desk.proof, "--key", desk.other_key()],
        [desk.proof, "--key", desk.key, "--origin", "other.test/log"],
        [desk.proof, "--key", desk.key, "--root", _root(desk)],
    ):
        result = run("check", *arguments)
        assert status(result) == BROKEN, result.output
        assert "does not hold" in str(result.exception)


def _root(desk: Desk) -> str:
    from tests.unit.devices.authority import Authority

    (desk.folder / "pki").mkdir()
    root = Authority(desk.folder / "pki").root
    return desk.file("root.pem", root.public_bytes(Encoding.PEM).decode())


def test_files_that_are_no_proofs(desk: Desk) -> None:
    for path in (
        desk.file("cut.json", Path(desk.proof).read_text()[:-100]),
        desk.file("empty.json", ""),
        desk.extension,
        desk.new,
        str(desk.folder / "missing.json"),
        str(desk.folder),
    ):
        result = run("check", path, "--key", desk.key)
        assert status(result) == UNUSABLE, result.output
    assert status(run("check", desk.proof, "--key", desk.new)) == exit_codes.CONFIGURATION
    assert status(run("check", desk.proof, "--key", desk.key, "--root", desk.new)) == UNUSABLE


def test_what_is_printed_commands_no_terminal(desk: Desk) -> None:
    proof = json.loads(Path(desk.proof).read_text()) | {"format": "\x1b[2J\x1b]0;gone\x07"}
    result = run("check", desk.file("evil.json", json.dumps(proof)), "--key", desk.key)
    assert status(result) == UNUSABLE
    assert "\x1b" not in str(result.exception)


@pytest.mark.parametrize("by", ["proof", "leaves"])
def test_a_log_that_only_grew(desk: Desk, by: str) -> None:
    how = ["--proof", desk.extension] if by == "proof" else ["--leaves", desk.leaves]
    result = run("consistency", desk.old, desk.new, *how, "--key", desk.key)
    assert result.exit_code == exit_codes.OK, result.exception
    assert "✓ The log of 100 events begins with the 60 that were signed before" in result.output
    said = run("consistency", desk.old, desk.new, *how, "--key", desk.key, "--json").stdout
    assert json.loads(said) == {"extends": True, "old_size": 60, "new_size": 100}


def test_a_proof_alone_leads_to_its_own_checkpoint(desk: Desk) -> None:
    result = run("consistency", desk.old, "--proof", desk.extension, "--key", desk.key)
    assert result.exit_code == exit_codes.OK


def another_past(desk: Desk) -> str:
    """A checkpoint that the log's key signed, of another log with the same name: a fork."""
    return desk.file("fork", desk.log.note(Checkpoint(ORIGIN, 60, bytes(32))))


@pytest.mark.parametrize("by", ["proof", "leaves"])
def test_logs_that_did_more_than_grow(desk: Desk, by: str) -> None:
    how = ["--proof", desk.extension] if by == "proof" else ["--leaves", desk.leaves]
    other = desk.file("other", desk.log.note(Checkpoint("other.test/log", 60, bytes(32))))
    future = desk.file("future", desk.log.note(Checkpoint(ORIGIN, 120, bytes(32))))
    for old, new, key in (
        (another_past(desk), desk.new, desk.key),
        (other, desk.new, desk.key),
        (desk.old, future, desk.key),
        (desk.old, desk.new, desk.other_key()),
    ):
        assert status(run("consistency", old, new, *how, "--key", key)) == BROKEN


def test_wrong_files_and_wrong_combinations(desk: Desk) -> None:
    wrong: list[list[Any]] = [
        [desk.old, desk.new],
        [desk.old, "--leaves", desk.leaves],
        [desk.old, desk.new, "--leaves", desk.leaves, "--proof", desk.extension],
        [desk.old, desk.new, "--proof", desk.proof],
        [desk.old, desk.new, "--proof", desk.new],
        [desk.old, desk.new, "--leaves", str(desk.folder / "missing")],
        [desk.new, desk.old, "--leaves", desk.leaves],
        [str(desk.folder / "missing"), desk.new, "--leaves", desk.leaves],
        [desk.file("binary", "x"), "--proof", desk.extension],
    ]
    for arguments in wrong[:-1]:
        assert status(run("consistency", *arguments, "--key", desk.key)) == UNUSABLE, arguments
    assert status(run("consistency", *wrong[-1], "--key", desk.key)) == BROKEN, "signed by nobody"
    (desk.folder / "binary").write_bytes(b"\xff\xfe")
    assert status(run("consistency", *wrong[-1], "--key", desk.key)) == UNUSABLE
