"""The pool of connections to the website's own database; it outlives the server's restarts."""

from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool

Pool = AsyncConnectionPool[AsyncConnection[TupleRow]]

MAX_CONNECTIONS = 8
WAIT_S = 3.0
"""How long a page waits for a connection before it says that the site is unavailable."""

_STATEMENT_TIMEOUT_MS = 5_000


def make_pool(dsn: str) -> Pool:
    """A pool on `dsn`, not opened yet; `await pool.open(wait=False)` never fails on a dead server.

    Raises `psycopg_pool.PoolTimeout` from `connection()` after `WAIT_S` seconds without a server.
    """
    return AsyncConnectionPool(
        dsn,
        min_size=1,
        max_size=MAX_CONNECTIONS,
        timeout=WAIT_S,
        # Retries grow apart; given up early, the next page tries anew and finds a server at once.
        reconnect_timeout=1.5,
        open=False,
        name="website",
        check=AsyncConnectionPool.check_connection,
        configure=_limit_statements,
    )


async def _limit_statements(connection: AsyncConnection[TupleRow]) -> None:
    await connection.execute(f"SET statement_timeout = {_STATEMENT_TIMEOUT_MS:d}".encode())
    await connection.commit()
