"""What `serve` runs: each part's command, what it waits for, and how one sees that it is up."""

import os
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGKILL, SIGTERM, Signals
from typing import Final

import psutil

from adapters import contained_exec
from adapters.postgres import binaries
from adapters.postgres.databases import database
from adapters.postgres.embedded import STOP_SIGNAL, Cluster
from adapters.settings import PREFIX, Settings

DATABASE_PARTS: Final = {"ledger": "ledger", "website": "website_database"}
"""The part's name of each database: the website itself is a part, too."""
# Not needed by any of them, only quicker: nobody tries in vain while the other is starting.
_AFTER: Final = {"backend": "ledger", "gateway": "backend", "website": "website_database"}
SERVERS: Final = tuple(_AFTER)
_PROBE_S: Final = 0.5


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """A process to keep running."""

    name: str
    address: str
    command: list[str]
    environment: dict[str, str]
    is_up: Callable[[int | None], bool]
    """Whether it serves; if a process number is given, whether that very process does."""
    after: tuple[str, ...] = ()
    """Names of parts that this one's first start waits for, a few seconds at most."""
    stop_signal: Signals = SIGTERM
    stop_within_s: float = 10
    prepare: Callable[[], None] = field(default=lambda: None)
    """Called before each start. May raise OSError."""
    tidy_up: Callable[[], None] = field(default=lambda: None)
    """Called when it was stopped for good."""


def parts(settings: Settings, parent: int | None) -> list[Part]:
    """All parts of an installation in the order of their start.

    Their processes end when the process `parent`, which must start them, ends in whatever way.
    """
    clusters = embedded_clusters(settings)
    found = [_database_part(cluster, parent) for cluster in clusters.values()]
    started = {part.name for part in found} | set(SERVERS)
    return found + [
        _server_part(settings, name, tuple(started & {after}), parent)
        for name, after in _AFTER.items()
    ]


def embedded_clusters(settings: Settings) -> dict[str, Cluster]:
    """The database servers that are ours, by the name of the database."""
    found = {name: database(settings, name).cluster for name in DATABASE_PARTS}
    return {name: cluster for name, cluster in found.items() if cluster is not None}


def server_address(settings: Settings, name: str) -> tuple[str, int]:
    """Where `backend`, `gateway` or `website` listens."""
    return getattr(settings, f"{name}_host"), getattr(settings, f"{name}_port")


def accepts(address: tuple[str, int], pid: int | None = None) -> bool:
    """Whether somebody, or that very process, accepts TCP connections there."""
    if pid is not None and not _listens(pid, address[1]):
        return False
    try:
        with socket.create_connection(address, timeout=_PROBE_S):
            return True
    except OSError:
        return False


def _listens(pid: int, port: int) -> bool:
    """Somebody else may have had the port before, whose answers would mislead us."""
    try:
        sockets = psutil.Process(pid).net_connections("tcp")
    except psutil.Error:
        return False
    return any(each.status == psutil.CONN_LISTEN and each.laddr.port == port for each in sockets)


def bound_to_parent(command: list[str], parent: int | None) -> list[str]:
    """The command so that it is killed when `parent` ends."""
    if parent is None:
        return command
    options = ["--death-signal", str(int(SIGKILL)), "--parent", str(parent)]
    return [sys.executable, "-I", contained_exec.__file__, *options, "--", *command]


def program(*arguments: str) -> list[str]:
    """The command line of this very program in another process."""
    return [sys.executable, "-m", "adapters.cli.main", *arguments]


def environment(settings: Settings) -> dict[str, str]:
    """Our environment for a process of the same installation."""
    here = str(Path(__file__).parents[2])
    paths = [here, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    return {
        **os.environ,
        PREFIX + "HOME": str(settings.home),
        "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths)),
        "PYTHONUNBUFFERED": "1",
    }


def _server_environment(settings: Settings, name: str) -> dict[str, str]:
    """Only the backend is told the HSM's PIN."""
    found = environment(settings)
    if name != "backend":
        found.pop(PREFIX + "HSM_PIN", None)
    return found


def _database_part(cluster: Cluster, parent: int | None) -> Part:
    return Part(
        name=DATABASE_PARTS[cluster.name],
        address=str(cluster.socket),
        command=cluster.command(parent=parent),
        environment=binaries.environment(),
        is_up=lambda _pid: cluster.ready(),
        stop_signal=STOP_SIGNAL,
        stop_within_s=60,
        prepare=cluster.prepare_to_run,
        tidy_up=cluster.tidy_up,
    )


def _server_part(settings: Settings, name: str, after: tuple[str, ...], parent: int | None) -> Part:
    host, port = server_address(settings, name)
    return Part(
        name=name,
        address=f"{host}:{port}",
        command=bound_to_parent(program(name), parent),
        environment=_server_environment(settings, name),
        is_up=lambda pid: accepts((host, port), pid),
        after=after,
    )
