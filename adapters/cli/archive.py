"""The file that `backup` writes: a tar of parts of the state folder, and a manifest that proves it.

The manifest is the last member, because it holds the SHA-256 of everything before it. Only plain
files and folders are taken, all become 0600 and 0700, and nothing else is accepted back.
"""

import contextlib
import errno
import hashlib
import io
import json
import os
import stat
import tarfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import IO, Any, Final

FORMAT: Final = 1
_MANIFEST: Final = "manifest.json"
_CHUNK_BYTES: Final = 1024 * 1024
_MANIFEST_LIMIT: Final = 256 * 1024 * 1024
_Progress = Callable[[int], None]


class ArchiveBroken(Exception):
    """The file is no complete backup: cut off, altered, or not one of ours."""


def size_of(
    home: Path,
    parts: list[str],
    leave_out: frozenset[str],
    elsewhere: Mapping[str, Path] | None = None,
) -> int:
    """How many bytes `write` will copy."""
    members = _members(home, parts, leave_out, elsewhere or {})
    return sum(path.stat().st_size for _, path in members if path.is_file())


def write(
    target: Path,
    home: Path,
    parts: list[str],
    facts: dict[str, Any],
    *,
    leave_out: frozenset[str],
    progress: _Progress,
    elsewhere: Mapping[str, Path] | None = None,
) -> dict[str, Any]:
    """Copies `parts` of `home` into the new file `target`, 0600, there as a whole or not at all.

    `elsewhere` names parts that do not lie in `home`. `facts` become part of the manifest, which
    is returned. Raises OSError; ValueError for a link or another special file in the state folder.
    """
    unfinished = target.with_name(target.name + ".part")
    descriptor = _new_file(unfinished)
    try:
        with os.fdopen(descriptor, "wb") as file:
            with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
                files = [
                    _add(tar, name, path, progress)
                    for name, path in _members(home, parts, leave_out, elsewhere or {})
                ]
                manifest = {"format": FORMAT, **facts, "files": files}
                text = json.dumps(manifest, indent=0).encode()
                tar.addfile(_header(_MANIFEST, len(text)), io.BytesIO(text))
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(target)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
    return manifest


def extract(source: Path, folder: Path, *, progress: _Progress) -> dict[str, Any]:
    """Unpacks a backup into the new `folder`, checks all of it, and returns the manifest.

    Raises ArchiveBroken, OSError. What lies in `folder` then is of no use.
    """
    found: dict[str, dict[str, Any]] = {}
    folder.mkdir(mode=0o700)
    try:
        with tarfile.open(source, mode="r:") as tar:
            for member in tar:
                if member.name == _MANIFEST:
                    manifest = _manifest(tar, member)
                    _compare(manifest, found)
                    _synchronize(folder)
                    return manifest
                facts = _unpack(tar, member, folder, progress)
                if found.setdefault(member.name, facts) is not facts:
                    raise ArchiveBroken(f"{member.name} is in it twice")
    except (tarfile.TarError, EOFError) as error:
        raise ArchiveBroken(f"it is no complete archive: {error}") from None
    raise ArchiveBroken("it ends before its manifest")


def _new_file(path: Path) -> int:
    """A new file of ours alone; what a backup of ours that was killed left there goes first.

    Raises OSError for what somebody else put there, a link too, and in a folder where anybody
    could put another file in its place.
    """
    folder = path.parent.stat()
    if folder.st_mode & stat.S_IWOTH and not folder.st_mode & stat.S_ISVTX:
        raise PermissionError(errno.EPERM, "anybody may replace files in this folder", path.parent)
    with contextlib.suppress(FileNotFoundError):
        there = path.lstat()
        if not stat.S_ISREG(there.st_mode) or there.st_uid != os.geteuid() or there.st_nlink != 1:
            raise PermissionError(errno.EPERM, "it is not a file of ours: remove it", path)
        path.unlink()
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.open(path, flags, 0o600)


def _members(
    home: Path, parts: list[str], leave_out: frozenset[str], elsewhere: Mapping[str, Path]
) -> Iterator[tuple[str, Path]]:
    for part in parts:
        top = elsewhere.get(part, home / part)
        if not top.exists():
            continue
        for path in [top, *sorted(top.rglob("*"))] if top.is_dir() else [top]:
            if path.name in leave_out or path.is_socket():
                continue
            if path.is_symlink() or not (path.is_file() or path.is_dir()):
                raise ValueError(f"{path} is neither a file nor a folder")
            yield (PurePosixPath(part) / path.relative_to(top).as_posix()).as_posix(), path


def _add(tar: tarfile.TarFile, name: str, path: Path, progress: _Progress) -> dict[str, Any]:
    if path.is_dir():
        header = _header(name, 0)
        header.type, header.mode = tarfile.DIRTYPE, 0o700
        tar.addfile(header)
        return {"name": name, "folder": True}
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        reader = _HashingReader(file, progress)
        tar.addfile(_header(name, size), reader)
    return {"name": name, "size": size, "sha256": reader.digest.hexdigest()}


def _header(name: str, size: int) -> tarfile.TarInfo:
    header = tarfile.TarInfo(name)
    header.size, header.mode = size, 0o600
    return header


class _HashingReader(io.RawIOBase):
    """Hashes what is read through it."""

    def __init__(self, file: IO[bytes], progress: _Progress) -> None:
        self._file = file
        self._progress = progress
        self.digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        chunk = self._file.read(size)
        self.digest.update(chunk)
        self._progress(len(chunk))
        return chunk


def _unpack(
    tar: tarfile.TarFile, member: tarfile.TarInfo, folder: Path, progress: _Progress
) -> dict[str, Any]:
    place = PurePosixPath(member.name)
    if place.is_absolute() or ".." in place.parts or not place.parts:
        raise ArchiveBroken(f"{member.name!r} leads out of the folder")
    path = folder / place
    if member.isdir():
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        return {"name": member.name, "folder": True}
    content = tar.extractfile(member) if member.isreg() else None
    if content is None:
        raise ArchiveBroken(f"{member.name!r} is neither a file nor a folder")
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    digest, size = hashlib.sha256(), 0
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        while chunk := content.read(_CHUNK_BYTES):
            digest.update(chunk)
            size += len(chunk)
            file.write(chunk)
            progress(len(chunk))
        file.flush()
        os.fsync(file.fileno())
    return {"name": member.name, "size": size, "sha256": digest.hexdigest()}


def _manifest(tar: tarfile.TarFile, member: tarfile.TarInfo) -> dict[str, Any]:
    content = tar.extractfile(member)
    if content is None or member.size > _MANIFEST_LIMIT:
        raise ArchiveBroken("its manifest is no file")
    try:
        manifest: dict[str, Any] = json.loads(content.read())
        known = manifest["format"]
    except (ValueError, KeyError, TypeError):
        raise ArchiveBroken("its manifest cannot be read") from None
    if known != FORMAT:
        raise ArchiveBroken(f"it has format {known}, this program knows {FORMAT}")
    return manifest


def _compare(manifest: dict[str, Any], found: dict[str, dict[str, Any]]) -> None:
    wanted = {facts["name"]: facts for facts in manifest["files"]}
    for name in sorted(wanted.keys() ^ found.keys()):
        raise ArchiveBroken(f"{name} is {'missing' if name in wanted else 'not in the manifest'}")
    for name, facts in wanted.items():
        if facts != found[name]:
            raise ArchiveBroken(f"{name} is not what was saved")


def _synchronize(folder: Path) -> None:
    for path in (folder, *(each for each in folder.rglob("*") if each.is_dir())):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
