"""What a reader may count on in every file: short, explained, free of any machine's paths."""

import ast
import re
import subprocess
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("adapters", "application", "devices", "domain", "migrations", "projections", "protocol")
LONGEST_FILE = 400
# Longer files, each with the reason why it is not two.
LONGER_FILES: dict[str, str] = {}
LINE_LIMIT = {".py", ".sql", ".sh"}
LOCK_FILES = ("requirements.lock", "requirements-dev.lock")
# A home folder, a build machine's folders, a temporary folder with a name in it.
MACHINE_PATH = re.compile(r"/home/\w|/root/|/Users/\w|/work/(main|shared)|/opt/(wheels|pypi)")
REGISTRY = re.compile(
    r"https?://[\w.-]*(pypi|pythonhosted|debian|npmjs|artifact|nexus|jfrog)[\w.-]*", re.IGNORECASE
)
# Where such an address is the subject.
MAY_NAME_REGISTRIES = {"tests/architecture/test_tidy.py"}


@cache
def tracked() -> tuple[Path, ...]:
    """Every file of the project: tracked, or about to be."""
    done = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True
    )
    if done.returncode != 0:
        pytest.skip("no git repository here")
    names = [name for name in done.stdout.decode().split("\0") if name]
    return tuple(ROOT / name for name in names if (ROOT / name).is_file())


def texts() -> list[tuple[str, str]]:
    found = []
    for path in tracked():
        try:
            found.append((path.relative_to(ROOT).as_posix(), path.read_text()))
        except UnicodeDecodeError:
            continue
    return found


def test_files_are_short() -> None:
    long = {
        name: text.count("\n")
        for name, text in texts()
        if Path(name).suffix in LINE_LIMIT and text.count("\n") > LONGEST_FILE
    }
    assert long.keys() == LONGER_FILES.keys(), long


def test_a_python_file_says_in_its_first_line_what_it_is_for() -> None:
    silent = [
        name
        for name, text in texts()
        if name.endswith(".py") and text.strip() and not _first_line(text)
    ]
    assert not silent


def test_no_file_names_a_path_of_a_machine() -> None:
    found = [
        f"{name}:{number}"
        for name, text in texts()
        if name not in MAY_NAME_REGISTRIES
        for number, line in enumerate(text.splitlines(), start=1)
        if MACHINE_PATH.search(line)
    ]
    assert not found


def test_no_file_names_a_package_registry() -> None:
    found = [
        f"{name}:{number}"
        for name, text in texts()
        if name not in MAY_NAME_REGISTRIES
        for number, line in enumerate(text.splitlines(), start=1)
        if REGISTRY.search(line)
    ]
    assert not found


@pytest.mark.parametrize("name", LOCK_FILES)
def test_lock_files_pin_by_hash_and_name_no_address(name: str) -> None:
    text = (ROOT / name).read_text()
    assert "://" not in text
    assert "--find-links" not in text
    assert "index-url" not in text
    requirements = re.findall(r"^([\w.-]+)==\S+", text, re.MULTILINE)
    assert len(requirements) > 20
    for block in re.split(r"^(?=[\w.-]+==)", text, flags=re.MULTILINE)[1:]:
        assert "--hash=sha256:" in block, block.splitlines()[0]


def test_the_development_lock_holds_the_same_versions() -> None:
    runtime, development = (
        set(re.findall(r"^([\w.-]+==\S+)", (ROOT / name).read_text(), re.MULTILINE))
        for name in LOCK_FILES
    )
    assert runtime <= development


@pytest.mark.parametrize("name", ["demo", "test", "bench", "lint"])
def test_the_scripts_can_be_started(name: str) -> None:
    assert (ROOT / "script" / name).stat().st_mode & 0o111


def test_nothing_of_the_state_folder_is_tracked() -> None:
    assert not [name for name, _ in texts() if name.startswith(("var/", ".venv/"))]


def _first_line(text: str) -> str:
    return (ast.get_docstring(ast.parse(text)) or "").partition("\n")[0]
