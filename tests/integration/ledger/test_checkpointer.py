"""The evidence follows the writer, survives crashes and overload, and refuses another past."""

import json
import logging
import shutil
import threading
import time
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from adapters.audit import checkpointer as checkpointer_module
from adapters.audit.accepted import accept
from adapters.audit.taking_up import EvidenceBroken
from application.ports import Row, Unavailable
from tests.integration.ledger.databases import LedgerDatabase
from tests.integration.ledger.evidence import KEY, Evidence
from tests.integration.ledger.town import NOW_US


@pytest.fixture
def evidence(ledger: LedgerDatabase, tmp_path: Path) -> Evidence:
    return Evidence(ledger, tmp_path / "checkpoints")


def signed(evidence: Evidence) -> int:
    """Events in the checkpoint, -1 before the first one."""
    path = evidence.folder / "checkpoint"
    return int(path.read_text().split("\n")[1]) if path.exists() else -1


def test_an_empty_log_has_a_checkpoint_too(evidence: Evidence) -> None:
    checkpointer = evidence.checkpointer()
    checkpointer.start()
    checkpointer.stop()
    assert signed(evidence) == 0
    assert evidence.verify().intact


def test_it_signs_while_it_follows_and_nobody_else_may_read(evidence: Evidence) -> None:
    checkpointer = evidence.checkpointer(every_s=0.1)
    checkpointer.start()
    evidence.ledger.log.on_stored(checkpointer.stored)
    total = evidence.write(followed=False)
    deadline = time.monotonic() + 10
    while signed(evidence) < total and time.monotonic() < deadline:
        time.sleep(0.05)
    assert signed(evidence) == total
    checkpointer.stop()
    assert checkpointer.evidence.signed_us == NOW_US
    assert evidence.folder.stat().st_mode & 0o077 == 0
    assert all(path.stat().st_mode & 0o077 == 0 for path in evidence.folder.iterdir())


def test_rows_come_from_the_writers_memory(evidence: Evidence) -> None:
    """Changed in the database before anybody looked: the evidence is of what was written."""
    checkpointer = evidence.checkpointer()
    checkpointer.start()
    evidence.ledger.log.on_stored(checkpointer.stored)
    evidence.write(followed=False)
    evidence.attack("UPDATE events SET topic = 'x' WHERE position = 40")
    checkpointer.stop()
    assert [each.positions for each in evidence.verify().findings] == [(40,)]


def test_what_was_stored_meanwhile_is_caught_up_and_grows_on(evidence: Evidence) -> None:
    evidence.write()
    evidence.write(followed=False)
    total = evidence.write()
    assert signed(evidence) == total == 183
    assert evidence.verify().intact


def test_overload_is_read_back(evidence: Evidence) -> None:
    checkpointer = evidence.checkpointer(queue_most=20)
    checkpointer.start()
    evidence.ledger.log.on_stored(checkpointer.stored)
    total = evidence.write(3, followed=False)
    checkpointer.stop()
    assert signed(evidence) == total
    assert evidence.verify().intact


def test_a_torn_leaf_and_leaves_that_a_crash_left_empty_are_cut_off(evidence: Evidence) -> None:
    evidence.write()
    with (evidence.folder / "leaves").open("ab") as leaves:
        leaves.write(bytes(64) + b"torn")
    assert evidence.verify().intact
    total = evidence.write()
    assert (evidence.folder / "leaves").stat().st_size == 32 * total
    assert evidence.verify().intact


def test_without_frontier_the_leaves_are_enough(evidence: Evidence) -> None:
    evidence.write()
    (evidence.folder / "frontier").write_bytes(b"something else")
    evidence.write()
    assert evidence.verify().intact


def _crashed(evidence: Evidence) -> None:
    """Leaves of 122 events, a checkpoint of 61."""
    evidence.write()
    kept = evidence.folder.with_name("kept")
    shutil.copytree(evidence.folder, kept)
    evidence.write()
    for name in ("checkpoint", "frontier", "history"):
        shutil.copy(kept / name, evidence.folder / name)


def test_leaves_after_the_checkpoint_are_taken_up(evidence: Evidence) -> None:
    _crashed(evidence)
    assert evidence.verify().intact
    assert evidence.write() == signed(evidence) == 183


_BROKEN = {
    "a row hashed but not signed was changed": "UPDATE events SET topic = 'x' WHERE position = 100",
    "the tail was cut after the checkpoint": "DELETE FROM events WHERE position > 100",
    "the tail was cut before the checkpoint": "DELETE FROM events WHERE position > 50",
    "one of the last signed was changed": "UPDATE events SET topic = 'x' WHERE position = 60",
}


@pytest.mark.parametrize("what", _BROKEN)
def test_it_refuses_a_log_that_does_not_extend_what_was_hashed(
    evidence: Evidence, what: str
) -> None:
    _crashed(evidence)
    evidence.attack(_BROKEN[what])
    before = (evidence.folder / "checkpoint").read_bytes()
    with pytest.raises(EvidenceBroken):
        evidence.checkpointer().start()
    assert (evidence.folder / "checkpoint").read_bytes() == before
    evidence.reader.close()


def test_it_refuses_rows_that_this_system_did_not_seal(evidence: Evidence) -> None:
    evidence.write()
    evidence.attack(
        "INSERT INTO events SELECT 0, 62, gen_random_uuid(), 1, topic, state FROM events"
        " WHERE position = 61"
    )
    with pytest.raises(EvidenceBroken, match="62 was not sealed"):
        evidence.checkpointer().start()
    evidence.reader.close()


@pytest.mark.parametrize("name", ["checkpoint", "leaves"])
def test_it_refuses_evidence_with_a_part_missing(evidence: Evidence, name: str) -> None:
    evidence.write()
    (evidence.folder / name).unlink()
    with pytest.raises(EvidenceBroken):
        evidence.checkpointer().start()
    evidence.reader.close()


def test_it_refuses_a_log_whose_evidence_is_gone(evidence: Evidence) -> None:
    """Deleted and renumbered, the folder removed: nobody signs that."""
    evidence.write()
    evidence.attack(
        "DELETE FROM events WHERE position = 20",
        "UPDATE events SET position = position - 1 WHERE position > 20",
    )
    shutil.rmtree(evidence.folder)
    for _ in range(2):
        with pytest.raises(EvidenceBroken, match="accept-new-log"):
            evidence.checkpointer().start()
    assert signed(evidence) == -1
    evidence.reader.close()


def test_it_refuses_a_log_with_a_row_missing_far_back(evidence: Evidence) -> None:
    evidence.write(18)  # 1,098 events: more than the newest 1,000 that are looked at
    evidence.attack("DELETE FROM events WHERE position = 3")
    with pytest.raises(EvidenceBroken, match="1,097 events and ends at number 1,098"):
        evidence.checkpointer().start()
    evidence.reader.close()


def test_the_leaves_alone_are_no_evidence(evidence: Evidence) -> None:
    evidence.write()
    for name in ("checkpoint", "history"):
        (evidence.folder / name).unlink()
    with pytest.raises(EvidenceBroken, match="accept-new-log"):
        evidence.checkpointer().start()
    evidence.reader.close()


def test_an_operator_may_accept_a_log_and_no_other(evidence: Evidence) -> None:
    total = evidence.write()
    (evidence.folder / "checkpoint").unlink()
    assert accept(evidence.folder, evidence.ledger.auditor_dsn, "lost") == total
    assert evidence.write() > total
    assert evidence.verify().intact
    assert json.loads((evidence.folder / "accepted").read_text())["why"] == "lost"
    for path in (evidence.folder / "checkpoint", evidence.folder / "history"):
        path.unlink()
    (evidence.folder / "leaves").unlink()
    evidence.attack("DELETE FROM events WHERE position > 50")
    with pytest.raises(EvidenceBroken, match="not the one that was accepted"):
        evidence.checkpointer().start()
    evidence.reader.close()


def test_a_crash_right_after_the_first_event_leaves_a_log_that_is_taken_up(
    evidence: Evidence,
) -> None:
    checkpointer = evidence.checkpointer()
    checkpointer.prepare()  # and never runs: as killed before it signs again
    evidence.write(followed=False)
    assert evidence.write() == signed(evidence)


def test_it_refuses_another_key_and_another_log(evidence: Evidence) -> None:
    evidence.write()
    stranger = Ed25519PrivateKey.generate()
    with pytest.raises(EvidenceBroken):
        evidence.checkpointer(signer=stranger.sign, key=stranger.public_key()).start()
    with pytest.raises(EvidenceBroken, match="another log"):
        evidence.checkpointer(origin="other.test/log").start()
    evidence.reader.close()


def test_a_token_and_a_database_that_are_away_are_waited_for(
    evidence: Evidence, caplog: pytest.LogCaptureFixture
) -> None:
    token, database = threading.Event(), threading.Event()

    def sign(message: bytes) -> bytes:
        if not token.is_set():
            raise Unavailable("the token")
        return KEY.sign(message)

    def read(after: int, limit: int) -> list[Row]:
        if not database.is_set():
            raise Unavailable("the ledger database")
        return evidence.reader.rows(after, limit)

    checkpointer = evidence.checkpointer(signer=sign, read_rows=read, every_s=0.05)
    with caplog.at_level(logging.ERROR):
        checkpointer.start()
        evidence.ledger.log.on_stored(checkpointer.stored)
        total = evidence.write(followed=False)
        time.sleep(0.6)
        database.set()
        deadline = time.monotonic() + 10
        while checkpointer.evidence.events < total and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not (evidence.folder / "checkpoint").exists()
        token.set()
        while checkpointer.evidence.signed_events < total and time.monotonic() < deadline:
            time.sleep(0.05)
        checkpointer.stop()
    assert signed(evidence) == total
    # A courier of an earlier test may still say that it gave up.
    said = [each for each in caplog.records if each.name == checkpointer_module.__name__]
    assert len(said) == 1, "said once"
    evidence.reader.close()


def test_tampering_while_it_reads_back_stops_the_signing(evidence: Evidence) -> None:
    told: list[str] = []
    checkpointer = evidence.checkpointer(queue_most=20, on_broken=told.append, every_s=0.1)
    checkpointer.start()
    evidence.write(followed=False)  # not told of: as after an overload
    evidence.attack("UPDATE events SET topic = 'x' WHERE position = 40")
    checkpointer.stored(evidence.reader.rows(60, 1))
    deadline = time.monotonic() + 10
    while not told and time.monotonic() < deadline:
        time.sleep(0.05)
    assert told == ["event 40 was not sealed by this system"]
    assert checkpointer.evidence.broken == told[0]
    checkpointer.stop()
    assert signed(evidence) <= 0
    evidence.reader.close()
