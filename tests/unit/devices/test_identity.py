"""The identity folder, the key store and the journal: whole, private, or refused with a reason."""

import json
import time
from pathlib import Path

import pytest

from devices.durable import append_durably, write_durably
from devices.identity import IdentityError, load_device, parse_address
from devices.keystore import FileKeyStore, KeyStoreError
from devices.pos.bills import Bill, Bills
from devices.pos.journal import MOST_PENDING, Journal, JournalError, Pending
from protocol.signature import verifies
from tests.unit.devices.authority import PAN, Authority


def test_a_folder_is_loaded_and_signs_with_its_own_key(authority: Authority) -> None:
    device = load_device(authority.device("pos"), "pos")
    peer = authority.trust().verify(device.identity.chain_der, time.time_ns() // 1_000_000)
    assert (peer.subject_id, peer.role, peer.kid) == (device.id, "pos", device.serial)
    assert verifies(peer.public_key, device.keystore.sign(b"hello"), b"hello")
    assert (device.folder.stat().st_mode & 0o777) == 0o700


def test_another_role_is_refused(authority: Authority) -> None:
    with pytest.raises(IdentityError, match="of role pos; card is needed"):
        load_device(authority.device("pos"), "card")


@pytest.mark.parametrize(
    "name",
    ["identity.json", "certificate.pem", "key.pem", "root.pem", "tls-ca.pem", "tls.pem", "tls.key"],
)
@pytest.mark.parametrize("how", ["missing", "damaged"])
def test_an_incomplete_folder_is_refused(authority: Authority, name: str, how: str) -> None:
    folder = authority.device("pos")
    if how == "missing":
        (folder / name).unlink()
    else:
        (folder / name).write_bytes(b"-----BEGIN NOTHING-----\n")
    with pytest.raises(IdentityError):
        load_device(folder)


def test_a_key_that_others_can_read_is_refused(authority: Authority) -> None:
    folder = authority.device("pos")
    (folder / "key.pem").chmod(0o644)
    with pytest.raises(IdentityError, match="can be read by others"):
        load_device(folder)


def test_a_seal_opens_for_its_purpose_and_key_store_only(authority: Authority) -> None:
    one, two = FileKeyStore(authority.device("pos")), FileKeyStore(authority.device("pos", "p2"))
    sealed = one.seal("reversal", b"secret")
    assert one.unseal("reversal", sealed) == b"secret"
    assert b"secret" not in sealed
    for store, purpose, box in (
        (two, "reversal", sealed),
        (one, "card", sealed),
        (one, "reversal", sealed[:-1] + bytes([sealed[-1] ^ 1])),
        (one, "reversal", b""),
    ):
        with pytest.raises(KeyStoreError):
            store.unseal(purpose, box)


def pending(counter: int) -> Pending:
    return Pending(counter, 1, "hash", 500, "card", pan=PAN, salt="salt")


def test_the_journal_forgets_neither_counter_nor_payment(authority: Authority) -> None:
    folder = authority.device("pos")
    keystore = FileKeyStore(folder)
    journal = Journal(folder, keystore)
    assert (journal.reserve(), journal.reserve(5), journal.reserve()) == (1, 2, 7)
    journal.begin(pending(7))
    later = Journal(folder, keystore)
    assert (later.reserve(), later.pending()) == (8, [pending(7)])
    assert PAN not in repr(later.pending())
    later.settle(7)
    assert Journal(folder, keystore).pending() == []
    assert "sealed" not in (folder / "state.json").read_text()


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"counter": "x", "pending": []}'])
def test_a_damaged_journal_stops_the_pos(authority: Authority, content: str) -> None:
    folder = authority.device("pos")
    (folder / "state.json").write_text(content)
    with pytest.raises(JournalError, match="needs service"):
        Journal(folder, FileKeyStore(folder))


def test_a_pending_payment_of_another_key_store_stops_the_pos(authority: Authority) -> None:
    folder = authority.device("pos")
    Journal(folder, FileKeyStore(folder)).begin(pending(1))
    other = FileKeyStore(authority.device("pos", "p2"))
    with pytest.raises(JournalError, match="cannot be opened"):
        Journal(folder, other).pending()


def test_the_journal_is_bounded(authority: Authority) -> None:
    folder = authority.device("pos")
    rows = [{"counter": n, "sealed": ""} for n in range(MOST_PENDING)]
    (folder / "state.json").write_text(json.dumps({"counter": 200, "pending": rows}))
    with pytest.raises(JournalError, match="connect first"):
        Journal(folder, FileKeyStore(folder)).begin(pending(201))


def test_a_bill_cut_off_by_a_power_failure_spoils_no_other(tmp_path: Path) -> None:
    bills = Bills(tmp_path)
    bills.add(Bill(1, 0, "unanswered", 500, "card", items=[{"item": "1"}]))
    append_durably(tmp_path / "bills.jsonl", b'\n{"counter": 2, "ms"')
    bills.add(Bill(3, 0, "approved", 700, "card"))
    bills.add(Bill(1, 0, "reversed", 500, "card"))
    latest = bills.latest(9)
    assert [(bill.counter, bill.state) for bill in latest] == [(1, "reversed"), (3, "approved")]
    assert latest[0].items == [{"item": "1"}]


def test_a_durable_file_is_private_and_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    for content in (b"one", b"two"):
        write_durably(path, content)
        assert path.read_bytes() == content
    assert path.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


def test_addresses() -> None:
    assert parse_address("127.0.0.1:7300") == ("127.0.0.1", 7300)
    assert parse_address("[::1]:7300") == ("::1", 7300)
    for wrong in ("", "host", "host:", ":1", "host:0", "host:70000", "host:x"):
        with pytest.raises(ValueError):
            parse_address(wrong)
