"""Evidence from end to end: proofs for strangers, checkpoints elsewhere, an old backup refused."""

import asyncio
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from adapters.cli import exit_codes
from adapters.postgres.embedded import Cluster
from tests.e2e.installation import Installation, until
from tests.e2e.tills import Tills
from tests.e2e.town import found_town
from tests.unit.audit.https_server import Witness, serving

STRANGER = Path(__file__).parents[2] / "docs" / "verify_proof.py"


class Audited(Installation):
    """An installation of its own whose checkpoints are published to a folder and a witness."""

    def __init__(self, folder: Path, witness: Witness) -> None:
        self.published = folder / "published"
        self.desk = folder / "desk"
        self.desk.mkdir()
        super().__init__(folder / "home")
        settings = self.home / "settings.json"
        settings.write_text(
            json.dumps(
                json.loads(settings.read_text())
                | {
                    "publish_folder": str(self.published),
                    "publish_urls": [witness.url],
                    "publish_ca_file": str(witness.ca_file),
                    "publish_every_s": 1,
                }
            )
        )
        self.start()
        self.key = str(self.home / "checkpoints" / "log.pub")
        self.root = str(self.home / "operators" / "auditor-1" / "root.pem")

    def pay(self) -> str:
        """A payment's transaction id."""

        async def once() -> str:
            town = await found_town(self)
            async with Tills.opened(town) as tills:
                outcome = await tills.tills[0].pay(1_250)
                assert outcome.approved
                return str(outcome.transaction)

        return asyncio.run(once())

    def audit(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return self.run("audit", *arguments)

    def checkpoints(self) -> dict[str, Any]:
        found: dict[str, Any] = self.json("status")["backend"]["checkpoints"]
        return found


@pytest.fixture(scope="module")
def witness(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Witness]:
    with serving(tmp_path_factory.mktemp("witness")) as witness:
        yield witness


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory, witness: Witness) -> Iterator[Audited]:
    made = Audited(tmp_path_factory.mktemp("audited"), witness)
    try:
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="module")
def payment(audited: Audited) -> str:
    return audited.pay()


def test_a_payment_is_proven_with_a_receipt(audited: Audited, payment: str) -> None:
    proof = str(audited.desk / "payment.json")
    done = audited.audit("prove", payment, "--receipt", "--out", proof)
    assert done.returncode == 0, done.stderr
    assert "transaction.authorized/2" in done.stdout
    done = audited.audit("check", proof, "--key", audited.key, "--root", audited.root)
    assert done.returncode == 0, done.stderr
    assert f"payment {payment}, approved (code 00), worth $12.50" in done.stdout
    said = subprocess.run(
        [sys.executable, "-I", str(STRANGER), proof, audited.key], capture_output=True, text=True
    )
    assert said.returncode == 0, said.stderr
    assert "(transaction.authorized/2) is in ticketrestaurant/log/" in said.stdout
    assert audited.audit("prove", payment, "--out", proof).returncode == exit_codes.USAGE
    tampered = Path(proof).read_text().replace("authorized", "declined", 1)
    (audited.desk / "tampered.json").write_text(tampered)
    done = audited.audit("check", str(audited.desk / "tampered.json"), "--key", audited.key)
    assert done.returncode == exit_codes.INTEGRITY_BROKEN


def test_positions_and_what_is_not_there(audited: Audited, payment: str) -> None:
    assert "Event 1:" in audited.audit("prove", "1").stdout
    for wrong in ("99999999", "0192f0c1-7c1e-8001-8000-0123456789ab"):
        done = audited.audit("prove", wrong)
        assert done.returncode == exit_codes.REFUSED, done.stdout + done.stderr
        assert "no such event" in done.stderr
    company = audited.json("list", "companies")[0]["company"]
    assert audited.audit("prove", company, "--receipt").returncode == exit_codes.REFUSED
    for wrong in ("0", "x", "1 --receipt"):
        assert audited.audit("prove", *wrong.split()).returncode == exit_codes.USAGE


def test_a_log_that_grew_extends_what_an_auditor_kept(audited: Audited, payment: str) -> None:
    kept, file = audited.desk / "kept", str(audited.desk / "extension.json")
    shutil.copy(audited.home / "checkpoints" / "checkpoint", kept)
    audited.pay()
    done = audited.audit("consistency", str(kept), "--key", audited.key, "--out", file)
    assert done.returncode == 0, done.stderr
    assert "nothing of them was changed" in done.stdout
    offline = audited.audit("consistency", str(kept), "--key", audited.key, "--proof", file)
    assert offline.stdout == done.stdout


def test_a_dump_is_verified_against_what_the_witness_got(
    audited: Audited, payment: str, witness: Witness
) -> None:
    signed = audited.checkpoints()["signed_events"]
    until(lambda: all(each["events"] >= signed for each in audited.checkpoints()["published"]),
          "published everywhere")  # fmt: skip
    note, dump = audited.desk / "witnessed", audited.desk / "ledger.sql"
    note.write_text(witness.bodies()[-1])
    assert int(note.read_text().split("\n")[1]) >= signed > 20
    command = audited.json("status")["ledger"]["dump_command"]
    dump.write_bytes(subprocess.run(command, shell=True, capture_output=True, check=True).stdout)
    arguments = ["verify", "--offline", str(dump), "--checkpoints", str(note), "--key", audited.key]
    done = audited.audit(*arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "events are what was written" in done.stdout
    text = dump.read_bytes()
    dump.write_bytes(
        text.replace(b"\ttransaction.authorized/2\t", b"\ttransaction.declined/2\t", 1)
    )
    done = audited.audit(*arguments)
    assert done.returncode == exit_codes.INTEGRITY_BROKEN
    done = audited.audit("verify", "--offline", str(dump))
    assert done.returncode == exit_codes.INTEGRITY_BROKEN
    assert "transaction.declined/2" in done.stdout, "with the leaves, the event is named"
    assert audited.audit("verify", "--offline", str(note)).returncode == exit_codes.USAGE


def test_trouble_with_a_place_is_shown_and_holds_up_nothing(
    audited: Audited, witness: Witness
) -> None:
    witness.status = 503
    audited.pay()
    until(lambda: "503" in audited.checkpoints()["published"][1]["trouble"], "trouble is shown")
    assert f"NOT published to {witness.url}: it answered HTTP 503" in audited.run("status").stdout
    log = (audited.home / "logs" / "backend.log").read_text()
    assert log.count("it answered HTTP 503") == 1
    witness.status = 204
    until(lambda: not audited.checkpoints()["published"][1]["trouble"], "all is well again")


def test_an_old_backup_is_not_served(audited: Audited, payment: str) -> None:
    audited.stop()
    saved = str(audited.desk / "backup.tar")
    assert audited.run("backup", saved).returncode == 0
    audited.start()
    audited.pay()
    audited.stop()
    home, kept = audited.home, audited.home.with_name("newest")
    home.rename(kept)
    done = audited.run("restore", saved)
    assert done.returncode == exit_codes.INTEGRITY_BROKEN, "the published folder is asked"
    assert "were answered and are not in it" in done.stderr
    away = audited.published.rename(audited.published.with_name("not-mounted"))
    done = audited.run("restore", saved)
    away.rename(audited.published)
    assert done.returncode == 0, done.stderr
    assert audited.audit("verify").returncode == 0, "consistent in itself"
    done = audited.audit("verify", "--checkpoints", str(audited.published))
    assert done.returncode == exit_codes.INTEGRITY_BROKEN
    with Cluster(home, "ledger").start_temporarily():
        done = audited.run("backend")
    assert done.returncode == exit_codes.INTEGRITY_BROKEN, done.stderr
    assert "this is an older state" in done.stderr
    assert "Put back the newest state" in done.stderr
    shutil.rmtree(home)
    kept.rename(home)
    audited.start()
    assert audited.pay()
