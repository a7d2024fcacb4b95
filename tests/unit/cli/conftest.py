"""The program `ticketrestaurant`, called as a user calls it, over a backend in a thread."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from adapters.cli import main
from tests.unit.cli.backend_double import BackendDouble


class Ended(NamedTuple):
    """How a command ended."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Program:
    """`program("register", "company", …)` runs a command in this process."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch = monkeypatch
        self._capsys = capsys

    def __call__(self, *arguments: str) -> Ended:
        self._monkeypatch.setattr(sys, "argv", ["ticketrestaurant", *arguments])
        self._capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main.main()
        code = ended.value.code
        out, err = self._capsys.readouterr()
        return Ended(code if isinstance(code, int) else 0, out, err)

    def json(self, *arguments: str) -> Any:
        """The result of a command that goes well, by `--json`."""
        ended = self(*arguments, "--json")
        assert ended.status == 0, ended.err
        return ended.json


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Program:
    return Program(monkeypatch, capsys)


@pytest.fixture
def backend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[BackendDouble]:
    monkeypatch.setenv("TICKETRESTAURANT_HOME", str(tmp_path))
    with BackendDouble(tmp_path) as double:
        yield double
