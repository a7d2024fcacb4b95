"""Fixtures: one throw-away authority for all tests here, and a foreign one."""

from pathlib import Path

import pytest

from tests.integration.gateway.authority import Authority


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("gateway-home"))


@pytest.fixture(scope="session")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("foreign-home"))


@pytest.fixture
def home(authority: Authority) -> Path:
    return authority.home
