"""A backup file is complete and unaltered, or it is not accepted."""

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from adapters.cli import archive
from adapters.cli.archive import ArchiveBroken

PARTS = ["hsm", "settings.json", "not-there"]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = tmp_path / "home"
    (home / "hsm" / "empty").mkdir(parents=True)
    (home / "hsm" / "key").write_bytes(b"key" * 1000)
    (home / "hsm" / "postmaster.pid").write_text("1")
    (home / "logs").mkdir()
    (home / "settings.json").write_text("{}")
    return home


def saved(home: Path, target: Path) -> dict[str, Any]:
    return archive.write(
        target,
        home,
        PARTS,
        {"created_us": 1},
        leave_out=frozenset({"postmaster.pid"}),
        progress=lambda _: None,
    )


def restored(source: Path, folder: Path) -> dict[str, Any]:
    return archive.extract(source, folder, progress=lambda _: None)


def test_what_was_saved_comes_back(home: Path, tmp_path: Path) -> None:
    manifest = saved(home, tmp_path / "backup.tar")
    assert restored(tmp_path / "backup.tar", tmp_path / "new") == manifest
    assert (tmp_path / "new" / "hsm" / "key").read_bytes() == b"key" * 1000
    assert (tmp_path / "new" / "hsm" / "empty").is_dir()
    assert not (tmp_path / "new" / "hsm" / "postmaster.pid").exists()
    assert not (tmp_path / "new" / "logs").exists()


def test_file_and_restored_files_are_for_their_owner_only(home: Path, tmp_path: Path) -> None:
    (home / "hsm" / "key").chmod(0o644)
    saved(home, tmp_path / "backup.tar")
    restored(tmp_path / "backup.tar", tmp_path / "new")
    for path in (tmp_path / "backup.tar", tmp_path / "new", *(tmp_path / "new").rglob("*")):
        assert path.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("prepare", [
    lambda part, other: part.symlink_to(other),
    lambda part, other: part.hardlink_to(other),
    lambda part, other: part.mkdir(),
])  # fmt: skip
def test_nothing_is_written_through_what_somebody_prepared(
    home: Path, tmp_path: Path, prepare: Callable[[Path, Path], None]
) -> None:
    other = tmp_path / "other"
    other.write_text("mine")
    prepare(tmp_path / "backup.tar.part", other)
    with pytest.raises(OSError, match="not a file of ours"):
        saved(home, tmp_path / "backup.tar")
    assert other.read_text() == "mine"


def test_what_a_killed_backup_left_is_no_hindrance(home: Path, tmp_path: Path) -> None:
    (tmp_path / "backup.tar.part").write_text("half")
    saved(home, tmp_path / "backup.tar")
    assert not (tmp_path / "backup.tar.part").exists()


def test_a_folder_where_anybody_may_replace_files_is_refused(home: Path, tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    with pytest.raises(OSError, match="anybody may replace"):
        saved(home, tmp_path / "open" / "backup.tar")
    (tmp_path / "open").chmod(0o1777)
    saved(home, tmp_path / "open" / "backup.tar")


def test_the_size_is_known_beforehand(home: Path) -> None:
    assert archive.size_of(home, PARTS, frozenset({"postmaster.pid"})) == 3002


@pytest.mark.parametrize("kept", [0.05, 0.5, 0.95])
def test_a_file_that_was_cut_off_is_refused(home: Path, tmp_path: Path, kept: float) -> None:
    saved(home, tmp_path / "backup.tar")
    content = (tmp_path / "backup.tar").read_bytes().rstrip(b"\0")
    (tmp_path / "cut.tar").write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(ArchiveBroken):
        restored(tmp_path / "cut.tar", tmp_path / "new")


def test_a_changed_byte_is_found(home: Path, tmp_path: Path) -> None:
    saved(home, tmp_path / "backup.tar")
    content = (tmp_path / "backup.tar").read_bytes()
    (tmp_path / "changed.tar").write_bytes(content.replace(b"keykey", b"keyKey", 1))
    with pytest.raises(ArchiveBroken, match="hsm/key is not what was saved"):
        restored(tmp_path / "changed.tar", tmp_path / "new")


def test_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("Dear Sir or Madam")
    with pytest.raises(ArchiveBroken):
        restored(tmp_path / "letter.txt", tmp_path / "new")


@pytest.mark.parametrize("name", ["../escaped", "/tmp/escaped", "hsm/../../escaped"])
def test_nothing_is_written_outside(tmp_path: Path, name: str) -> None:
    made(tmp_path / "evil.tar", [(tarfile.TarInfo(name), b"x")])
    with pytest.raises(ArchiveBroken):
        restored(tmp_path / "evil.tar", tmp_path / "inside" / "new")
    assert not list(tmp_path.rglob("escaped"))


def test_links_are_refused_both_ways(home: Path, tmp_path: Path) -> None:
    link = tarfile.TarInfo("hsm/key")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    made(tmp_path / "evil.tar", [(link, b"")])
    with pytest.raises(ArchiveBroken):
        restored(tmp_path / "evil.tar", tmp_path / "inside" / "new")
    (home / "hsm" / "link").symlink_to("/etc/passwd")
    with pytest.raises(ValueError, match="neither a file nor a folder"):
        saved(home, tmp_path / "backup.tar")
    assert not list(tmp_path.glob("backup.tar*"))


def test_a_file_that_the_manifest_does_not_know_is_refused(tmp_path: Path) -> None:
    manifest = json.dumps({"format": archive.FORMAT, "files": []}).encode()
    made(
        tmp_path / "more.tar",
        [(tarfile.TarInfo("stranger"), b"x"), (tarfile.TarInfo("manifest.json"), manifest)],
    )
    with pytest.raises(ArchiveBroken, match="stranger is not in the manifest"):
        restored(tmp_path / "more.tar", tmp_path / "inside" / "new")


def made(path: Path, members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    (path.parent / "inside").mkdir()
    with tarfile.open(path, "w") as tar:
        for header, content in members:
            header.size = len(content)
            tar.addfile(header, io.BytesIO(content))
