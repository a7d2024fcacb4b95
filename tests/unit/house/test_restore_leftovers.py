"""A restore removes what killed ones left, and nothing else."""

import os
import subprocess
import sys
from pathlib import Path

from adapters.cli.restoring import _remove_leftovers


def test_only_what_dead_processes_left_goes(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    dead, alive = tmp_path / f"var.restoring-{ended.pid}", tmp_path / f"var.restoring-{os.getpid()}"
    other, target = tmp_path / "var.restoring-notes", tmp_path / "kept"
    for path in (dead, alive, other, target):
        path.mkdir()
        (path / "file").write_text("x")
    _remove_leftovers(tmp_path, "var.restoring-")
    assert not dead.exists()
    assert all((path / "file").exists() for path in (alive, other, target))
