"""The one connection that writes a shard, on libpq's own functions.

psycopg's cursor costs 0.4 ms a COPY in Python; the engine makes one commit for every few
payments, so it speaks to libpq through `psycopg.pq` directly. Waiting for the server happens in
`select`, which lets other threads run; libpq's blocking calls would not.
"""

import select
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import pq
from psycopg.conninfo import make_conninfo

from application.ports import Claim, Conflict, Unavailable

_COPY = (
    b"COPY events (shard, position, originator_id, originator_version, topic, state)"
    b" FROM STDIN (FORMAT BINARY)"
)
_COPY_BEGIN = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_COPY_END = b"\xff\xff"
_CLAIM = b"INSERT INTO unique_claims (kind, digest, generation, owner) VALUES ($1, $2, $4, $3)"
_TEXT_OID, _BYTEA_OID, _UUID_OID, _INT2_OID = 25, 17, 2950, 21
_PATIENCE_S = 10.0
_INTEGRITY = b"23"
"""The class of SQLSTATE codes for violated constraints."""


class CopyWriter:
    """An own connection in non-blocking mode. Errors leave it fit only for `close`."""

    def __init__(self, dsn: str) -> None:
        """Connects. Raises Unavailable."""
        self._connection = pq.PGconn.connect(make_conninfo(dsn, connect_timeout=5).encode())
        if self._connection.status != pq.ConnStatus.OK:
            self.close()
            raise Unavailable("the ledger database")
        self._connection.nonblocking = 1
        self._socket = self._connection.socket
        self._deadline_s = 0.0
        self.run(b"SET statement_timeout = '10s'")

    def close(self) -> None:
        """Ends the connection, and with it whatever it holds."""
        self._connection.finish()

    def run(self, statement: bytes, parameters: Sequence[bytes] = ()) -> bytes | None:
        """The first value of a statement's answer, in text. Raises Conflict, Unavailable."""
        with _as_unavailable():
            self._connection.send_query_params(statement, list(parameters))
            result = self._result()
        return result.get_value(0, 0) if result.ntuples else None

    def send(self, rows: Sequence[bytes], claims: Sequence[Claim]) -> None:
        """Hands rows (in binary COPY form) and claims over as one durable commit; see `settle`.

        Rows without claims are one COPY, a transaction of its own: one round trip less each way.
        Raises Conflict, Unavailable.
        """
        self._deadline_s = time.monotonic() + _PATIENCE_S
        with _as_unavailable():
            if not claims:
                self._copy(rows)
                return
            self._copy(rows, before=b"BEGIN;")
            self._result()
            for claim in claims:
                self._claim(claim)
            self._connection.send_query(b"COMMIT")
            self._connection.flush()

    def settle(self, wait_s: float) -> bool:
        """Whether what was sent is durable; waits for that for at most so many seconds.

        Raises Conflict, Unavailable; the latter also where the server says nothing for too long.
        """
        until_s = min(time.monotonic() + wait_s, self._deadline_s)
        connection = self._connection
        with _as_unavailable():
            while True:
                writing = connection.flush() != 0
                connection.consume_input()
                if not writing and not connection.is_busy():
                    self._result()
                    return True
                left_s = until_s - time.monotonic()
                if left_s <= 0:
                    break
                self._poll(left_s, writing)
        if until_s == self._deadline_s:
            raise Unavailable("the ledger database says nothing")
        return False

    def _copy(self, rows: Sequence[bytes], *, before: bytes = b"") -> None:
        """Hands rows to the server; the result is still to be taken."""
        connection = self._connection
        connection.send_query(before + _COPY)
        if before:
            self._next_result()
        if self._next_result().status != pq.ExecStatus.COPY_IN:
            raise Unavailable("the ledger database")
        connection.put_copy_data(b"".join((_COPY_BEGIN, *rows, _COPY_END)))
        connection.put_copy_end()
        connection.flush()

    def _claim(self, claim: Claim) -> None:
        kind, digest, owner, generation = claim
        self._connection.send_query_params(
            _CLAIM,
            [kind.encode(), digest, owner.bytes, generation.to_bytes(2)],
            param_types=[_TEXT_OID, _BYTEA_OID, _UUID_OID, _INT2_OID],
            param_formats=[pq.Format.BINARY] * 4,
        )
        self._result()

    def _result(self) -> Any:
        """The last result of what was sent. Raises Conflict, Unavailable."""
        found = result = self._next_result()
        while result is not None:
            found, result = result, self._next_result_or_none()
        if found.status == pq.ExecStatus.FATAL_ERROR:
            state = found.error_field(pq.DiagnosticField.SQLSTATE) or b""
            if state.startswith(_INTEGRITY):
                raise Conflict("a position, version or claim is taken")
            raise Unavailable("the ledger database")
        return found

    def _next_result(self) -> Any:
        result = self._next_result_or_none()
        if result is None:
            raise Unavailable("the ledger database")
        return result

    def _next_result_or_none(self) -> Any | None:
        """Sends what is left, waits without holding the interpreter, takes one result."""
        connection = self._connection
        deadline_s = time.monotonic() + _PATIENCE_S
        while connection.flush():
            self._wait(deadline_s, writing=True)
            connection.consume_input()
        while connection.is_busy():
            self._wait(deadline_s, writing=False)
            connection.consume_input()
        return connection.get_result()

    def _wait(self, deadline_s: float, *, writing: bool) -> None:
        left_s = deadline_s - time.monotonic()
        if left_s <= 0 or not self._poll(left_s, writing):
            raise Unavailable("the ledger database says nothing")

    def _poll(self, seconds: float, writing: bool) -> bool:
        poll = select.poll()
        poll.register(self._socket, select.POLLIN | (select.POLLOUT if writing else 0))
        return bool(poll.poll(seconds * 1000))


@contextmanager
def _as_unavailable() -> Iterator[None]:
    try:
        yield
    except psycopg.Error as error:
        raise Unavailable("the ledger database") from error
