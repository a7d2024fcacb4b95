"""Fixtures: a PostgreSQL cluster for the test process, a database for each test."""

import itertools
from collections.abc import Iterator

import pytest

from adapters.postgres.embedded import Cluster
from tests.integration.ledger.databases import LedgerDatabase, new_database, running_cluster

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    with running_cluster() as cluster:
        yield cluster


@pytest.fixture
def ledger(cluster: Cluster) -> Iterator[LedgerDatabase]:
    with new_database(cluster, f"ledger_{next(_numbers)}") as database:
        yield database
