"""What PostgreSQL asks of its archive: whole files, never replaced, brought back as they were."""

import os
from pathlib import Path

import pytest

from adapters.postgres import wal_archive

CONTENT = os.urandom(10_000) + bytes(100_000)


@pytest.fixture
def id_file(tmp_path: Path) -> Path:
    (tmp_path / "wal-1a2b").mkdir()
    (tmp_path / "id").write_text("1a2b\n")
    return tmp_path / "id"


def put(tmp_path: Path, content: bytes = CONTENT) -> int:
    (tmp_path / "segment").write_bytes(content)
    return wal_archive.main(
        ["put", str(tmp_path / "segment"), str(tmp_path / "wal"), str(tmp_path / "id"), "0001"]
    )


def get(tmp_path: Path, name: str = "0001") -> int:
    return wal_archive.main(["get", str(tmp_path / "wal-1a2b" / name), str(tmp_path / "back")])


def test_a_file_comes_back_as_it_was(tmp_path: Path, id_file: Path) -> None:
    assert put(tmp_path) == 0
    (archived,) = (tmp_path / "wal-1a2b").iterdir()
    assert archived.stat().st_mode & 0o777 == 0o600
    assert archived.stat().st_size < len(CONTENT)
    assert get(tmp_path) == 0
    assert (tmp_path / "back").read_bytes() == CONTENT


def test_the_same_file_again_is_fine_another_one_is_refused(tmp_path: Path, id_file: Path) -> None:
    assert put(tmp_path) == 0
    assert put(tmp_path) == 0
    assert put(tmp_path, b"another") == 1
    assert get(tmp_path) == 0
    assert (tmp_path / "back").read_bytes() == CONTENT


def test_the_end_of_the_archive_is_no_file(tmp_path: Path, id_file: Path) -> None:
    assert get(tmp_path, "0002") == 1
    assert not (tmp_path / "back").exists()


@pytest.mark.parametrize("kept", [0, 10, 5_000])
def test_a_damaged_file_is_not_given_back(tmp_path: Path, id_file: Path, kept: int) -> None:
    put(tmp_path)
    (archived,) = (tmp_path / "wal-1a2b").iterdir()
    archived.write_bytes(archived.read_bytes()[:kept])
    assert get(tmp_path) == 126, "the recovery must end, not take it for the end of the archive"
    assert not (tmp_path / "back").exists()


def test_a_full_or_missing_folder_leaves_nothing_half_written(
    tmp_path: Path, id_file: Path
) -> None:
    (tmp_path / "wal-1a2b").rmdir()
    assert put(tmp_path) == 1
    assert list(tmp_path.glob("wal*")) == []
