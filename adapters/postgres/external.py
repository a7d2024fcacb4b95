"""A PostgreSQL server of one's own, given by a connection string: what `status` says about it."""

import shlex

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo


def address(dsn: str) -> str:
    """Where it is: host:port/database, no user, no password."""
    given = conninfo_to_dict(dsn)
    host = given.get("host") or given.get("hostaddr") or "local socket"
    return f"{host}:{given.get('port') or 5432}/{given.get('dbname') or ''}"


def is_up(dsn: str) -> bool:
    """Whether it accepts connections now; 2 s are waited at most."""
    asked = make_conninfo(dsn, connect_timeout=2)
    return psycopg.pq.PGconn.ping(asked.encode()) == psycopg.pq.Ping.OK


def dump_command(dsn: str) -> str:
    """A shell command that dumps the database; it finds the password as libpq does, or asks."""
    given = conninfo_to_dict(dsn)
    given.pop("password", None)
    without = make_conninfo(**{name: str(value) for name, value in given.items()})
    return shlex.join(["pg_dump", "--dbname", without])
