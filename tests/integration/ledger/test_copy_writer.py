"""All rows of a batch are stored, or none; nobody waits for it who does not want to."""

from collections.abc import Iterator, Sequence
from uuid import UUID

import pytest

from adapters.postgres.copy_writer import CopyWriter
from application.ports import Claim, Conflict
from domain.event import Event
from tests.integration.ledger.databases import LedgerDatabase
from tests.integration.ledger.town import busy_day

MANY = 2_000
"""Rows that no socket takes at once."""


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


def rows(first: int, number: int) -> list[bytes]:
    return [row(position) for position in range(first, first + number)]


def store(writer: CopyWriter, rows: list[bytes], claims: Sequence[Claim] = ()) -> None:
    writer.send(rows, claims)
    assert writer.settle(10)


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
    claims = [Claim("kind", b"digest", UUID(int=1))] if claimed else []
    store(writer, rows(1, number), claims)
    store(writer, rows(number + 1, 2))
    assert stored(ledger) == list(range(1, number + 3))
    assert owners(ledger) == claimed


def test_events_that_cannot_be_decided_store_nothing(ledger: LedgerDatabase) -> None:
    """Nor does the next commit store any of them."""
    events = busy_day(people=1, payments=1)

    def failing() -> Iterator[Event]:
        yield from events[:5]
        raise LookupError("the last of many")

    with pytest.raises(LookupError):
        ledger.log.append(failing())
    assert stored(ledger) == []
    ledger.log.append(events[:2])
    assert stored(ledger) == [1, 2]


def test_who_does_not_wait_is_told_that_it_is_not_stored_yet(
    ledger: LedgerDatabase, writer: CopyWriter
) -> None:
    with ledger.connect() as other:
        other.execute(
            "INSERT INTO events VALUES (0, 1, gen_random_uuid(), 1, 'topic/1', 'sealed')"
        )  # who may take the position or not
        writer.send(rows(1, 2), ())
        assert not writer.settle(0)
        assert not writer.settle(0.01)
        other.rollback()
    assert writer.settle(10)
    assert stored(ledger) == [1, 2]


@pytest.mark.parametrize("at", [1, 128, 129, MANY])
def test_a_row_that_is_taken_stores_none(
    ledger: LedgerDatabase, writer: CopyWriter, at: int
) -> None:
    store(writer, [row(MANY + at, stream=at)])
    with pytest.raises(Conflict):
        store(writer, rows(1, MANY))
    assert stored(ledger) == [MANY + at]


def test_a_claim_that_is_taken_stores_no_row(ledger: LedgerDatabase, writer: CopyWriter) -> None:
    claim = Claim("kind", b"digest", UUID(int=1))
    store(writer, rows(1, 1), [claim])
    with pytest.raises(Conflict):
        store(writer, rows(2, MANY), [claim])
    assert stored(ledger) == [1]
