"""One PostgreSQL server and one website process for all tests; every test finds it empty."""

from collections.abc import Iterator

import pytest

from tests.integration.web import postgres, records
from tests.integration.web.website_process import Browser, Website, running_website


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[postgres.Server]:
    with postgres.running_server(tmp_path_factory.mktemp("home")) as running:
        yield running


@pytest.fixture
def dsn(server: postgres.Server) -> str:
    """The website's database, empty."""
    records.execute(
        server.dsn,
        "TRUNCATE shop, shop_transaction, login, login_shop, activation, web_session, failed_try",
    )
    records.execute(
        server.dsn,
        "UPDATE news SET upto = 0, report = null, as_of_us = null, received_us = null",
    )
    return server.dsn


@pytest.fixture(scope="session")
def shared_website(
    server: postgres.Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Website]:
    with running_website(server.dsn, tmp_path_factory.mktemp("website")) as website:
        yield website


@pytest.fixture
def website(shared_website: Website, dsn: str) -> Website:
    """The website process over an empty database, without a gateway."""
    shared_website.wait_until_healthy()  # another test may have taken the server away
    return shared_website


@pytest.fixture
def browser(website: Website) -> Iterator[Browser]:
    with website.client() as client:
        yield client
