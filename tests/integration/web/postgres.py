"""The website's embedded PostgreSQL server for tests, with a switch to take it away."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from adapters.postgres.embedded import Cluster
from adapters.postgres.migrations import migrate


class Server:
    """A running server; `stop` and `start` let a test take it away and bring it back."""

    def __init__(self, home: Path) -> None:
        self._cluster = Cluster(home, "website")
        self._cluster.create()
        self._running = contextlib.ExitStack()
        self.start()
        migrate(self.dsn, "website")

    @property
    def dsn(self) -> str:
        """As the website connects; its user owns its tables."""
        return self._cluster.dsn(self._cluster.plan.owner)

    def start(self) -> None:
        self._running.enter_context(self._cluster.start_temporarily())

    def stop(self) -> None:
        self._running.close()


@contextlib.contextmanager
def running_server(home: Path) -> Iterator[Server]:
    """A fresh server with the migrations applied; stopped afterwards."""
    server = Server(home)
    try:
        yield server
    finally:
        server.stop()
