"""A real SoftHSM with all keys, made once for the tests of this folder."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.hsm.provision import open_token, provision
from adapters.hsm.token import Token

PIN = "a test's PIN"


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state folder whose token is shared: tests must leave it as it is."""
    home = tmp_path_factory.mktemp("home")
    provision(home, PIN)
    return home


@pytest.fixture
def token(installed: Path) -> Iterator[Token]:
    """The shared token, logged in as the backend does it."""
    token = open_token(installed, PIN)
    yield token
    token.close()
