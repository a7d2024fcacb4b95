"""The rows of `events` in a dump that pg_dump wrote as SQL, read without any database.

The dump comes from whoever has it: it is read in place, line by line, and its rows are sorted here.
Its text is turned into the bytes that a leaf is made of; nothing in it is executed.
"""

import contextlib
import mmap
import re
import struct
from array import array
from collections import defaultdict
from collections.abc import Callable, Iterator
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Final
from uuid import UUID

from adapters.audit.proof_file import UnusableFile
from adapters.audit.row_sources import Copies, Stored
from application.merkle import LEAF

_COPY = re.compile(rb'^COPY (?:"?\w+"?\.)?events \(([^)\n]*)\) FROM stdin;\r?\n', re.MULTILINE)
_COLUMNS: Final = (
    *(b"shard", b"position", b"originator_id", b"originator_version", b"topic", b"state"),
)
_BEFORE_TOPIC = struct.Struct(">hihiqi16siq")
_LENGTH = struct.Struct(">i")
_AFTER_SHARD: Final = 8
_LONGEST_LINE: Final = 16 * 1024 * 1024
_COPIES_MOST: Final = 10_000
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)
_ESCAPES: Final = {b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v"}


class DumpRows:
    """`adapters.audit.row_sources.RowSource`. Raises UnusableFile."""

    def __init__(self, path: Path, shard: int = 0) -> None:
        self._path = path
        self._shard = shard

    @contextlib.contextmanager
    def reading(self) -> Iterator[tuple[Iterator[Stored], Callable[[], Copies]]]:
        """See the port."""
        with self._mapped() as raw:
            section = _Section(self._path, raw)
            yield section.rows(self._shard), lambda: section.copies(self._shard)

    @contextlib.contextmanager
    def _mapped(self) -> "Iterator[mmap.mmap | bytes]":
        try:
            with self._path.open("rb") as file:
                if not self._path.is_file():
                    raise UnusableFile(f"{self._path} is no file")
                empty = self._path.stat().st_size == 0
                raw = b"" if empty else mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except OSError as error:
            raise UnusableFile(f"{self._path} cannot be read: {error.strerror}") from None
        try:
            yield raw
        finally:
            if isinstance(raw, mmap.mmap):
                raw.close()


class _Section:
    """The lines of the one COPY into `events`, and the order in which they are taken."""

    def __init__(self, path: Path, raw: "mmap.mmap | bytes") -> None:
        self._path = path
        self._raw = raw
        found = list(islice(_copies_into_events(raw), 2))
        if raw[:5] == b"PGDMP":
            raise UnusableFile(
                f"{path} is in pg_dump's own format: make SQL of it by pg_restore -f"
            )
        if not found:
            raise UnusableFile(f"{path} has no rows of events as pg_dump writes them in SQL")
        if len(found) > 1:
            raise UnusableFile(f"{path} fills the table of events twice")
        names = [name.strip().strip(b'"') for name in found[0][1].split(b",")]
        if sorted(names) != sorted(_COLUMNS):
            raise UnusableFile(f"{path} has other columns of events than this system")
        self._order = [names.index(name) for name in _COLUMNS]
        self._index(found[0].end())

    def _index(self, at: int) -> None:
        """Where each line begins, in order of position."""
        starts, positions = array("q"), array("q")
        raw, column, in_order, last = self._raw, self._order[1], True, -1
        while True:
            end = raw.find(b"\n", at, at + _LONGEST_LINE)
            if end < 0:
                raise UnusableFile(f"{self._path} ends in the middle of the events: it was cut off")
            line = raw[at:end]
            if line.rstrip(b"\r") == b"\\.":
                break
            fields = line.split(b"\t", column + 1)
            position = _whole(fields[column]) if len(fields) > column else None
            starts.append(at)
            positions.append(-1 if position is None else position)
            in_order = in_order and positions[-1] > last
            last = positions[-1]
            at = end + 1
        self._starts = starts
        self._taken = (
            range(len(starts))
            if in_order
            # Shard, stream and version where positions are the same: as the database does.
            else sorted(range(len(starts)), key=lambda at: (positions[at], self._row(at)[:52]))
        )

    def rows(self, shard: int) -> Iterator[Stored]:
        """As `adapters.audit.stored_rows.rows`."""
        start = struct.pack(">hihi", len(_COLUMNS), 2, shard, 8)
        for number in self._taken:
            raw = self._row(number)
            if raw.startswith(start):
                (position,) = struct.unpack_from(">q", raw, 12)
                yield max(0, position), sha256(LEAF + raw[_AFTER_SHARD:]).digest(), raw
            else:
                yield 0, b"", raw

    def copies(self, shard: int) -> Copies:
        """One more pass, by stream and version."""
        places: dict[bytes, int] = {}
        found: dict[bytes, list[int]] = defaultdict(list)
        for position, _, raw in self.rows(shard):
            if not position or len(found) > _COPIES_MOST:
                continue
            key = raw[24:40] + raw[44:52]  # behind count, shard, position and lengths
            if key in places:
                found[key] = [*(found.get(key) or [places[key]]), position]
            else:
                places[key] = position
        return {
            (UUID(bytes=key[:16]), int.from_bytes(key[16:], signed=True)): positions
            for key, positions in found.items()
        }

    def _row(self, number: int) -> bytes:
        """A line as PostgreSQL's binary COPY would give it."""
        at = self._starts[number]
        line = self._raw[at : self._raw.find(b"\n", at)].removesuffix(b"\r")
        fields = line.split(b"\t")
        if len(fields) != len(_COLUMNS):
            raise self._unreadable(number)
        shard, position, stream, version, topic, state = map(fields.__getitem__, self._order)
        try:
            id = bytes.fromhex(stream.decode().replace("-", ""))
            head = _BEFORE_TOPIC.pack(
                len(_COLUMNS), 2, int(shard), 8, int(position), 16, id, 8, int(version)
            )
            if len(id) != 16 or not state.startswith(b"\\\\x"):
                raise ValueError
            sealed = bytes.fromhex(state[3:].decode())
        except (ValueError, struct.error):
            raise self._unreadable(number) from None
        name = _ESCAPED.sub(_unescaped, topic) if b"\\" in topic else topic
        return b"".join((head, _LENGTH.pack(len(name)), name, _LENGTH.pack(len(sealed)), sealed))

    def _unreadable(self, number: int) -> UnusableFile:
        return UnusableFile(
            f"{self._path}: row {number + 1:,} of events is not as this system stores rows"
        )


def _copies_into_events(raw: "mmap.mmap | bytes") -> "Iterator[re.Match[bytes]]":
    """Where events are filled. By `find`: an expression takes seconds for a gigabyte."""
    at = raw.find(b"COPY ")
    while at >= 0:
        match = _COPY.match(raw, at)
        if match is not None:
            yield match
        at = raw.find(b"COPY ", at + 5)


def _whole(text: bytes) -> int | None:
    if len(text) > 19 or not text.removeprefix(b"-").isdigit():
        return None
    number = int(text)
    return number if -(2**63) <= number < 2**63 else None


def _unescaped(match: "re.Match[bytes]") -> bytes:
    return _ESCAPES.get(match[1], match[1])
