"""Whatever is done to the rows, in any combination, every lost and every foreign row is named."""

import struct
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.audit.diagnosis import diagnose
from adapters.audit.findings import Finding
from adapters.audit.leaves import leaf_of
from adapters.audit.scan import Leaves, Scan
from application.ports import Row

LOG = 12
Rows = list[Row]


def written() -> Rows:
    return [Row(at, UUID(int=at), 1, "account.debited/1", bytes([at])) for at in range(1, LOG + 1)]


LEAVES = b"".join(map(leaf_of, written()))


def raw(row: Row) -> bytes:
    """As PostgreSQL's binary COPY gives it."""
    fields = (
        struct.pack(">h", 0),
        struct.pack(">q", row.position),
        row.originator_id.bytes,
        struct.pack(">q", row.originator_version),
        row.topic.encode(),
        row.state,
    )
    return struct.pack(">h", len(fields)) + b"".join(
        struct.pack(">i", len(field)) + field for field in fields
    )


def findings(rows: Rows) -> tuple[list[Finding], int]:
    tail: list[object] = []
    scan = Scan(Leaves(LEAVES, LOG), tail.append)
    rows = sorted(rows, key=lambda row: (row.position, row.originator_id))
    scan.run(((row.position, leaf_of(row), raw(row)) for row in rows), lambda done: None)
    places: dict[tuple[UUID, int], list[int]] = {}
    for row in rows:
        places.setdefault((row.originator_id, row.originator_version), []).append(row.position)
    return diagnose(scan, {key: at for key, at in places.items() if len(at) > 1}), len(tail)


@st.composite
def tampered(draw: st.DrawFn) -> Rows:
    """The log after up to four acts of somebody with all rights."""
    rows = written()
    for _ in range(draw(st.integers(0, 4))):
        if not rows:
            break
        at = draw(st.integers(0, len(rows) - 1))
        to = draw(st.integers(1, LOG + 3))
        match draw(st.sampled_from(["change", "delete", "swap", "copy", "insert", "shift", "cut"])):
            case "change":
                rows[at] = rows[at]._replace(state=rows[at].state + b"!")
            case "delete":
                del rows[at]
            case "swap":
                other = draw(st.integers(0, len(rows) - 1))
                one, two = rows[at].position, rows[other].position
                rows[at] = rows[at]._replace(position=two)
                rows[other] = rows[other]._replace(position=one)
            case "copy":
                rows.append(rows[at]._replace(position=to))
            case "insert":
                foreign = UUID(int=900 + draw(st.integers(0, 9)))
                rows.append(Row(to, foreign, 1, "account.credited/1", b"money"))
            case "shift":
                by = draw(st.sampled_from([-1, 1, 2]))
                rows = [
                    row._replace(position=max(1, row.position + by)) if row.position >= to else row
                    for row in rows
                ]
            case "cut":
                rows = [row for row in rows if row.position < to]
    return rows


def covered(position: int, found: list[Finding], *kinds: str) -> bool:
    return any(
        each.kind in kinds
        and each.positions
        and each.positions[0] <= position <= each.positions[-1]
        for each in found
    )


@given(tampered())
@settings(max_examples=400, deadline=None)
def test_every_lost_and_every_foreign_row_is_named(rows: Rows) -> None:
    found, unprotected = findings(rows)
    before = written()
    inside = [row for row in rows if row.position <= LOG]
    if sorted(inside) == before:
        # Only behind the log was something added: that is no failure, but a copy is.
        assert {each.kind for each in found} <= {"duplicated", "deleted", "inserted"}
        assert found or unprotected == len(rows) - LOG
        return
    assert found
    contents = {row[1:] for row in rows}
    for row in before:
        if row[1:] not in contents:
            assert covered(row.position, found, "changed", "deleted", "cut-off"), row
    known = {row[1:] for row in before}
    for row in inside:
        if row[1:] not in known:
            assert covered(row.position, found, "changed", "inserted"), row


@given(st.integers(1, LOG), st.integers(1, LOG))
def test_a_swap_is_named_as_one(one: int, two: int) -> None:
    rows = written()
    rows[one - 1], rows[two - 1] = (
        rows[one - 1]._replace(position=two),
        rows[two - 1]._replace(position=one),
    )
    found, _ = findings(rows)
    expected = [("swapped", tuple(sorted((one, two))))] if one != two else []
    assert [(each.kind, each.positions) for each in found] == expected


def test_many_changed_rows_are_counted_where_they_are_not_named() -> None:
    leaves = Leaves(bytes(32) * 6_000, 6_000)
    scan = Scan(leaves, lambda row: None)
    rows = (Row(at, UUID(int=at), 1, "t", b"") for at in range(1, 6_001))
    scan.run(((row.position, leaf_of(row), raw(row)) for row in rows), lambda done: None)
    found = diagnose(scan, {})
    assert sum(each.kind == "changed" for each in found) == 5_000 + 1
    assert "1,000 further rows" in found[-1].text
