"""`ticketrestaurant audit verify`: plain words, JSON, and exit statuses for scripts."""

import json
import threading
from hashlib import sha256
from pathlib import Path

import pytest
import typer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from typer.testing import CliRunner, Result

from adapters.audit import tail
from adapters.cli import audit, exit_codes
from adapters.cli.failure import Failure
from adapters.postgres.embedded import Cluster
from adapters.postgres.migrations import migrate
from adapters.postgres.recorder import LOCK_CLASS
from tests.integration.ledger.databases import LedgerDatabase
from tests.integration.ledger.evidence import KEY, Evidence


@pytest.fixture
def evidence(ledger: LedgerDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Evidence:
    """A ledger on a server of one's own, as the settings say."""
    monkeypatch.setenv("TICKETRESTAURANT_HOME", str(tmp_path))
    monkeypatch.setenv("TICKETRESTAURANT_LEDGER_DSN", ledger.dsn)
    monkeypatch.setenv("TICKETRESTAURANT_LEDGER_AUDITOR_DSN", ledger.auditor_dsn)
    evidence = Evidence(ledger, tmp_path / "checkpoints")
    evidence.write()
    return evidence


def verify(*arguments: str) -> Result:
    app = typer.Typer()
    audit.register(app)
    return CliRunner().invoke(app, ["audit", "verify", *arguments])


def test_an_intact_log(evidence: Evidence) -> None:
    evidence.write(followed=False)
    evidence.ledger.log.recorder.release()
    result = verify()
    assert result.exit_code == exit_codes.OK
    assert "✓ 61 events are what was written" in result.output
    assert "61 newer events came after the last checkpoint" in result.output
    said = json.loads(verify("--json").stdout)
    assert said["intact"] is True
    assert (said["protected"], said["unprotected"], said["findings"]) == (61, 61, [])


def test_a_broken_log(evidence: Evidence) -> None:
    evidence.attack("DELETE FROM events WHERE position IN (7, 8)")
    result = verify()
    assert result.exit_code == exit_codes.INTEGRITY_BROKEN
    assert "✗ Events 7 to 8 were deleted." in result.output
    result = verify("--json")
    assert result.exit_code == exit_codes.INTEGRITY_BROKEN
    (finding,) = json.loads(result.stdout)["findings"]
    assert (finding["kind"], finding["positions"]) == ("deleted", [7, 8])


def test_while_it_is_served_the_newest_events_must_get_their_evidence(
    evidence: Evidence, monkeypatch: pytest.MonkeyPatch
) -> None:
    evidence.write(followed=False)
    monkeypatch.setattr(tail, "COVERED_WITHIN_S", 1.0)  # the writer of the fixture holds the shard
    result = verify()
    assert result.exit_code == exit_codes.INTEGRITY_BROKEN
    assert "Events 62 to 122 are in the log and in no evidence" in result.output
    monkeypatch.setattr(tail, "COVERED_WITHIN_S", 20.0)
    checkpointer = evidence.checkpointer()
    late = threading.Timer(1.0, checkpointer.start)
    late.start()
    said = json.loads(verify("--json").stdout)
    late.join()
    checkpointer.stop()
    evidence.reader.close()
    assert (said["intact"], said["protected"], said["unprotected"]) == (True, 122, 0)


def test_a_newest_event_that_is_not_the_one_that_was_written(evidence: Evidence) -> None:
    evidence.write(followed=False)
    late = threading.Timer(1.0, lambda: _other_leaf(evidence.folder / "leaves", 122))
    late.start()
    result = verify()
    late.join()
    assert result.exit_code == exit_codes.INTEGRITY_BROKEN
    assert "Events 62 to 122 are not what the backend wrote" in result.output


def _other_leaf(leaves: Path, upto: int) -> None:
    raw = leaves.read_bytes()
    leaves.write_bytes(raw + b"x" * (upto * 32 - len(raw)))


def test_the_key_is_named(evidence: Evidence) -> None:
    spki = KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    fingerprint = sha256(spki).hexdigest()
    assert json.loads(verify("--json").stdout)["key_sha256"] == fingerprint
    said = verify().output
    assert fingerprint in said
    assert "as the folder itself says" in said


def test_a_log_without_its_table(evidence: Evidence) -> None:
    evidence.attack("DROP TABLE events CASCADE")
    result = verify()
    assert result.exit_code == exit_codes.INTEGRITY_BROKEN
    assert "cannot be read" in result.output


def test_a_key_from_elsewhere_must_fit(evidence: Evidence, tmp_path: Path) -> None:
    key = tmp_path / "trusted.pem"
    key.write_bytes((evidence.folder / "log.pub").read_bytes())
    assert verify("--key", str(key)).exit_code == exit_codes.OK
    stranger = Ed25519PrivateKey.generate().public_key()
    key.write_bytes(stranger.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    assert verify("--key", str(key)).exit_code == exit_codes.INTEGRITY_BROKEN
    key.write_text("no key")
    result = verify("--key", str(key))
    assert isinstance(result.exception, Failure)
    assert result.exception.status == exit_codes.CONFIGURATION


def test_a_copy_of_the_checkpoints_will_do(evidence: Evidence, tmp_path: Path) -> None:
    elsewhere = evidence.folder.rename(tmp_path / "published")
    assert verify("--checkpoints", str(elsewhere)).exit_code == exit_codes.OK
    assert verify().exit_code == exit_codes.INTEGRITY_BROKEN, "events without any evidence"


def test_an_embedded_server_that_is_down_is_started_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TICKETRESTAURANT_HOME", str(tmp_path))
    result = verify()
    assert isinstance(result.exception, Failure)
    assert result.exception.status == exit_codes.CONFIGURATION
    cluster = Cluster(tmp_path, "ledger")
    cluster.create()
    with cluster.start_temporarily():
        migrate(cluster.dsn("ledger_owner"), "ledger")
    evidence = tmp_path / "checkpoints"
    evidence.mkdir()
    key = Ed25519PrivateKey.generate().public_key()
    (evidence / "log.pub").write_bytes(
        key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    result = verify()
    assert result.exit_code == exit_codes.OK, result.output
    assert "The servers are down" in result.output
    assert not cluster.ready()


def test_the_lock_of_the_writer_is_the_one_that_is_looked_for() -> None:
    assert tail._WRITERS_LOCK == LOCK_CLASS
