"""PostgreSQL's `archive_command` and `restore_command`: a write-ahead log file to a folder or back.

Run as a plain file, not as a module: `python -I wal_archive.py put FILE FOLDER ID-FILE NAME` into
`<FOLDER>-<id>/<NAME>`, or `… get PLACE FILE`. It imports nothing of ours so that it starts fast.
`put` compresses, writes beside the place, synchronizes and
renames, so a file is there whole or not at all; what is there already is never replaced: the same
content is fine (PostgreSQL asks again after a crash), another one is an error. `get` fails where
there is no such file, which PostgreSQL takes for the end of the archive.
Exit status 0 done; 1 not done: PostgreSQL keeps the file and tries again, or takes it for the end
of the archive; 126 a file is there and cannot be read: PostgreSQL gives the recovery up.
"""

import gzip
import os
import sys
import zlib

_SUFFIX = ".gz"
_DAMAGED = 126
_LEVEL = 1  # most of a file that was closed early is zeros; ciphertext shrinks at no level


def put(source: str, place: str) -> None:
    """Archives the file `source` as `place`. Raises OSError."""
    with open(source, "rb") as file:  # noqa: PTH123 - no pathlib: it costs 10 ms
        content = file.read()
    target = place + _SUFFIX
    if os.path.exists(target):  # noqa: PTH110
        if _content(target) != content:
            raise OSError(f"{target} holds something else already: two servers share a folder")
        return
    unfinished = f"{target}.{os.getpid()}.part"
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
    try:
        with os.fdopen(os.open(unfinished, flags, 0o600), "wb") as out:
            out.write(gzip.compress(content, _LEVEL, mtime=0))
            out.flush()
            os.fsync(out.fileno())
        os.rename(unfinished, target)  # noqa: PTH104
    except BaseException:
        if os.path.exists(unfinished):  # noqa: PTH110
            os.unlink(unfinished)  # noqa: PTH108
        raise
    folder = os.open(os.path.dirname(target), os.O_RDONLY | os.O_CLOEXEC)  # noqa: PTH120
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def get(place: str, target: str) -> None:
    """Brings an archived file back as `target`. Raises OSError."""
    content = _content(place + _SUFFIX)
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
    with os.fdopen(os.open(target, flags, 0o600), "wb") as out:
        out.write(content)


def _give_back(place: str, target: str) -> int:
    try:
        get(place, target)
    except OSError as error:
        print(f"wal_archive: {error}", file=sys.stderr)
        return _DAMAGED
    return 0


def _content(path: str) -> bytes:
    try:
        with gzip.open(path, "rb") as file:
            content = file.read()
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise OSError(f"{path} is damaged: {error}") from error
    if not content:
        raise OSError(f"{path} is empty")
    return content


def main(arguments: list[str]) -> int:
    """The exit status."""
    try:
        match arguments:
            case ["put", source, folder, id_file, name]:
                with open(id_file) as file:  # noqa: PTH123
                    put(source, f"{folder}-{file.read().strip()}/{name}")
            case ["get", place, target]:
                if not os.path.exists(place + _SUFFIX):  # noqa: PTH110
                    return 1  # the end of the archive: nothing to complain about
                return _give_back(place, target)
            case _:
                print(
                    "usage: wal_archive.py put FILE FOLDER ID-FILE NAME | get PLACE FILE",
                    file=sys.stderr,
                )
                return 1
    except OSError as error:
        print(f"wal_archive: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
