"""A dump by the real pg_dump says, without any database, what the database itself says."""

import re
import subprocess
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from adapters.audit.dump import DumpRows
from adapters.audit.findings import Verification
from adapters.audit.folder import CheckpointFolder, NoteFile
from adapters.audit.places import FolderPlace
from adapters.audit.proof_file import UnusableFile
from adapters.audit.row_sources import DatabaseRows
from adapters.audit.stored_rows import rows
from adapters.audit.verify import verify_rows
from adapters.postgres import binaries
from tests.integration.ledger.databases import LedgerDatabase
from tests.integration.ledger.evidence import KEY, Evidence
from tests.integration.ledger.test_tampering import COPY_AT_62, FOREIGN_AT_12


class Dumped(Evidence):
    """`dump` writes a file; `verify_dump` looks at it."""

    def dump(self, *options: str) -> Path:
        cluster = self.ledger.cluster
        dsn = conninfo_to_dict(cluster.dsn("postgres", self.ledger.name))
        file = self.folder.with_name("ledger.sql")
        command = [
            *(str(binaries.program("pg_dump")), "-h", str(dsn["host"]), "-U", "postgres"),
            *("-f", str(file), *options, self.ledger.name),
        ]
        environment = {**binaries.environment(), "PGPASSFILE": str(dsn["passfile"])}
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return file

    def verify_dump(self, folder: CheckpointFolder | None = None, **options: str) -> Verification:
        return verify_rows(
            DumpRows(self.dump()),
            folder or CheckpointFolder(self.folder),
            key=KEY.public_key(),
            leaves_needed=folder is None,
        )


@pytest.fixture
def evidence(ledger: LedgerDatabase, tmp_path: Path) -> Dumped:
    evidence = Dumped(ledger, tmp_path / "checkpoints")
    assert evidence.write() == 61
    return evidence


def test_a_dump_has_the_rows_of_the_database_byte_for_byte(evidence: Dumped) -> None:
    evidence.attack(
        r"UPDATE events SET topic = E'tab\t, line\n, \\ and \\x41 é' WHERE position = 7"
    )
    with psycopg.connect(evidence.ledger.auditor_dsn) as connection:
        stored = list(rows(connection, 0))
    with DumpRows(evidence.dump()).reading() as (dumped, _):
        assert list(dumped) == stored


_ATTACKS = {
    "none": [],
    "changed": ["UPDATE events SET state = set_byte(state, 60, 1) WHERE position IN (20, 61)"],
    "deleted": ["DELETE FROM events WHERE position BETWEEN 30 AND 33"],
    "cut off": ["DELETE FROM events WHERE position > 50"],
    "swapped": [
        "UPDATE events SET position = 1000 - position WHERE position IN (10, 40)",
        "UPDATE events SET position = CASE position WHEN 990 THEN 40 ELSE 10 END"
        " WHERE position > 900",
    ],
    "duplicated": [COPY_AT_62],
    "inserted": [FOREIGN_AT_12],
    "of another shard": ["UPDATE events SET shard = 3 WHERE position = 5"],
    "all gone": ["DELETE FROM events"],
}


@pytest.mark.parametrize("attack", _ATTACKS)
def test_it_names_what_the_database_names(evidence: Dumped, attack: str) -> None:
    evidence.attack(*_ATTACKS[attack])
    in_database = evidence.verify()
    in_dump = evidence.verify_dump()
    assert in_dump.findings == in_database.findings
    assert in_dump.intact == (attack == "none")
    assert (in_dump.rows, in_dump.unprotected) == (in_database.rows, in_database.unprotected)


@pytest.mark.parametrize("kind", ["folder", "note"])
@pytest.mark.parametrize("attack", _ATTACKS)
def test_a_published_checkpoint_alone_will_do(
    evidence: Dumped, tmp_path: Path, attack: str, kind: str
) -> None:
    evidence.write(followed=False)  # newer events are no failure
    note = (evidence.folder / "checkpoint").read_text()
    published = tmp_path / "published"
    FolderPlace(published, KEY.public_key()).publish(note, 1)
    evidence.attack(*_ATTACKS[attack])
    folder = CheckpointFolder(published)
    found = evidence.verify_dump(folder if kind == "folder" else NoteFile(published / "checkpoint"))
    source = DatabaseRows(evidence.ledger.auditor_dsn, 0)
    online = verify_rows(source, folder, key=KEY.public_key(), leaves_needed=False)
    assert found.findings == online.findings
    if attack in ("none", "duplicated"):  # the copy is behind what was signed
        assert found.protected == 61
        assert found.intact == (attack == "none")
    else:
        assert not found.intact
        assert "The events are not the 61 that were signed" in found.findings[-1].text


def test_what_is_no_dump_is_told_so(evidence: Dumped, tmp_path: Path) -> None:
    text = evidence.dump().read_text()
    copy = re.search(r"^COPY public.events .*?^\\\.$", text, re.MULTILINE | re.DOTALL)
    assert copy is not None
    row = copy[0].splitlines()[1]
    wrong = {
        "": "no rows of events",
        "SELECT 1;": "no rows of events",
        text[: copy.start() + 900]: "cut off",
        f"{text}\n{copy[0]}\n": "twice",
        text.replace("originator_version, topic, state)", "topic, state)", 1): "other columns",
        text.replace(row, row.replace("\\\\x", "\\\\y", 1)): "row 1 of events",
        text.replace(row, row + "\t1"): "row 1 of events",
        text.replace(row, row.partition("\t")[2]): "row 1 of events",
        text.replace(row, "\\N" + row[1:]): "row 1 of events",
    }
    file = tmp_path / "wrong.sql"
    for content, said in wrong.items():
        file.write_text(content)
        with pytest.raises(UnusableFile, match=said), DumpRows(file).reading() as (found, _):
            list(found)
    with (
        pytest.raises(UnusableFile, match="pg_restore"),
        DumpRows(evidence.dump("--format=custom")).reading(),
    ):
        pass
    for missing in (tmp_path / "missing", tmp_path):
        with pytest.raises(UnusableFile), DumpRows(missing).reading():
            pass
