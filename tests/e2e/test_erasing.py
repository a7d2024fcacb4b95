"""A person is erased by two operators: the name is nowhere, the money is where it was."""

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest

from adapters.audit.erasures import Erasures
from adapters.cli import exit_codes
from adapters.ledger_core import open_hsm
from adapters.postgres.data_keys import DataKeys
from adapters.postgres.databases import ledger_dsn
from adapters.postgres.embedded import SUPERUSER, Cluster
from adapters.postgres.mapper import event_place
from adapters.postgres.sealing import NotSealedHere, key_id
from domain.event import decode
from tests.e2e.installation import Installation
from tests.e2e.restored_copy import Copy
from tests.e2e.secret_forms import files_below
from tests.e2e.tills import Tills
from tests.e2e.town import FIRST_NAME, LAST_NAME, Town, found_town

pytestmark = pytest.mark.timeout(400)


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    made = Installation(tmp_path_factory.mktemp("erasing") / "home")
    try:
        made.start()
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="module")
def town(own: Installation) -> Town:
    return asyncio.run(found_town(own, cards=2))


def card_row(own: Installation, town: Town, number: int) -> dict[str, Any]:
    rows = own.json("list", "cards", town.company)
    (row,) = (row for row in rows if row["card"] == str(town.cards[number].id))
    found: dict[str, Any] = row
    return found


def pays(town: Town) -> bool:
    async def once() -> bool:
        async with Tills.opened(town) as tills:
            await tills.tills[0].pay_until_approved(20, pin=True)
        return True

    return asyncio.run(once())


def approve(own: Installation, proposal: dict[str, Any]) -> dict[str, Any]:
    done = own.json("proposal", "approve", proposal["proposal"], "--as", "operator-2")
    result: dict[str, Any] = done["result"]
    return result


class Dump:
    """What lies in the database, and everything that the HSM opens of it."""

    def __init__(self, own: Installation, subject: UUID) -> None:
        hsm = open_hsm(own.settings)
        try:
            with psycopg.connect(ledger_dsn(own.settings), autocommit=True) as connection:
                self.row = connection.execute(
                    "SELECT sealed FROM data_keys WHERE kind = 'person' AND subject = %s",
                    (subject,),
                ).fetchone()
                self.keys = [row[0] for row in connection.execute("SELECT id FROM data_keys")]
                data_keys = DataKeys(lambda: connection, hsm)
                rows = connection.execute(
                    "SELECT originator_version, topic, state FROM events"
                    " WHERE originator_id = %s ORDER BY originator_version",
                    (subject,),
                ).fetchall()
                self.read = list(self._opened(data_keys, subject, rows))
        finally:
            hsm.token.close()

    def _opened(self, keys: DataKeys, subject: UUID, rows: list[Any]) -> Iterator[Any]:
        for version, topic, state in rows:
            place = event_place(subject, version, topic)
            for id in {*self.keys, key_id(bytes(state))}:
                with suppress(KeyError, NotSealedHere):
                    yield decode(topic, keys.key(id).open(bytes(state), place))


def test_a_person_is_erased_and_nothing_else(own: Installation, town: Town, tmp_path: Path) -> None:
    assert pays(town)
    row = card_row(own, town, 0)
    name = f"{FIRST_NAME} {LAST_NAME}"
    assert row["name"] == name
    subject = UUID(row["cardholder"])
    backup = tmp_path / "before.tar"
    own.json("backup", str(backup))
    before = Dump(own, subject)
    assert [each.first_name for each in before.read] == [FIRST_NAME], "as long as there is a key"
    assert before.row is not None

    proposal = own.json("privacy", "erase", str(subject), "--why", "asked for it in writing")
    assert proposal["status"] == "waiting"
    assert card_row(own, town, 0)["name"] == name, "one operator erases nobody"
    assert own.run("proposal", "approve", proposal["proposal"], "--as", "operator-1").returncode
    blind = own.run("proposal", "approve", proposal["proposal"])
    assert (blind.returncode, "--as" in blind.stderr) == (2, True)
    shown = own.run("proposal", "show", proposal["proposal"]).stdout
    assert all(each in shown for each in (str(subject), name, proposal["command_hash"]))
    assert card_row(own, town, 0)["name"] == name
    assert approve(own, proposal)["cardholder"] == str(subject)

    # At once, in the running system: no cache knows the name any more.
    assert card_row(own, town, 0)["name"] == ""
    assert card_row(own, town, 1)["name"] == name, "somebody of the same name stays"
    balances = {
        r["account"]: r["balance_cents"] for r in own.json("list", "accounts", town.company)
    }
    history = own.json("audit", "history", str(town.cards[0].id))
    assert any(line["what"].startswith("Erased: this person") for line in history)
    assert any(line["topic"] == "cardholder.erased/1" for line in history)
    assert not any(FIRST_NAME in str(line) or LAST_NAME in str(line) for line in history)
    assert pays(town), "the card of an erased person pays until it is blocked"

    # The dump and the HSM together do not bring it back, nor do the files of the table.
    after = Dump(own, subject)
    assert after.row is None
    assert [type(each).__name__ for each in after.read] == ["CardholderErased"]
    sealed = bytes(before.row[0])
    cluster = Cluster(own.home, "ledger")
    with psycopg.connect(cluster.dsn(SUPERUSER), autocommit=True) as connection:
        connection.execute("CHECKPOINT")
        (folder,) = connection.execute("SHOW data_directory").fetchone() or ("",)
    lying = [at for at, content in files_below(Path(folder) / "base") if sealed in content]
    assert lying == []

    # The books and the proofs hold.
    own.verify_log()
    account = town.cards[0].account
    assert balances[str(account)] > 0
    position = next(line for line in history if line["topic"] == "cardholder.erased/1")["position"]
    proof = tmp_path / "proof.json"
    own.run("audit", "prove", str(position), "--out", str(proof))
    assert proof.exists()

    # Nobody is erased twice; and after a start from the disk it is so, too.
    again = own.run("privacy", "erase", str(subject), "--why", "twice")
    assert (again.returncode, "was erased before" in again.stderr) == (1, True)
    process = own.part("backend")["pid"]
    own.kill("backend")
    own.wait_up("backend", other_than=process)
    assert card_row(own, town, 0)["name"] == ""
    assert pays(town)

    # A backup of before knows the person; its restore does not.
    copy = Copy(tmp_path / "copy")
    said = copy.restore(str(backup), "--rehearsal", "--published", str(own.home / "checkpoints"))
    assert said["erased_again"] == 1
    ledger = Cluster(copy.home, "ledger")
    with ledger.start_temporarily(), psycopg.connect(ledger.dsn(SUPERUSER)) as connection:
        found = connection.execute("SELECT subject FROM data_keys WHERE kind = 'person'").fetchall()
    assert subject not in {row[0] for row in found}


def test_what_a_crash_left_undone_is_done_at_the_next_start(own: Installation, town: Town) -> None:
    """The record is there; neither list nor key heard of it."""
    subject = UUID(card_row(own, town, 1)["cardholder"])
    with psycopg.connect(Cluster(own.home, "ledger").dsn(SUPERUSER)) as connection:
        key = connection.execute(
            "SELECT id, kind, subject, generation, parent, sealed FROM data_keys"
            " WHERE subject = %s", (subject,)
        ).fetchone()  # fmt: skip
    assert key is not None
    approve(own, own.json("privacy", "erase", str(subject), "--why", "a test"))
    own.stop()
    Erasures(own.settings.checkpoints)._path.unlink()
    cluster = Cluster(own.home, "ledger")
    with cluster.start_temporarily(), psycopg.connect(cluster.dsn(SUPERUSER)) as connection:
        connection.execute(
            "INSERT INTO data_keys (id, kind, subject, generation, parent, sealed)"
            " VALUES (%s, %s, %s, %s, %s, %s)", key
        )  # fmt: skip
    own.start()
    assert card_row(own, town, 1)["name"] == ""
    assert subject in {each.subject for each in Erasures(own.settings.checkpoints).read()}
    with psycopg.connect(Cluster(own.home, "ledger").dsn(SUPERUSER)) as connection:
        left = connection.execute("SELECT 1 FROM data_keys WHERE subject = %s", (subject,))
        assert left.fetchone() is None


def test_nobody_is_refused_clearly(own: Installation) -> None:
    refused = own.run("privacy", "erase", str(UUID(int=9)), "--why", "a test")
    assert refused.returncode == 1
    assert "no cardholder with that id" in refused.stderr
    assert own.run("privacy", "erase", "nobody", "--why", "x").returncode == 2


def test_with_an_altered_list_the_backend_says_what_to_do_and_does_not_start(
    own: Installation,
) -> None:
    own.stop()
    path = own.settings.checkpoints / "erasures"
    whole = path.read_text()
    path.write_text(whole.replace("-", "=", 1))
    try:
        with Cluster(own.home, "ledger").start_temporarily():
            done = own.run("backend")
        assert done.returncode == exit_codes.INTEGRITY_BROKEN
        assert "line 1 of" in done.stderr
        assert "Put the file back" in done.stderr
        assert "Traceback" not in done.stderr
    finally:
        path.write_text(whole)
    own.start()
