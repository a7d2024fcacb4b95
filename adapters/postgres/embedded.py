"""An embedded PostgreSQL server: its own data, socket, roles and passwords, for one database.

`create` once, then run `command()` in the foreground under a supervisor. It listens on a Unix
socket alone, in a folder that only we can enter, and asks for scram-sha-256 passwords even there.
"""

import contextlib
import os
import secrets
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil
import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from adapters.postgres import binaries
from adapters.postgres.containment import containment
from adapters.postgres.socket_folder import make_private, socket_folder
from adapters.postgres.wal_folder import WalFolder

SUPERUSER: Final = "postgres"
STOP_SIGNAL: Final = signal.SIGINT
"""Fast shutdown: connections are closed, everything is written, nothing is left."""

_INITDB: Final = (
    *("--auth=scram-sha-256", f"--username={SUPERUSER}", "--encoding=UTF8", "--no-instructions"),
    *("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C", "--data-checksums"),
)
_SETTINGS: Final = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "max_connections": "64",
    "jit": "off",  # our statements are short
    "wal_compression": "off",  # ciphertext does not compress
    "checkpoint_timeout": "15min",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_destination": "stderr",
    "logging_collector": "off",
    "log_checkpoints": "off",
    "log_line_prefix": "%m [%p] %u ",
    # Statements carry what the rows carry: they do not belong into a log.
    "log_min_error_statement": "panic",
    "log_parameter_max_length_on_error": "0",
}


class ClusterError(Exception):
    """A server could not be made, started or stopped; the message ends with what it said."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a cluster holds. The owner migrates; the others get what migrations grant them."""

    database: str
    owner: str
    users: tuple[str, ...]
    dumper: str
    settings: Mapping[str, str]


PLANS: Final = {
    "ledger": Plan(
        database="ledger",
        owner="ledger_owner",
        users=("ledger_backend", "ledger_auditor"),
        dumper="ledger_owner",
        settings={"shared_buffers": "256MB", "max_wal_size": "4GB", "min_wal_size": "512MB"},
    ),
    "website": Plan(
        database="website",
        owner="website",
        users=(),
        dumper="website",
        settings={"shared_buffers": "64MB", "max_wal_size": "512MB", "io_method": "sync"},
    ),
}


class Cluster:
    """The embedded server `name` (a key of PLANS) of the installation in `home`.

    `wal_folder`: where it archives its write-ahead log, a file at least every `wal_every_s`.
    """

    def __init__(
        self, home: Path, name: str, *, wal_folder: Path | None = None, wal_every_s: int = 60
    ) -> None:
        self.name = name
        self.plan = PLANS[name]
        self._home = home.absolute()
        self._secrets = self._home / "secrets"
        self.folder = self._home / "postgres" / name
        self.data = self.folder / "data"
        self.socket = socket_folder(self.folder / "socket")
        self.archive = WalFolder(wal_folder, self.folder, name, wal_every_s) if wal_folder else None

    @property
    def exists(self) -> bool:
        """Whether `create` has been completed."""
        return (self.data / "PG_VERSION").is_file()

    def passfile(self, user: str) -> Path:
        """The file with the user's password, in the format of libpq's PGPASSFILE, 0600."""
        return self._secrets / f"{self.name}-{user.removeprefix(self.name + '_')}.pgpass"

    def dsn(self, user: str, dbname: str | None = None) -> str:
        """A libpq connection string without a password in it: that is in the pass file."""
        return make_conninfo(
            host=str(self.socket),
            dbname=dbname or self.plan.database,
            user=user,
            passfile=str(self.passfile(user)),
        )

    def dump_command(self) -> str:
        """A shell command that dumps the whole database as SQL, without a password in it."""
        return shlex.join(
            [
                *("env", f"PGPASSFILE={self.passfile(self.plan.dumper)}"),
                *(str(binaries.program("pg_dump")), "-h", str(self.socket)),
                *("-U", self.plan.dumper, self.plan.database),
            ]
        )

    def command(
        self,
        *,
        parent: int | None = None,
        data: Path | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> list[str]:
        """Runs the server in the foreground until STOP_SIGNAL, or until process `parent` dies.

        The caller must be the parent, and give `binaries.environment()` to the child. `settings`
        are PostgreSQL's and win over ours.
        """
        archived = self.archive.settings() if self.archive and data is None else {}
        sockets = {"unix_socket_directories": str(self.socket)}
        settings = {**_SETTINGS, **self.plan.settings, **archived, **sockets, **(settings or {})}
        server = [str(binaries.program("postgres")), "-D", str(data or self.data)]
        for name, value in settings.items():
            server += ["-c", f"{name}={value}"]
        return containment().command(server, death_signal=STOP_SIGNAL, parent=parent)

    def prepare_to_run(self) -> None:
        """Folders as the server needs them; the socket's may lie in a temporary place.

        Raises OSError.
        """
        make_private(self.socket, containment().owner)
        if self.archive:
            self.archive.prepare()
        containment().give(self.folder, self._home)

    def tidy_up(self) -> None:
        """Removes the folder of the socket where it lies in a temporary place; after stopping."""
        if self._home not in self.socket.parents:
            with contextlib.suppress(OSError):
                self.socket.rmdir()

    def ready(self) -> bool:
        """Whether the server accepts connections now; one that hangs is waited for 2 s at most."""
        asked = make_conninfo(self.dsn(SUPERUSER, "postgres"), connect_timeout=2)
        ping = psycopg.pq.PGconn.ping(asked.encode())
        return ping == psycopg.pq.Ping.OK

    def wait_stopped(self, within_s: float) -> bool:
        """Waits until no server works on the data; False if one still does after that time."""
        deadline_s = time.monotonic() + within_s
        while self._server_pid() is not None:
            if time.monotonic() > deadline_s:
                return False
            time.sleep(0.05)
        return True

    def create(self) -> bool:
        """Makes data, roles, passwords and database; False if that was done before.

        Interrupted, it leaves nothing that a second try would trust. Raises ClusterError.
        """
        if self.exists:
            return False
        for folder in (self._home, self._secrets, self.folder.parent):
            make_private(folder)
        make_private(self.folder, containment().owner)
        new = self.folder / "data.new"
        shutil.rmtree(new, ignore_errors=True)
        self._initdb(new)
        for user in (self.plan.owner, *self.plan.users):
            self._write_password(user)
        with self.start_temporarily(data=new):
            self._make_roles()
        new.rename(self.data)
        return True

    @contextlib.contextmanager
    def start_temporarily(
        self,
        *,
        data: Path | None = None,
        wait_s: float = 60,
        settings: Mapping[str, str] | None = None,
    ) -> Iterator[None]:
        """The server runs within the block. Raises ClusterError where it does not start."""
        self.prepare_to_run()
        with tempfile.TemporaryFile() as said:
            server = subprocess.Popen(
                self.command(parent=os.getpid(), data=data, settings=settings),
                env=binaries.environment(),
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                start_new_session=True,  # Ctrl-C is ours to handle
            )
            try:
                self._wait_until_ready(server, wait_s)
                yield
            except _NotReady as error:
                said.seek(0)
                raise ClusterError(f"{self.name}: {error}: {_last_words(said.read())}") from None
            finally:
                _stop(server)
                self.tidy_up()

    def _wait_until_ready(self, server: subprocess.Popen[bytes], wait_s: float) -> None:
        deadline_s = time.monotonic() + wait_s
        while not self.ready():
            if server.poll() is not None:
                raise _NotReady(f"the server ended with status {server.returncode}")
            if time.monotonic() > deadline_s:
                raise _NotReady(f"the server was not ready within {wait_s:.0f} s")
            waited_s = time.monotonic() - deadline_s + wait_s
            time.sleep(min(0.5, 0.02 + waited_s / 20))  # each look is a line in its log

    def _server_pid(self) -> int | None:
        """The server's process by its own pid file, unless that is left over from a crash."""
        try:
            pid = int((self.data / "postmaster.pid").read_text().split("\n", 1)[0])
            # The number may belong to another process by now.
            return pid if psutil.Process(pid).name().startswith("postgres") else None
        except (FileNotFoundError, ValueError, psutil.Error):
            return None

    def _initdb(self, data: Path) -> None:
        password = self._write_password(SUPERUSER)
        password_file = self.folder / "initdb-password"
        _write_private(password_file, password + "\n")
        containment().give(self.folder, self._home)
        command = [
            str(binaries.program("initdb")),
            *_INITDB,
            f"--pwfile={password_file}",
            str(data),
        ]
        try:
            done = subprocess.run(
                containment().command(command, death_signal=signal.SIGKILL, parent=os.getpid()),
                env=binaries.environment(),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
            )
        finally:
            password_file.unlink()
        if done.returncode != 0:
            said = " | ".join((done.stderr or done.stdout).strip().splitlines()[-5:])
            raise ClusterError(f"{self.name}: initdb failed with {done.returncode}: {said}")

    def _write_password(self, user: str) -> str:
        password = secrets.token_urlsafe(24)
        _write_private(self.passfile(user), f"*:*:*:{user}:{password}\n")
        return password

    def _make_roles(self) -> None:
        plan = self.plan
        with psycopg.connect(self.dsn(SUPERUSER, "postgres"), autocommit=True) as connection:
            for user in (plan.owner, *plan.users):
                password = self.passfile(user).read_text().rstrip("\n").rpartition(":")[2]
                # Hashed here, so that the password itself is in no statement and no log.
                verifier = connection.pgconn.encrypt_password(
                    password.encode(), user.encode(), b"scram-sha-256"
                ).decode()
                connection.execute(
                    sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(
                        sql.Identifier(user), sql.Literal(verifier)
                    )
                )
            name = sql.Identifier(plan.database)
            connection.execute(
                sql.SQL("CREATE DATABASE {} OWNER {}").format(name, sql.Identifier(plan.owner))
            )
            connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(name))
            for user in plan.users:
                connection.execute(
                    sql.SQL("GRANT CONNECT, TEMPORARY ON DATABASE {} TO {}").format(
                        name, sql.Identifier(user)
                    )
                )


class _NotReady(Exception):
    pass


def _last_words(said: bytes) -> str:
    """Why a server ended: what it called fatal, else its last lines."""
    lines = said.decode(errors="replace").strip().splitlines()
    fatal = [line for line in lines if "FATAL:" in line and "accepting connections" not in line]
    return " | ".join(fatal[-2:] or lines[-5:])


def _write_private(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)


def _stop(server: subprocess.Popen[bytes]) -> None:
    if server.poll() is None:
        server.send_signal(STOP_SIGNAL)
        try:
            server.wait(60)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
