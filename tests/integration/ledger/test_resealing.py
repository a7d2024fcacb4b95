"""Data keys are sealed anew under the next K_DB: real token, real database, killed in between."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from adapters.hsm.keys import Hsm
from adapters.hsm.provision import make_key, open_token, provision, read_generations, spec_of
from adapters.hsm.writing import written
from adapters.postgres.data_keys import DataKeys
from adapters.postgres.resealing import Resealing
from adapters.postgres.sealing import NotSealedHere, key_id, place
from tests.integration.ledger.databases import LedgerDatabase

PIN = "a test's PIN"
KEYS = 60
_CHILD = """
import sys
from pathlib import Path
import psycopg
from adapters.hsm.keys import Hsm
from adapters.hsm.provision import open_token
from adapters.postgres.resealing import Resealing
home, dsn = sys.argv[1:]
resealing = Resealing(lambda: psycopg.connect(dsn), Hsm(open_token(Path(home), "a test's PIN")),
                      batch=2, pause_s=0.05)
print("begins", flush=True)
resealing.reseal()
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A token of these tests alone: its K_DB gets a second generation."""
    made = tmp_path_factory.mktemp("resealing")
    provision(made, PIN)
    return made


@pytest.fixture
def hsm(home: Path) -> Iterator[Hsm]:
    token = open_token(home, PIN)
    token.generations.use("K_DB", 1)
    yield Hsm(token)
    token.close()


def rotate(hsm: Hsm) -> None:
    make_key(written(hsm.token), spec_of("K_DB", 2))
    read_generations(hsm.token)
    assert hsm.db_generation == 2


def by_generation(ledger: LedgerDatabase) -> dict[int, int]:
    statement = (
        "SELECT generation, count(*) FROM data_keys WHERE parent IS NULL GROUP BY generation"
    )
    with ledger.pooled() as connection:
        return {row[0]: row[1] for row in connection.execute(statement.encode()).fetchall()}


def test_a_kill_in_the_middle_loses_nothing_and_the_next_start_goes_on(
    ledger: LedgerDatabase, home: Path, hsm: Hsm
) -> None:
    keys = DataKeys(ledger.connect, hsm)
    at = place(b"here")
    blobs = {}
    for number in range(KEYS):
        keys.begin_run_key()
        blobs[number] = keys.run_key().seal(b"%d" % number, at)
    person = uuid4()
    of_person = keys.person_key(person).seal(b"Ada", at)
    rotate(hsm)

    child = subprocess.Popen(
        [sys.executable, "-c", _CHILD, str(home), ledger.dsn], stdout=subprocess.PIPE
    )
    assert child.stdout is not None
    child.stdout.readline()
    while by_generation(ledger).get(2, 0) < KEYS // 3:
        assert child.poll() is None
        time.sleep(0.01)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    half = by_generation(ledger)
    assert half[1] > 0, "it was killed in the middle"

    def all_open() -> None:
        reader = DataKeys(ledger.connect, hsm)
        for number, blob in blobs.items():
            assert reader.key(key_id(blob)).open(blob, at) == b"%d" % number
        assert reader.key(key_id(of_person)).open(of_person, at) == b"Ada"

    all_open()
    resealing = Resealing(ledger.connect, hsm)
    resealing.start()
    while resealing.progress.left or not resealing.progress.total:
        time.sleep(0.01)
    resealing.stop()
    assert by_generation(ledger) == {2: KEYS + 1}, "the sealer of persons, too"
    all_open()
    assert keys.run_key().open(blobs[KEYS - 1], at) == b"%d" % (KEYS - 1)


def test_a_key_that_was_altered_is_told_and_holds_up_no_other(
    ledger: LedgerDatabase, hsm: Hsm
) -> None:
    keys = DataKeys(ledger.connect, hsm)
    for _ in range(5):
        keys.begin_run_key()
    rotate(hsm)
    with psycopg.connect(ledger.owner_dsn, autocommit=True) as connection:
        connection.execute(
            "UPDATE data_keys SET sealed = set_byte(sealed, 20, get_byte(sealed, 20) # 1)"
            " WHERE id = (SELECT min(id) FROM data_keys)"
        )
    resealing = Resealing(ledger.connect, hsm, batch=1, pause_s=0)
    assert resealing.reseal() == 1
    assert by_generation(ledger) == {1: 1, 2: 4}
    assert resealing.progress == (5, 1)


def test_a_generation_that_was_altered_in_a_blob_does_not_open(
    ledger: LedgerDatabase, hsm: Hsm
) -> None:
    keys = DataKeys(ledger.connect, hsm)
    at = place(b"here")
    blob = bytearray(keys.run_key().seal(b"text", at))
    blob[4] ^= 3
    with pytest.raises(NotSealedHere, match="tag"):
        keys.run_key().open(bytes(blob), at)
