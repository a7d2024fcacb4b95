"""pgbench's TPC-B on the very server that holds the ledger: what the machine can do."""

import os
import re
import subprocess

from psycopg.conninfo import conninfo_to_dict

from adapters.postgres import binaries
from adapters.postgres.embedded import SUPERUSER, Cluster

SCALE = 50


class TpcB:
    """A database of its own, `tpcb`, made once."""

    def __init__(self, cluster: Cluster) -> None:
        self._where = [
            "-h", str(conninfo_to_dict(cluster.dsn(SUPERUSER))["host"]), "-U", SUPERUSER,
        ]  # fmt: skip
        self._environment = {**os.environ, "PGPASSFILE": str(cluster.passfile(SUPERUSER))}
        self._run("createdb", "tpcb")
        self._run("pgbench", "-i", "-q", "-s", str(SCALE), "tpcb")

    def per_second(self, clients: int, seconds: int) -> float:
        """Transactions per second with that many clients."""
        self._run("psql", "-q", "-c", "CHECKPOINT", "tpcb")
        said = self._run("pgbench", "-c", str(clients), "-j", "2", "-T", str(seconds), "tpcb")
        found = re.search(r"tps = ([0-9.]+)", said)
        assert found is not None, said
        return float(found[1])

    def drop(self) -> None:
        """Removes the database: its dirty pages are none of the ledger's business."""
        self._run("dropdb", "--force", "tpcb")

    def _run(self, name: str, *arguments: str) -> str:
        command = [str(binaries.program(name)), *self._where, *arguments]
        done = subprocess.run(command, env=self._environment, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{name} failed: {done.stderr.strip()}")
        return done.stdout
