"""Who is erased is nowhere in the table's files, and no payment waits for that."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID, uuid4

import psycopg
import pytest

from adapters.audit.erasures import NAME, Erasures, ErasuresBroken
from adapters.erasing import Eraser
from adapters.wiping import FILE, READ_BY_OTHERS, SEEN_BY_OTHERS, Wiping
from domain.aggregates import cardholder as cardholders
from tests.integration.ledger.databases import LedgerDatabase
from tests.unit.application.ledger_double import NOW_US, context


class Clock:
    def now_us(self) -> int:
        return NOW_US


class Place:
    """An eraser over a database of its own."""

    def __init__(self, ledger: LedgerDatabase, folder: Path) -> None:
        self.ledger, self.folder, self.copy = ledger, folder, folder / "published" / "log"
        self.own = folder / "checkpoints"
        self.own.mkdir()
        self.made: list[Eraser] = []

    def eraser(self, *, published: bool = False) -> Eraser:
        self.wiping = Wiping(self.folder / FILE, self.ledger.connect)
        copy = Erasures(self.copy) if published else None
        made = Eraser(
            *(Erasures(self.own), self.ledger.keys, self.ledger.connect, Clock(), self.wiping),
            copy,
        )
        self.made.append(made)
        return made

    def person(self, *, erased: bool) -> UUID:
        """A cardholder with a key, and on record as erased or not."""
        id = uuid4()
        register = cardholders.register(
            context(), id, company_id=uuid4(), first_name="A", last_name="B", email="a@b.example"
        )
        holder = cardholders.evolve(None, register)
        event = cardholders.erase(context(), holder, why="a test")
        assert event is not None
        self.ledger.log.append([register, *([event] if erased else [])])
        self.ledger.keys.person_key(id)
        return id

    def sealed(self, id: UUID) -> bytes | None:
        with self.ledger.connect() as connection:
            row = connection.execute(
                "SELECT sealed FROM data_keys WHERE subject = %s", (id,)
            ).fetchone()
        return bytes(row[0]) if row else None

    def lies_in_files(self, sealed: bytes) -> bool:
        with self.ledger.as_attacker() as connection:
            connection.execute("CHECKPOINT")
            row = connection.execute("SELECT pg_relation_filepath('data_keys')").fetchone()
        assert row is not None
        return sealed in (self.ledger.cluster.data / row[0]).read_bytes()


@pytest.fixture
def place(ledger: LedgerDatabase, tmp_path: Path) -> Iterator[Place]:
    made = Place(ledger, tmp_path)
    yield made
    for each in made.made:
        each.stop()


def until(seen: Callable[[], bool], within_s: float = 8.0) -> None:
    end_s = time.monotonic() + within_s
    while not seen():
        assert time.monotonic() < end_s
        time.sleep(0.02)


def test_a_key_is_deleted_and_lies_nowhere(place: Place) -> None:
    id = place.person(erased=True)
    sealed = place.sealed(id)
    assert sealed is not None
    assert place.lies_in_files(sealed)
    place.eraser().erase(id)
    assert place.sealed(id) is None
    assert not place.lies_in_files(sealed)
    assert (place.wiping.pending, (place.folder / FILE).exists()) == ("", False)


def test_nobody_is_erased_whose_erasure_is_not_on_record(place: Place) -> None:
    id = place.person(erased=False)
    place.eraser().erase(id)
    assert place.sealed(id) is not None
    assert Erasures(place.own).read() == []


@pytest.mark.parametrize("how", ["it reads the table", "it only sees the key"])
def test_while_a_dump_runs_keys_can_be_had_and_the_rest_is_done_later(
    place: Place, how: str
) -> None:
    id = place.person(erased=True)
    sealed = place.sealed(id)
    assert sealed is not None
    eraser = place.eraser()
    other = place.ledger.keys.person_key(place.person(erased=False)).id
    with place.ledger.connect() as dump:
        dump.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        dump.execute("SELECT count(*) FROM " + ("data_keys" if "table" in how else "events"))
        began_s = time.monotonic()
        eraser.start()  # its thread goes on trying
        eraser.erase(id)
        assert place.sealed(id) is None
        while time.monotonic() < began_s + 3:
            asked_s = time.monotonic()
            place.ledger.keys._person_keys.clear()
            place.ledger.keys.key(other)
            assert time.monotonic() - asked_s < 0.5, "a payment waits for the dump"
        why = READ_BY_OTHERS if "table" in how else SEEN_BY_OTHERS
        assert why in place.wiping.pending
        assert place.lies_in_files(sealed)
    until(lambda: not place.wiping.pending)
    assert not place.lies_in_files(sealed)


def test_a_crash_does_not_forget_what_is_left(place: Place) -> None:
    id = place.person(erased=True)
    sealed = place.sealed(id)
    assert sealed is not None
    place.eraser()._delete([id])  # and never written anew: as killed then
    assert place.lies_in_files(sealed)
    place.eraser().start()
    until(lambda: not place.wiping.pending)
    assert not place.lies_in_files(sealed)


def test_what_the_owner_did_counts(place: Place) -> None:
    id = place.person(erased=True)
    place.eraser()._delete([id])
    with psycopg.connect(place.ledger.owner_dsn, autocommit=True) as connection:
        connection.execute("VACUUM (FULL) data_keys")
    with place.ledger.connect() as reader:
        reader.execute("SELECT count(*) FROM data_keys")  # nothing of ours would get the table
        assert place.wiping.attempt()


def test_a_list_that_is_published_later_names_everybody(place: Place) -> None:
    id = place.person(erased=True)
    place.eraser().start()
    assert {each.subject for each in Erasures(place.own).read()} == {id}
    place.eraser(published=True).start()
    assert not (place.copy / NAME).exists(), "a mount that is missing is not written below"
    place.copy.parent.mkdir()
    until(lambda: (place.copy / NAME).exists())
    assert {each.subject for each in Erasures(place.copy).read()} == {id}


def test_an_altered_list_is_an_alarm_at_the_start(place: Place) -> None:
    Erasures(place.own).add([])
    (place.own / NAME).write_text("1 somebody else\n")
    with pytest.raises(ErasuresBroken, match="Put the file back"):
        place.eraser().start()
