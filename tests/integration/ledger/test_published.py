"""A log that does not extend what was published elsewhere is refused, consistent as it may be."""

import logging
import shutil
from pathlib import Path

import pytest

from adapters.audit import published
from adapters.audit.note import Checkpoint, sign
from adapters.audit.places import FolderPlace
from adapters.audit.taking_up import EvidenceBroken
from tests.integration.ledger.databases import LedgerDatabase
from tests.integration.ledger.evidence import KEY, ORIGIN, Evidence


class Publishing(Evidence):
    """Evidence whose checkpoints are published to a further folder."""

    def __init__(self, ledger: LedgerDatabase, folder: Path) -> None:
        super().__init__(ledger, folder / "checkpoints")
        self.elsewhere = folder / "elsewhere"
        self.place = FolderPlace(self.elsewhere, KEY.public_key())

    def checkpointer(self, **more: object):  # type: ignore[no-untyped-def]
        options = {
            "published": [self.elsewhere],
            "on_signed": lambda note: self.place.publish(note, 1),
        }
        return super().checkpointer(**{**options, **more})

    def refused(self) -> str:
        with pytest.raises(EvidenceBroken) as refusal:
            self.checkpointer().start()
        self.reader.close()
        return str(refusal.value)


@pytest.fixture
def evidence(ledger: LedgerDatabase, tmp_path: Path) -> Publishing:
    return Publishing(ledger, tmp_path)


def test_a_log_that_grew_goes_on(evidence: Publishing) -> None:
    evidence.write()
    evidence.write()
    assert "\n122\n" in (evidence.elsewhere / "checkpoint").read_text()
    evidence.write(followed=False)
    assert evidence.write() == 244
    assert "\n244\n" in (evidence.elsewhere / "checkpoint").read_text()


def test_an_older_state_of_log_and_checkpoints_together_is_refused(evidence: Publishing) -> None:
    evidence.write()
    kept = evidence.folder.with_name("kept")
    shutil.copytree(evidence.folder, kept)
    evidence.write()
    before = (evidence.elsewhere / "checkpoint").read_bytes()
    evidence.attack("DELETE FROM events WHERE position > 61")
    shutil.rmtree(evidence.folder)
    kept.rename(evidence.folder)
    assert evidence.verify().intact, "consistent in itself"
    said = evidence.refused()
    assert "the log has 61 events, but a checkpoint of 122 was published in" in said
    assert "older state" in said
    assert (evidence.elsewhere / "checkpoint").read_bytes() == before


def test_only_the_checkpoints_are_older(evidence: Publishing) -> None:
    """The database is the newest: what was published is caught up with, and it goes on."""
    evidence.write()
    kept = evidence.folder.with_name("kept")
    shutil.copytree(evidence.folder, kept)
    evidence.write()
    shutil.rmtree(evidence.folder)
    kept.rename(evidence.folder)
    assert evidence.write() == 183
    assert "\n183\n" in (evidence.elsewhere / "checkpoint").read_text()


def test_another_past_of_the_same_length_is_refused(evidence: Publishing) -> None:
    evidence.write()
    for size in (61, 40):
        forked = sign(Checkpoint(ORIGIN, size, bytes(32)), KEY.public_key(), KEY.sign)
        (evidence.elsewhere / "checkpoint").write_text(forked)
        assert f"the first {size} events of the log are not those" in evidence.refused()


def test_a_published_checkpoint_that_cannot_be_believed_is_refused(evidence: Publishing) -> None:
    evidence.write()
    path = evidence.elsewhere / "checkpoint"
    right = path.read_text()
    path.write_text(right.replace("\n61\n", "\n60\n"))
    assert "cannot be believed" in evidence.refused()
    path.write_bytes(b"\xff\xff")
    assert "cannot be believed" in evidence.refused()
    path.write_text(sign(Checkpoint("other/log", 1, bytes(32)), KEY.public_key(), KEY.sign))
    assert "another log" in evidence.refused()
    path.unlink()
    assert "its history is there" in evidence.refused()
    path.mkdir()
    assert "cannot be read" in evidence.refused()


def test_a_folder_where_nothing_was_published_forbids_nothing(
    evidence: Publishing, caplog: pytest.LogCaptureFixture
) -> None:
    evidence.write()
    shutil.rmtree(evidence.elsewhere)
    with caplog.at_level(logging.WARNING):
        assert evidence.write() == 122
    # A courier of an earlier test may still say that it gave up.
    said = [each.message for each in caplog.records if each.name == published.__name__]
    assert said == [f"no checkpoint was published in {evidence.elsewhere}: nothing to compare with"]
