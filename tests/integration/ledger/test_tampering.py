"""Whatever somebody with all rights to the database does to the log is named, event by event."""

from pathlib import Path

import pytest

from tests.integration.ledger.databases import LedgerDatabase
from tests.integration.ledger.evidence import Evidence


@pytest.fixture
def evidence(ledger: LedgerDatabase, tmp_path: Path) -> Evidence:
    evidence = Evidence(ledger, tmp_path / "checkpoints")
    assert evidence.write() == 61
    return evidence


def found(evidence: Evidence) -> list[tuple[str, tuple[int, ...]]]:
    return [(each.kind, each.positions) for each in evidence.verify().findings]


def test_an_untouched_log_is_intact(evidence: Evidence) -> None:
    verification = evidence.verify()
    assert verification.intact
    assert (verification.protected, verification.checkpoint_events) == (61, 61)
    assert verification.unprotected == 0


COPY_AT_62 = (
    "INSERT INTO events SELECT shard, 62, originator_id, originator_version, topic, state"
    " FROM events WHERE position = 12"
)
FOREIGN_AT_12 = (
    "INSERT INTO events SELECT 0, 12, gen_random_uuid(), 1, topic, state FROM events"
    " WHERE position = 11"
)
_FLIP = "state = set_byte(state, 60, get_byte(state, 60) # 1)"


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        ([f"UPDATE events SET {_FLIP} WHERE position = 20"], [("changed", (20,))]),
        (
            [f"UPDATE events SET {_FLIP} WHERE position IN (1, 20, 61)"],
            [("changed", (1,)), ("changed", (20,)), ("changed", (61,))],
        ),
        (["UPDATE events SET topic = 'x' WHERE position = 9"], [("changed", (9,))]),
        (
            ["UPDATE events SET originator_version = 90 WHERE position = 9"],
            [("changed", (9,))],
        ),
        (
            ["UPDATE events SET originator_id = gen_random_uuid() WHERE position = 9"],
            [("changed", (9,))],
        ),
        (["DELETE FROM events WHERE position = 30"], [("deleted", (30, 30))]),
        (
            ["DELETE FROM events WHERE position BETWEEN 30 AND 33 OR position = 1"],
            [("deleted", (1, 1)), ("deleted", (30, 33))],
        ),
        (
            [
                "DELETE FROM events WHERE position = 30",
                "UPDATE events SET position = position - 1 WHERE position > 30",
            ],
            [("deleted", (30, 30)), ("moved", (31, 61))],
        ),
        (["DELETE FROM events WHERE position > 50"], [("cut-off", (51, 61))]),
        (["DELETE FROM events WHERE position > 60"], [("cut-off", (61, 61))]),
        (["TRUNCATE events"], [("cut-off", (1, 61))]),
        (
            ["UPDATE events SET position = 41 - position WHERE position IN (20, 21)"],
            [("swapped", (20, 21))],
        ),
        (
            ["UPDATE events SET position = 60 - position WHERE position IN (11, 49)"],
            [("swapped", (11, 49))],
        ),
        (
            [
                "UPDATE events SET position = 1000 WHERE position = 5",
                "UPDATE events SET position = position + 1 WHERE position BETWEEN 1 AND 4",
                "UPDATE events SET position = 1 WHERE position = 1000",
            ],
            [("moved", (1, 4)), ("moved", (5, 5))],
        ),
        (
            ["INSERT INTO events SELECT * FROM events WHERE position = 12"],
            [("duplicated", (12, 12))],
        ),
        (
            [
                COPY_AT_62
            ],
            [("duplicated", (12, 62))],
        ),
        (
            [
                "CREATE TEMP TABLE one AS SELECT * FROM events WHERE position = 12",
                "UPDATE one SET position = 40",
                "DELETE FROM events WHERE position = 40",
                "INSERT INTO events SELECT * FROM one",
            ],
            [("duplicated", (12, 40)), ("deleted", (40, 40))],
        ),
        (
            [
                FOREIGN_AT_12
            ],
            [("inserted", (12,))],
        ),
        (
            [
                "UPDATE events SET position = position + 1 WHERE position >= 12",
                FOREIGN_AT_12,
            ],
            [("inserted", (12,)), ("moved", (12, 61))],
        ),
        (
            ["UPDATE events SET shard = 3 WHERE position = 12"],
            [("deleted", (12, 12)), ("foreign", ())],
        ),
        (
            [
                "ALTER TABLE events ALTER COLUMN position DROP NOT NULL",
                "UPDATE events SET position = NULL WHERE position = 12",
            ],
            [("deleted", (12, 12)), ("foreign", ())],
        ),
        (
            ["UPDATE events SET position = -12 WHERE position = 12"],
            [("deleted", (12, 12)), ("foreign", ())],
        ),
        (
            [
                f"UPDATE events SET {_FLIP} WHERE position = 3",
                "DELETE FROM events WHERE position = 8",
                "UPDATE events SET position = 30 - position WHERE position IN (10, 20)",
                "INSERT INTO events SELECT * FROM events WHERE position = 25",
                "DELETE FROM events WHERE position > 58",
            ],
            [
                ("changed", (3,)),
                ("deleted", (8, 8)),
                ("swapped", (10, 20)),
                ("duplicated", (25, 25)),
                ("cut-off", (59, 61)),
            ],
        ),
    ],
)  # fmt: skip
def test_what_was_done_is_named(
    evidence: Evidence, statements: list[str], expected: list[tuple[str, tuple[int, ...]]]
) -> None:
    evidence.attack(*statements)
    assert found(evidence) == expected


def test_a_changed_event_is_named_with_its_stream_version_and_topic(evidence: Evidence) -> None:
    row = evidence.reader.rows(19, 1)[0]
    evidence.attack(f"UPDATE events SET {_FLIP} WHERE position = 20")
    (finding,) = evidence.verify().findings
    assert (finding.stream, finding.version, finding.topic) == row[1:4]
    assert "Event 20 was changed" in finding.text
    evidence.reader.close()


def test_newer_events_are_no_failure_and_can_be_opened(evidence: Evidence) -> None:
    total = evidence.write(followed=False)
    verification = evidence.verify()
    assert verification.intact
    assert verification.unprotected == total - 61
    evidence.attack(f"UPDATE events SET {_FLIP} WHERE position = 70")
    assert evidence.verify().intact  # nothing protects it yet …
    (finding,) = evidence.verify(evidence.reader.open).findings  # … but the keys tell
    assert (finding.kind, finding.positions) == ("changed", (70,))
    evidence.attack("DELETE FROM events WHERE position = 90")
    assert found(evidence) == [("deleted", (90, 90))]
    evidence.reader.close()


def test_a_cut_that_newer_events_hide_is_found(evidence: Evidence) -> None:
    evidence.write(followed=False)
    evidence.attack("DELETE FROM events WHERE position BETWEEN 58 AND 65")
    assert found(evidence) == [("deleted", (58, 65))]


def test_the_table_taken_away_is_told_as_an_error_of_the_database(evidence: Evidence) -> None:
    import psycopg

    evidence.attack("DROP TABLE events CASCADE")
    with pytest.raises(psycopg.Error):
        evidence.verify()


def _change(path: Path, at: int) -> None:
    raw = bytearray(path.read_bytes())
    raw[at] ^= 1
    path.write_bytes(raw)


def test_a_changed_file_of_leaves_does_not_accuse_the_log(evidence: Evidence) -> None:
    _change(evidence.folder / "leaves", 32 * 10)
    assert found(evidence) == [("leaves", ())]


def test_leaves_and_log_changed_together_do_not_fit_the_signature(evidence: Evidence) -> None:
    evidence.attack("DELETE FROM events WHERE position = 61")
    leaves = evidence.folder / "leaves"
    leaves.write_bytes(leaves.read_bytes()[:-32])
    assert ("leaves", ()) in found(evidence)


def test_a_forged_checkpoint_is_not_believed(evidence: Evidence) -> None:
    note = (evidence.folder / "checkpoint").read_text()
    (evidence.folder / "checkpoint").write_text(note.replace("\n61\n", "\n60\n"))
    assert ("checkpoint", ()) in found(evidence)


@pytest.mark.parametrize("name", ["checkpoint", "log.pub"])
def test_a_missing_file_of_evidence_is_found(evidence: Evidence, name: str) -> None:
    (evidence.folder / name).unlink()
    assert ("checkpoint", ()) in found(evidence)


def test_an_older_checkpoint_that_does_not_fit_is_found(
    evidence: Evidence, ledger: LedgerDatabase
) -> None:
    from adapters.audit import note
    from tests.integration.ledger.evidence import KEY, ORIGIN

    other = note.sign(note.Checkpoint(ORIGIN, 30, bytes(32)), KEY.public_key(), KEY.sign)
    with (evidence.folder / "history").open("a") as history:
        history.write("torn by a cra")
        history.write("\n" + other)
    assert found(evidence) == [("history", ())]


@pytest.mark.parametrize("upto", [None, 61])
def test_a_hole_does_not_end_the_reading_of_the_log(
    evidence: Evidence, ledger: LedgerDatabase, upto: int | None
) -> None:
    """Nor one as long as a page: the next rows are those behind it."""
    with ledger.as_attacker() as connection:
        connection.execute("DELETE FROM events WHERE position BETWEEN 11 AND 40")
    read = [row.position for row in ledger.log.recorder.rows(10, 5, upto)]
    assert read == [41, 42, 43, 44, 45]
    assert ledger.log.recorder.rows(61, 5, upto) == []
