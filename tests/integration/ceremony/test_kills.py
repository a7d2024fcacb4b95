"""Killed at every step, a ceremony comes to one end, and does nothing twice."""

import subprocess
import sys
from pathlib import Path

from adapters.ceremony.shares import combine
from adapters.ceremony.transcript import NOTE, read_entries
from adapters.ceremony.verification import verify
from adapters.hsm.authority import Authority
from adapters.hsm.provision import KEYS, open_token
from tests.integration.ceremony import killed_again_and_again


def test_a_ceremony_that_is_killed_at_every_step_is_finished_once(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, killed_again_and_again.__file__, str(tmp_path)],
        cwd=Path(__file__).parents[3], capture_output=True, text=True, timeout=110,
        env={"PYTHONPATH": str(Path(__file__).parents[3]), "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "ceremony"
    entries = read_entries((folder / "transcript.jsonl").read_bytes())
    steps = [entry.step for entry in entries if entry.step != NOTE]
    assert int(done.stdout) > len(steps), "it died at each of them"
    assert len(steps) == len(set(steps))
    assert [step for step in steps if step.startswith("key ")] == [f"key {k.label}" for k in KEYS]
    assert not (folder / "open.json").exists()

    shares = [path.read_text() for path in sorted((folder / "shares").iterdir())]
    assert len(shares) == 3
    token = open_token(tmp_path, combine(shares[:2]))
    try:
        root = Authority(token).root
    finally:
        token.close()
    verdict = verify(folder, [root])
    assert verdict.ok, verdict.checks
