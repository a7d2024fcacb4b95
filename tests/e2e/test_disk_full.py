"""The disk of the whole installation is full: 91, nothing half done, and on when there is room."""

import asyncio
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from adapters.postgres.databases import database
from adapters.postgres.embedded import SUPERUSER
from tests.e2e.books import Books
from tests.e2e.installation import Installation
from tests.e2e.small_disk import SmallDisk, small_disk
from tests.e2e.tills import Till, Tills
from tests.e2e.town import Town, found_town

MEGABYTES = 256
TILLS = 4


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallDisk]:
    """Where the whole state folder lies, both databases and all logs included."""
    with small_disk(tmp_path_factory.mktemp("full") / "home", MEGABYTES) as disk:
        yield disk


@pytest.fixture(scope="module")
def installation(disk: SmallDisk) -> Iterator[Installation]:
    """Servers on the small disk."""
    made = Installation(disk.folder)
    try:
        made.start()
        yield made
    finally:
        made.stop()


async def _town_with_boxes_elsewhere(installation: Installation, elsewhere: Path) -> Town:
    """A terminal is a box in a shop: its disk is not ours."""
    town = await found_town(installation, terminals=TILLS, cards=TILLS)
    moved = [Path(shutil.move(folder, elsewhere / folder.name)) for folder in town.terminals]
    return replace(town, terminals=moved)


def test_a_full_disk_stops_payments_and_nothing_else(
    installation: Installation, disk: SmallDisk, tmp_path: Path
) -> None:
    before = installation.pids()

    async def scenario() -> list[Till]:
        town = await _town_with_boxes_elsewhere(installation, tmp_path)
        async with Tills.opened(town) as opened:
            async with opened.paying():
                await opened.approvals(5)
                async with disk.kept_full():
                    await opened.refusals_to_decide(5)
                await opened.approvals(5)
            await opened.settled()
        return list(opened.tills)

    _check(installation, asyncio.run(scenario()))
    assert installation.pids() == before


def test_a_database_that_died_of_a_full_disk_comes_back(
    installation: Installation, disk: SmallDisk, tmp_path: Path
) -> None:
    """Without room for its write-ahead log PostgreSQL stops itself, and cannot even recover."""
    before = installation.pids()

    async def scenario() -> list[Till]:
        town = await _town_with_boxes_elsewhere(installation, tmp_path)
        async with Tills.opened(town) as opened:
            async with opened.paying():
                await opened.approvals(5)
                server = installation.process("ledger")
                async with disk.kept_full():
                    _use_up_the_log(installation)
                    await asyncio.to_thread(server.wait, 20)
                    await opened.refusals_to_decide(5)
                await opened.approvals(5)
            await opened.settled()
        return list(opened.tills)

    _check(installation, asyncio.run(scenario()))
    after = installation.pids()
    assert {name for name in after if after[name] != before[name]} == {"ledger"}


def _check(installation: Installation, tills: list[Till]) -> None:
    books = Books.read(installation.settings)
    books.check()
    books.check_told(tills)
    installation.verify_log()


def _use_up_the_log(installation: Installation) -> None:
    """The next commit needs a new segment."""
    cluster = database(installation.settings, "ledger").cluster
    assert cluster is not None
    with psycopg.connect(cluster.dsn(SUPERUSER), autocommit=True) as connection:
        connection.execute("SELECT pg_switch_wal()")
