"""From what a pass over the rows found to what was done to them: the findings.

A row at fault is, in this order: one that was written at another position (moved, or swapped with
its counterpart), a copy of one that is still there, a foreign one (inserted, or at a position whose
own row is elsewhere), or else the changed row of its position. Positions whose row is nowhere were
deleted, at the end of the log cut off.
"""

from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

from adapters.audit.findings import Finding, span
from adapters.audit.scan import Run, Scan
from adapters.audit.stored_rows import StoredRow

_COMPARE_MOST = 2_000_000
_EXPAND_MOST = 10_000
Span = tuple[int, int]
Copies = Mapping[tuple[UUID, int], Sequence[int]]
"""Where rows stand that share their stream and version with another row."""


def diagnose(scan: Scan, copies: Copies) -> list[Finding]:
    """The findings, in order of position."""
    near, copied = _still_there(scan)
    moved, at_fault = _find_moved(scan, near, copied)
    elsewhere = [(run.first, run.last) for run in moved]
    gone = _subtract(_without_right_row(scan, [*moved, *copied]), elsewhere)
    faults = {row.position: row for row in scan.wrong}
    findings = _moves(moved) + _copied_runs(copied, scan)
    changed: list[Span] = []
    for row in at_fault:
        original = _original(row, copies, scan, faults)
        if original is not None:
            findings.append(_copy(row, original))
        elif faults.get(row.position) is row and _within(row.position, gone):
            findings.append(_changed(row))
            changed.append((row.position, row.position))
        else:
            findings.append(_inserted(row))
    findings += _tail_copies(scan, copies)
    findings += [_gone(first, last, scan) for first, last in _subtract(gone, changed)]
    if scan.not_kept:
        text = f"{scan.not_kept:,} further rows are not what was written; they are not named."
        findings.append(Finding(kind="changed", text=text))
    return sorted(findings, key=lambda finding: finding.positions or (1 << 63,))


def _without_right_row(scan: Scan, moved: Iterable[Run]) -> list[Span]:
    count = scan.leaves.count
    return _merge(
        [
            *scan.missing,
            *((row.position, row.position) for row in scan.wrong),
            *((run.first + run.shift, min(run.last + run.shift, count)) for run in moved),
        ]
    )


def _still_there(scan: Scan) -> tuple[list[Run], list[Run]]:
    """The renumbered rows: those moved away, and copies of a row that is still at its place."""
    without = _without_right_row(scan, scan.moved)
    moved: list[Run] = []
    copied: list[Run] = []
    for first, last, shift in scan.moved:
        there = _subtract([(first, last)], without)
        moved += (Run(*part, shift) for part in _subtract([(first, last)], there))
        copied += (Run(*part, shift) for part in there)
    return moved, copied


def _find_moved(
    scan: Scan, near: Sequence[Run], copied: Sequence[Run]
) -> tuple[list[Run], list[StoredRow]]:
    """All moved rows, also those far from where they were; and the rows that are not explained."""
    moved, rows = list(near), [*scan.wrong, *scan.extra]
    elsewhere = [(run.first, run.last) for run in moved]
    empty = _subtract(_without_right_row(scan, [*moved, *copied]), elsewhere)
    candidates: list[int] = []
    for first, last in empty:
        candidates += range(first, min(last + 1, first + _EXPAND_MOST - len(candidates)))
    if len(candidates) * len(rows) > _COMPARE_MOST:
        return moved, rows
    left: list[StoredRow] = []
    for row in rows:
        was = next((p for p in candidates if p != row.position and scan.leaves.fit(row, p)), None)
        if was is None or row.position == 0:
            left.append(row)
        else:
            candidates.remove(was)
            moved.append(Run(was, was, row.position - was))
    return moved, left


def _moves(moved: Iterable[Run]) -> list[Finding]:
    findings = []
    now_at = {run.first: run.first + run.shift for run in moved if run.first == run.last}
    for run in moved:
        first, last, shift = run
        if first == last and now_at.get(first + shift) == first:
            if shift > 0:  # said once for the two
                text = f"Events {first:,} and {first + shift:,} were swapped."
                pair = (first, first + shift)
                findings.append(Finding(kind="swapped", text=text, positions=pair))
            continue
        where = span(first + shift, last + shift).partition(" ")[2]
        are = "stands" if first == last else "stand"
        text = f"{span(first, last).capitalize()} now {are} at {where}."
        findings.append(Finding(kind="moved", text=text, positions=(first, last)))
    return findings


def _copied_runs(copied: Iterable[Run], scan: Scan) -> list[Finding]:
    """Copies next to their originals; those behind the last leaf are told with the others there."""
    findings = []
    for first, last, shift in copied:
        for position in range(first, min(last, scan.leaves.count - shift) + 1):
            text = f"Position {position + shift:,} holds a copy of event {position:,}."
            pair = (position, position + shift)
            findings.append(Finding(kind="duplicated", text=text, positions=pair))
    return findings


def _original(
    row: StoredRow, copies: Copies, scan: Scan, faults: Mapping[int, StoredRow]
) -> int | None:
    """The position of the right row that this one is a copy of."""
    parts = row.parts
    if parts.stream is None or parts.version is None:
        return None
    for position in copies.get((parts.stream, parts.version), ()):
        is_right = position not in faults and position <= scan.leaves.count
        if is_right and scan.leaves.fit(row, position):
            return position
    return None


def _tail_copies(scan: Scan, copies: Copies) -> list[Finding]:
    """Rows behind the last leaf that repeat another row."""
    findings = []
    for (stream, version), positions in copies.items():
        first, *others = sorted(positions)
        for position in others:
            if position > scan.leaves.count:
                text = f"Position {position:,} repeats event {first:,}."
                findings.append(
                    Finding(
                        kind="duplicated",
                        text=text,
                        positions=(first, position),
                        stream=stream,
                        version=version,
                    )
                )
    return findings


def _copy(row: StoredRow, original: int) -> Finding:
    place = f"Position {row.position:,}" if row.position else "A row at no position of the log"
    return _about(row, "duplicated", f"{place} holds a copy of event {original:,}", original)


def _changed(row: StoredRow) -> Finding:
    return _about(row, "changed", f"Event {row.position:,} was changed")


def _inserted(row: StoredRow) -> Finding:
    if row.position:
        text = f"At position {row.position:,} a row was inserted that was never written"
        return _about(row, "inserted", text)
    parts = row.parts
    text = f"A row was added outside of the log (shard {parts.shard}, position {parts.position})"
    return _about(row, "foreign", text)


def _about(row: StoredRow, kind: str, text: str, *others: int) -> Finding:
    parts = row.parts
    named = f"stream {parts.stream}, version {parts.version}, {parts.topic!r}"
    return Finding(
        kind=kind,
        text=f"{text}: {named}.",
        positions=(*others, row.position) if row.position else others,
        stream=parts.stream,
        version=parts.version,
        topic=parts.topic,
    )


def _gone(first: int, last: int, scan: Scan) -> Finding:
    was = "was" if first == last else "were"
    if last == scan.leaves.count and scan.last_position < first:
        text = f"The log is cut off: {span(first, last)} {was} removed from its end."
        return Finding(kind="cut-off", text=text, positions=(first, last))
    text = f"{span(first, last).capitalize()} {was} deleted."
    return Finding(kind="deleted", text=text, positions=(first, last))


def _merge(spans: Iterable[Span]) -> list[Span]:
    """Spans in order, overlapping and neighbouring ones as one; empty ones left out."""
    merged: list[Span] = []
    for first, last in sorted(spans):
        if last < first:
            continue
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(merged[-1][1], last))
        else:
            merged.append((first, last))
    return merged


def _subtract(spans: Iterable[Span], minus: Iterable[Span]) -> list[Span]:
    """What is in `spans` (merged) and not in `minus`."""
    left = _merge(spans)
    for cut_first, cut_last in _merge(minus):
        left = [
            part
            for first, last in left
            for part in (
                (first, min(last, cut_first - 1)),
                (max(first, cut_last + 1), last),
            )
            if part[0] <= part[1]
        ]
    return left


def _within(position: int, spans: Iterable[Span]) -> bool:
    return any(first <= position <= last for first, last in spans)
