"""Many rows go out in several COPYs and one transaction: all are stored, or none."""

from collections.abc import Iterator
from uuid import UUID

import pytest

from adapters.postgres.copy_writer import CopyWriter
from application.ports import Claim, Conflict
from tests.integration.ledger.databases import LedgerDatabase

MANY = 300
"""Rows for more than two parts."""


def row(position: int, stream: int | None = None) -> bytes:
    """A row of `events` in COPY's binary format."""
    fields = (
        (0).to_bytes(2),
        position.to_bytes(8),
        UUID(int=stream or position).bytes,
        (1).to_bytes(8),
        b"topic/1",
        b"sealed",
    )
    return b"\0\6" + b"".join(len(field).to_bytes(4) + field for field in fields)


def rows(first: int, number: int) -> Iterator[bytes]:
    return map(row, range(first, first + number))


def stored(ledger: LedgerDatabase) -> list[int]:
    with ledger.connect() as connection:
        return [
            position for (position,) in connection.execute("SELECT position FROM events ORDER BY 1")
        ]


def owners(ledger: LedgerDatabase) -> int:
    with ledger.connect() as connection:
        found = connection.execute("SELECT count(*) FROM unique_claims").fetchone()
    return int(found[0]) if found else 0


@pytest.fixture
def writer(ledger: LedgerDatabase) -> Iterator[CopyWriter]:
    writer = CopyWriter(ledger.dsn)
    yield writer
    writer.close()


@pytest.mark.parametrize("number", [1, 127, 128, 129, 256, MANY])
@pytest.mark.parametrize("claimed", [False, True])
def test_all_rows_are_stored(
    ledger: LedgerDatabase, writer: CopyWriter, number: int, claimed: bool
) -> None:
    claims = [Claim("kind", b"digest", UUID(int=1))] if claimed else None
    writer.store(rows(1, number), claims)
    writer.store(rows(number + 1, 2), None)
    assert stored(ledger) == list(range(1, number + 3))
    assert owners(ledger) == claimed


@pytest.mark.parametrize("claimed", [False, True])
def test_rows_that_cannot_be_decided_store_nothing(
    ledger: LedgerDatabase, writer: CopyWriter, claimed: bool
) -> None:
    def failing() -> Iterator[bytes]:
        yield from rows(1, MANY)
        raise LookupError("the last of many")

    with pytest.raises(LookupError):
        writer.store(failing(), [Claim("kind", b"digest", UUID(int=1))] if claimed else None)
    assert stored(ledger) == []
    writer.store(rows(1, 2), None)  # the connection is as good as before
    assert stored(ledger) == [1, 2]


@pytest.mark.parametrize("at", [1, 128, 129, MANY])
def test_a_row_that_is_taken_stores_none(
    ledger: LedgerDatabase, writer: CopyWriter, at: int
) -> None:
    writer.store(iter([row(MANY + at, stream=at)]), None)
    with pytest.raises(Conflict):
        writer.store(rows(1, MANY), None)
    assert stored(ledger) == [MANY + at]


def test_a_claim_that_is_taken_stores_no_row(ledger: LedgerDatabase, writer: CopyWriter) -> None:
    claim = Claim("kind", b"digest", UUID(int=1))
    writer.store(rows(1, 1), [claim])
    with pytest.raises(Conflict):
        writer.store(rows(2, MANY), [claim])
    assert stored(ledger) == [1]
