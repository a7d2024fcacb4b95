"""The leaves of the log's Merkle tree, and the file that keeps them, 32 bytes an event.

The leaf of an event is SHA-256 over 0x00 and its row as stored: position, stream, version, topic
and ciphertext, each with a 4-byte length in front (numbers big-endian, 8 bytes). Ciphertext, so
that erasing a person's key changes nothing here.
"""

import contextlib
import os
import struct
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

from application.merkle import HASH_BYTES
from application.ports import Row

_BEFORE_TOPIC = struct.Struct(">xIqI16sIqI")  # x: the 0x00 that marks a leaf (RFC 6962)
_LENGTH = struct.Struct(">I")


def leaf_of(row: Row) -> bytes:
    """The leaf of a stored row."""
    position, originator_id, version, topic, state = row
    name = topic.encode()
    return sha256(
        b"".join(
            (
                _BEFORE_TOPIC.pack(8, position, 16, originator_id.bytes, 8, version, len(name)),
                name,
                _LENGTH.pack(len(state)),
                state,
            )
        )
    ).digest()


@contextlib.contextmanager
def leaves_of_file(path: Path) -> Iterator[Callable[[int, int], bytes]]:
    """Reads so many leaves from a leaf on, fewer at the end; never writes. Raises OSError."""
    with path.open("rb") as file:
        yield lambda at, count: os.pread(file.fileno(), count * HASH_BYTES, at * HASH_BYTES)


class LeavesFile:
    """Leaves one after the other; leaf 0 is that of position 1. Raises OSError."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def __len__(self) -> int:
        """How many whole leaves there are; a torn last one does not count."""
        return os.fstat(self._file).st_size // HASH_BYTES

    def read(self, at: int, count: int) -> bytes:
        """`count` leaves from leaf `at` on, fewer at the end."""
        raw = os.pread(self._file, count * HASH_BYTES, at * HASH_BYTES)
        return raw[: len(raw) - len(raw) % HASH_BYTES]

    def write(self, at: int, leaves: bytes) -> None:
        """Leaves from leaf `at` on; whatever stood behind them is cut off."""
        end = at * HASH_BYTES
        while leaves:
            written = os.pwrite(self._file, leaves, end)
            leaves = leaves[written:]
            end += written
        os.ftruncate(self._file, end)

    def sync(self) -> None:
        """Waits until everything is on the disk."""
        os.fsync(self._file)

    def close(self) -> None:
        """Closes the file."""
        os.close(self._file)
