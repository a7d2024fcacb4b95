"""One installation for all tests of a worker; each test registers its own company and shop."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.e2e.bystander import Bystander
from tests.e2e.installation import Installation
from tests.e2e.scene import Scene
from tests.e2e.town import found_town


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Made and served as an operator would."""
    made = Installation(tmp_path_factory.mktemp("e2e"), {"processor": "sandbox"})
    try:
        made.start()
        yield made
    finally:
        made.stop()


@pytest.fixture
def installation(served: Installation) -> Installation:
    """With all its servers up, whatever the test before did to them."""
    for name in served.pids():
        served.wait_up(name)
    return served


@pytest.fixture(scope="module")
def scene(served: Installation) -> Iterator[Scene]:
    """The bystander pays from the first test of the file to the last."""
    for name in served.pids():
        served.wait_up(name)
    town = asyncio.run(found_town(served, terminals=2, cards=2))
    alone = replace(town, terminals=town.terminals[:1], cards=town.cards[:1])
    with Bystander.paying(alone) as bystander:
        yield Scene(town, bystander, served.identity("operator-1"))
