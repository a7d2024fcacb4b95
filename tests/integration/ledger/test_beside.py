"""A read model built beside the one in use: it comes to the same, tells what differs, replaces."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from adapters.backend.operator_ports import Denied
from adapters.beside import Beside
from adapters.postgres.book_tables import PostgresBooks
from adapters.postgres.card_stream_table import PostgresCardStreams
from adapters.postgres.directory_table import PostgresDirectory
from adapters.postgres.log_reader import SealedLogReader
from adapters.postgres.projection_store import ProjectionDatabase
from adapters.postgres.read_model_diff import shapes
from adapters.postgres.settlement_tables import PostgresSettlements
from application.ports import Unavailable
from projections.books import Books
from projections.card_streams import CardStreams
from projections.directory import Directory
from projections.ports import Projection
from projections.settlements import Settlements
from tests.integration.ledger.databases import LedgerDatabase
from tests.integration.ledger.town import NOW_US, Town, busy_day
from tests.integration.ledger.views import TABLES, Views

ALL = ("settlements", "directory", "card_streams", "books")


class World:
    """A running set of projections over a day's payments, and what rebuilds beside them."""

    def __init__(self, ledger: LedgerDatabase) -> None:
        self.ledger = ledger
        self.town = Town()
        ledger.append(busy_day(self.town, people=4, payments=30))
        self.views = Views(ledger, poll_s=0.05)
        self.views.runner.start()
        self.beside = Beside(
            ledger.connect, ledger.keys, self._projections, self._reader, self.views.runner,
            lambda: NOW_US, share=lambda: 1.0,
        )  # fmt: skip
        self.met()

    def _projections(self, database: ProjectionDatabase) -> list[Projection]:
        return [
            Settlements(PostgresSettlements(database, self.ledger.keys)),
            Directory(PostgresDirectory(database, self.ledger.keys)),
            CardStreams(PostgresCardStreams(database)),
            Books(PostgresBooks(database, self.ledger.keys), 7),
        ]

    def _reader(self) -> SealedLogReader:
        return SealedLogReader(self.ledger.connect, self.ledger.mapper)

    def met(self) -> None:
        """Waits until every projection in use holds the whole log."""
        head = self.ledger.log.recorder.position
        for each in self.views.runner.progress():
            assert self.views.runner.wait_for(each.name, head)

    def more(self) -> None:
        """The next day's events."""
        self.town = Town(self.town.now_us + 86_400_000_000)
        self.ledger.append(busy_day(self.town, people=2, payments=9))

    def change(self, statement: str) -> None:
        with self.ledger.as_attacker() as connection:
            connection.execute(statement.encode())

    def close(self) -> None:
        self.beside.stop()
        self.views.close()


@pytest.fixture
def world(ledger: LedgerDatabase) -> Iterator[World]:
    world = World(ledger)
    yield world
    world.close()


@pytest.mark.parametrize("name", ALL)
def test_the_copy_is_the_same_and_takes_its_place(world: World, name: str) -> None:
    before = world.views.content()
    world.beside.rebuild(name)
    assert world.beside.diff(name)["total"] == 0
    world.more()
    assert world.beside.diff(name)["total"] == 0
    world.beside.switch(name)
    world.more()
    world.met()
    after = world.views.content()
    assert len(after["payments"]) > len(before["payments"])
    replayed = Views(world.ledger)
    world.views.runner.stop()
    for projection in replayed.runner.progress():
        replayed.runner.rebuild(projection.name)
    replayed.catch_up()
    assert replayed.content() == after
    replayed.close()


def test_every_table_of_a_read_model_can_be_compared(world: World) -> None:
    known = shapes(world.ledger.keys).keys()
    projections = world._projections(ProjectionDatabase(world.ledger.connect))
    assert {table for each in projections for table in each.tables} == known


def test_what_differs_is_told(world: World) -> None:
    world.change("DELETE FROM settlements WHERE position = (SELECT min(position) FROM settlements)")
    world.change(
        "UPDATE settlements SET payload = '\\x00' WHERE position ="
        " (SELECT max(position) FROM settlements)"
    )
    world.beside.rebuild("settlements")
    told = world.beside.diff("settlements")
    assert told["total"] == 2
    assert sorted(what for _, _, what, _ in told["rows"]) == ["differs", "missing"]
    (damaged,) = [fields for _, _, what, fields in told["rows"] if what == "differs"]
    assert list(damaged) == ["in use: damaged, beside: whole"]
    world.beside.switch("settlements")
    world.beside.rebuild("settlements")
    assert world.beside.diff("settlements")["total"] == 0


def test_a_row_too_many_is_told(world: World) -> None:
    world.change("INSERT INTO card_streams SELECT gen_random_uuid(), 1, gen_random_uuid()")
    world.beside.rebuild("card_streams")
    told = world.beside.diff("card_streams")
    assert [what for _, _, what, _ in told["rows"]] == ["extra"]


def test_after_the_change_the_one_in_use_goes_on_from_the_new_tables(world: World) -> None:
    books = next(
        place.projection for place in world.views.runner._places
        if isinstance(place.projection, Books)
    )  # fmt: skip
    assert books._running is not None
    books._running.balances["1000"] = 77  # as a program that counted wrongly would have it
    world.more()
    world.met()
    world.beside.rebuild("books")
    assert world.beside.diff("books")["total"] > 0
    world.beside.switch("books")
    world.more()
    world.met()
    world.beside.rebuild("books")
    assert world.beside.diff("books")["total"] == 0


def test_nobody_waits_for_another_s_comparison(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.beside.rebuild("directory")
    busy: list[str] = []
    compare = world.beside._compare

    def comparing(*given: Any) -> Any:
        for each in (world.beside.rebuild, world.beside.diff, world.beside.drop):
            with pytest.raises(Denied) as denied:
                each("directory")
            busy.append(denied.value.code)
        return compare(*given)

    monkeypatch.setattr(world.beside, "_compare", comparing)
    assert world.beside.diff("directory")["total"] == 0
    assert busy == ["busy"] * 3


def test_a_comparison_ends_with_the_backend(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.beside.rebuild("directory")
    compare = world.beside._compare

    def comparing(*given: Any) -> Any:
        world.beside.stop()
        return compare(*given)

    monkeypatch.setattr(world.beside, "_compare", comparing)
    with pytest.raises(Unavailable):
        world.beside.diff("directory")


def test_whoever_waits_for_a_meeting_is_told_that_the_backend_ends(world: World) -> None:
    world.beside.rebuild("directory")
    world.views.runner.stop()
    with pytest.raises(Unavailable):
        world.beside.diff("directory")


def test_one_at_a_time_and_only_what_there_is(world: World) -> None:
    world.beside.rebuild("directory")
    assert world.beside.rebuild("directory")["state"] == "under-way"
    for wrong, name in (
        (world.beside.rebuild, "settlements"),
        (world.beside.rebuild, "events"),
        (world.beside.diff, "settlements"),
        (world.beside.switch, "card_streams"),
    ):
        with pytest.raises(Denied):
            wrong(name)
    world.beside.drop("directory")
    with pytest.raises(Denied):
        world.beside.diff("directory")
    assert world.beside.rebuild("settlements")["state"] == "begun"
    (row,) = [each for each in world.beside.rows() if each["projection"] == "directory"]
    assert row["beside_position"] is None


@pytest.mark.parametrize("table", ["events", "data_keys", "projections", "no_such", "x; DROP"])
@pytest.mark.parametrize("function", ["prepare_beside", "switch_beside", "drop_beside"])
def test_the_owners_rights_serve_for_read_models_only(
    ledger: LedgerDatabase, function: str, table: str
) -> None:
    statement = f"SELECT {function}(%s, %s)".encode()
    with ledger.connect() as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(statement, ("settlements/1", [table]))


def test_tables_at_different_events_do_not_change_places(ledger: LedgerDatabase) -> None:
    with ledger.connect() as connection:
        connection.execute("SELECT prepare_beside('settlements/1', %s)", (list(TABLES),))
        connection.execute("INSERT INTO beside.projections VALUES ('settlements/1', 5)")
        with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState):
            connection.execute("SELECT switch_beside('settlements/1', %s)", (list(TABLES),))
