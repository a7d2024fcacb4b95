"""A real PostgreSQL with an empty ledger, per test run; a software stand-in for K_DB."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.engine.world import Database, World


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """A running cluster with the ledger's tables."""
    home: Path = tmp_path_factory.mktemp("ledger")
    database = Database(home)
    database.start()
    yield database
    database.stop()


@pytest.fixture
def world(database: Database) -> Iterator[World]:
    """An engine over a ledger with a company, a shop, a terminal and cards with money."""
    database.empty()
    world = World(database)
    yield world
    world.close()
