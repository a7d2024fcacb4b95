"""A cluster for the tests of one file."""

from collections.abc import Iterator

import pytest

from adapters.postgres.embedded import Cluster


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Cluster:
    found = Cluster(tmp_path_factory.mktemp("home"), "ledger")
    found.create()
    return found


@pytest.fixture(scope="module")
def running(cluster: Cluster) -> Iterator[Cluster]:
    with cluster.start_temporarily():
        yield cluster
