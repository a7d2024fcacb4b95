"""The one connection that writes a shard, on libpq's own functions.

psycopg's cursor costs 0.4 ms a COPY in Python; the engine makes one commit for every few
payments, so it speaks to libpq through `psycopg.pq` directly. Waiting for the server happens in
`select`, which lets other threads run; libpq's blocking calls would not.
"""

import select
import time
from collections.abc import Iterable, Iterator, Sequence
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
_PART_ROWS = 128
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

    def store(self, rows: Iterable[bytes], claims: Sequence[Claim] | None) -> None:
        """Stores rows (in binary COPY form) and claims in one durable commit.

        Few rows without claims are one COPY, a transaction of its own: one round trip less each
        way. Many go out in parts, a COPY each in one transaction: the server inserts one while the
        next is decided. (It inserts the rows of a binary COPY at its end, or 1,000 at a time.)
        Raises what `rows` raises, Conflict, or Unavailable.
        """
        with _as_unavailable():
            part: list[bytes] = []
            in_transaction = False
            try:
                for row in rows:
                    part.append(row)
                    if len(part) >= _PART_ROWS:
                        if in_transaction:
                            self._result()
                        self._copy(part, before=b"" if in_transaction else b"BEGIN;")
                        in_transaction = True
                        part = []
            except BaseException:
                if in_transaction:
                    self._drain()
                    self.run(b"ROLLBACK")
                raise
            if in_transaction:
                self._result()
            self._store_last(part, claims, in_transaction)

    def _store_last(
        self, part: list[bytes], claims: Sequence[Claim] | None, in_transaction: bool
    ) -> None:
        """The last rows, the claims, and the commit of everything."""
        if claims is None and not in_transaction:
            self._copy(part)
            self._result()
        elif claims is None and part:
            self._copy(part, after=b";COMMIT")
            self._result()
        else:
            if part:
                self._copy(part, before=b"" if in_transaction else b"BEGIN;")
                self._result()
            for claim in claims or ():
                self._claim(claim)
            self.run(b"COMMIT")

    def _copy(self, rows: list[bytes], *, before: bytes = b"", after: bytes = b"") -> None:
        """Hands rows to the server; the result is still to be taken."""
        connection = self._connection
        connection.send_query(before + _COPY + after)
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

    def _drain(self) -> None:
        while self._next_result_or_none() is not None:
            pass

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
        poll = select.poll()
        poll.register(self._socket, select.POLLIN | (select.POLLOUT if writing else 0))
        if left_s <= 0 or not poll.poll(left_s * 1000):
            raise Unavailable("the ledger database says nothing")


@contextmanager
def _as_unavailable() -> Iterator[None]:
    try:
        yield
    except psycopg.Error as error:
        raise Unavailable("the ledger database") from error
