"""One pass over all stored rows against the leaves: what is not where it was written.

Rows that somebody renumbered are recognised while they pass, as runs with the same shift; what
remains are the rows at fault themselves and the positions without a right row.
"""

import mmap
from collections.abc import Callable, Iterable
from typing import NamedTuple

from adapters.audit.stored_rows import StoredRow
from application.merkle import HASH_BYTES, Tree

KEEP_MOST = 5_000
"""Rows at fault that are looked at one by one: nobody needs each of millions named."""
_SHIFTS = (1, -1, 2, -2, 3, -3, 4, -4)
_EVERY = 20_000
Progress = Callable[[int], None]
Stored = tuple[int, bytes, bytes]


class Run(NamedTuple):
    """Events that were written at `first` … `last` and stand `shift` positions further on."""

    first: int
    last: int
    shift: int


class Leaves:
    """The first `count` leaves to compare with: leaf 0 is that of position 1."""

    def __init__(self, raw: bytes | mmap.mmap, count: int) -> None:
        self._raw = raw
        self.count = count

    def of(self, position: int) -> bytes:
        """The leaf of a position, empty where there is none."""
        if not 1 <= position <= self.count:
            return b""
        return self._raw[(position - 1) * HASH_BYTES : position * HASH_BYTES]

    def fit(self, row: StoredRow, position: int) -> bool:
        """Whether the row, standing at another position, is the one written at this."""
        leaf = self.of(position)
        return leaf != b"" and leaf == row.leaf_at(position)


class Scan:
    """What a pass found. The first `tree_size` rows grow `tree`."""

    def __init__(
        self, leaves: Leaves, tail: Callable[[StoredRow], None], *, tree_size: int = 0
    ) -> None:
        self.leaves = leaves
        self.tree = Tree()
        self.rows = 0
        self.last_position = 0
        self.unprotected = 0
        """Rows behind the last leaf; each was given to `tail`."""
        self.missing: list[tuple[int, int]] = []
        """Runs of positions, first and last, at which there is no row."""
        self.moved: list[Run] = []
        self.wrong: list[StoredRow] = []
        """Rows that are not what was written at their position, one a position."""
        self.extra: list[StoredRow] = []
        """Further rows at a position, and rows at none."""
        self.not_kept = 0
        self._tail = tail
        self._tree_size = tree_size
        self._undecided: list[StoredRow] = []

    @property
    def noticed(self) -> bool:
        """Whether any row is not simply what was written at its position."""
        return bool(self.unprotected or self.wrong or self.extra or self.moved or self.missing)

    def run(self, rows: Iterable[Stored], progress: Progress) -> None:
        """The pass; rows in order of position, with 0 for those at none."""
        of = self.leaves.of
        for position, leaf, raw in rows:
            self.rows += 1
            if self.rows % _EVERY == 0:
                progress(_EVERY)
            if self._undecided and position != self.last_position:
                self._decide()
            if self.rows <= self._tree_size:
                self.tree.add(leaf)
            if position == self.last_position + 1 and of(position) == leaf:
                self.last_position = position  # nearly always
            else:
                self._look_at(position, leaf, StoredRow(raw, position))
        self._decide()
        if self.last_position < self.leaves.count:
            self.missing.append((self.last_position + 1, self.leaves.count))
        progress(self.rows % _EVERY)

    def _look_at(self, position: int, leaf: bytes, row: StoredRow) -> None:
        if position == self.last_position and self._undecided:
            if self.leaves.of(position) == leaf:  # the right one came second
                self.extra += self._undecided
                self._undecided = []
            else:
                self._undecided.append(row)
        elif position <= self.last_position:
            self._keep(self.extra, row)
        else:
            if position > self.last_position + 1:
                self.missing.append((self.last_position + 1, position - 1))
            self.last_position = position
            if self.leaves.of(position) != leaf:
                self._undecided = [row]

    def _decide(self) -> None:
        """No row at the last position was right: renumbered, behind the leaves, or wrong."""
        if not self._undecided:
            return
        row, *others = self._undecided
        self._undecided = []
        for other in others:
            self._keep(self.extra, other)
        if self._is_moved(row):
            return
        if row.position > self.leaves.count:
            self.unprotected += 1
            self._tail(row)
        else:
            self._keep(self.wrong, row)

    def _is_moved(self, row: StoredRow) -> bool:
        before = self.moved[-1] if self.moved else None
        shifts: tuple[int, ...] = _SHIFTS
        if before is not None and before.last + before.shift == row.position - 1:
            shifts = (before.shift, *_SHIFTS)
        for shift in shifts:
            was = row.position - shift
            if not self.leaves.fit(row, was):
                continue
            if before is not None and (before.shift, before.last) == (shift, was - 1):
                self.moved[-1] = before._replace(last=was)
            else:
                self.moved.append(Run(was, was, shift))
            return True
        return False

    def _keep(self, rows: list[StoredRow], row: StoredRow) -> None:
        if len(rows) < KEEP_MOST:
            rows.append(row)
        else:
            self.not_kept += 1
