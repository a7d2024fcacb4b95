"""The logs of the servers stay small and lose nothing that matters."""

import os
from pathlib import Path

from adapters.cli.process_log import ProcessLog


def log(folder: Path, *, max_bytes: int = 100, files: int = 2) -> ProcessLog:
    return ProcessLog(folder, "backend", max_bytes=max_bytes, files=files)


def test_a_writer_goes_on_in_the_same_file_after_it_was_cut(tmp_path: Path) -> None:
    log_file = log(tmp_path)
    writer = log_file.open()
    os.write(writer, b"x" * 150 + b"\n")
    log_file.rotate_if_large()
    os.write(writer, b"after\n")
    os.close(writer)
    assert (tmp_path / "backend.log").read_bytes() == b"after\n"
    assert (tmp_path / "backend.log.1").read_bytes() == b"x" * 150 + b"\n"


def test_older_files_move_on_and_the_oldest_goes(tmp_path: Path) -> None:
    log_file = log(tmp_path)
    for number in b"123":
        writer = log_file.open()
        os.write(writer, bytes([number]) * 100)
        os.close(writer)
        log_file.rotate_if_large()
    assert (tmp_path / "backend.log.1").read_bytes()[:1] == b"3"
    assert (tmp_path / "backend.log.2").read_bytes()[:1] == b"2"
    assert not (tmp_path / "backend.log.3").exists()


def test_logs_are_for_their_owner_only(tmp_path: Path) -> None:
    log_file = log(tmp_path)
    writer = log_file.open()
    os.write(writer, b"x" * 100)
    os.close(writer)
    log_file.rotate_if_large()
    assert all(path.stat().st_mode & 0o077 == 0 for path in tmp_path.iterdir())


def test_a_small_file_stays(tmp_path: Path) -> None:
    log_file = log(tmp_path)
    log_file.rotate_if_large()
    os.close(log_file.open())
    log_file.rotate_if_large()
    assert not (tmp_path / "backend.log.1").exists()


def test_the_tail_is_the_last_lines(tmp_path: Path) -> None:
    log_file = log(tmp_path)
    assert log_file.tail(2) == []
    log_file.path.write_text("one\ntwo\nthree\n")
    assert log_file.tail(2) == ["two", "three"]
