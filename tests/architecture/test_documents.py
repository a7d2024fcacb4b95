"""The documents lead somewhere: links and named tests exist, every decision is in the index."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
_LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")
_TEST = re.compile(r"`(tests/[\w/.]+|test_\w+\.py)`")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_to_files(document: Path) -> None:
    links = _LINK.findall(document.read_text("utf-8"))
    assert not [link for link in links if not (document.parent / link).exists()]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_the_tests_that_are_named_exist(document: Path) -> None:
    named = _TEST.findall(document.read_text("utf-8"))
    known = {path.name for path in (ROOT / "tests").rglob("test_*.py")}
    assert not [name for name in named if name not in known and not (ROOT / name).exists()]


def test_every_decision_is_in_the_index() -> None:
    index = (ROOT / "docs" / "decisions" / "README.md").read_text("utf-8")
    for decision in DECISIONS:
        title = decision.read_text("utf-8").partition("\n")[0].removeprefix("# ")
        assert f"[{decision.name[:4]}]({decision.name}) | {title} |" in index


@pytest.mark.parametrize("decision", DECISIONS, ids=lambda path: path.stem)
def test_a_decision_has_its_four_parts(decision: Path) -> None:
    text = decision.read_text("utf-8")
    for part in ("**Context.**", "**Decision.**", "**Consequences.**", "**Enforced by**"):
        assert text.count(part) == 1, part
