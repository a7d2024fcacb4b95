"""An installation that a test restores from a backup, beside the original or in its place."""

import json
import subprocess
from pathlib import Path
from typing import Any

from adapters import settings
from adapters.cli.parts import environment, program
from adapters.postgres.embedded import Cluster
from tests.e2e.books import Books


class Copy:
    """A restored installation."""

    def __init__(self, home: Path, **variables: str) -> None:
        self.home = home
        self._variables = variables

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        found = settings.load({}, self.home)
        return subprocess.run(
            [*program(), "--home", str(self.home), *arguments],
            env={**environment(found), **self._variables},
            capture_output=True,
            text=True,
            timeout=120,
        )

    def restore(self, *arguments: str) -> dict[str, Any]:
        done = self.run("restore", *arguments, "--json")
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def books(self) -> Books:
        with Cluster(self.home, "ledger").start_temporarily():
            return Books.read(settings.load({}, self.home))
