"""Backup and restore remove what killed ones left, and nothing else."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from adapters.cli import leftovers


@pytest.mark.parametrize(("prefix", "suffix"), [("var.restoring-", ""), ("b.tar.", ".staging")])
def test_only_what_dead_processes_left_goes(tmp_path: Path, prefix: str, suffix: str) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    dead, alive, other = (
        tmp_path / f"{prefix}{middle}{suffix}" for middle in (ended.pid, os.getpid(), "notes")
    )
    target, squared = tmp_path / "kept", tmp_path / f"{prefix}²{suffix}"
    for path in (dead, alive, other, target, squared):
        path.mkdir()
        (path / "file").write_text("x")
    leftovers.remove(tmp_path, prefix, suffix)
    assert not dead.exists()
    assert all((path / "file").exists() for path in (alive, other, target, squared))
