"""Who may import whom (docs: architecture): the contracts in pyproject.toml, and allow-lists."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# What each package may import besides the standard library and itself.
ALLOWED = {
    "domain": {"msgspec"},
    "protocol": {"cryptography"},
    "devices": {"cryptography", "protocol", "rich", "textual", "typer", "uvloop"},
}


def test_the_import_contracts_are_kept() -> None:
    lint_imports = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [lint_imports, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("package", sorted(ALLOWED))
def test_a_package_imports_only_what_it_may(package: str) -> None:
    allowed = ALLOWED[package] | sys.stdlib_module_names | {package}
    foreign = {
        f"{file.relative_to(ROOT)}: {name}"
        for file in (ROOT / package).rglob("*.py")
        for name in _imported(file)
        if name not in allowed
    }
    assert not foreign


def test_the_composition_root_is_used_by_the_command_line_only() -> None:
    users = {
        str(file.relative_to(ROOT))
        for file in (ROOT / "adapters").rglob("*.py")
        if "adapters.composition" in file.read_text() and file.name != "composition.py"
    }
    assert all(user.startswith("adapters/cli/") for user in users), users


def _imported(file: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found.add(node.module.partition(".")[0])
    return found
