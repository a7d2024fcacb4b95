"""Whoever is woken by a code finds it in the runbook."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
MONITORS = (
    *("adapters/backend/monitor.py", "adapters/gateway/monitor.py", "adapters/web/monitor.py"),
    *("adapters/monitoring/surroundings.py", "adapters/monitoring/server.py"),
)
_CODES = re.compile(
    r"""(?:reasons|warnings|found)(?:\[|\.setdefault\()"(\w+)"|(?:reasons=|return )\{"(\w+)": """
)


@pytest.mark.parametrize("name", MONITORS)
def test_every_code_is_in_the_runbook(name: str) -> None:
    codes = {a or b for a, b in _CODES.findall((ROOT / name).read_text("utf-8"))}
    assert codes, "the pattern finds nothing"
    runbook = (ROOT / "docs" / "operations.md").read_text("utf-8")
    assert [code for code in sorted(codes) if f"\n| `{code}` |" not in runbook] == []
