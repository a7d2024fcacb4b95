"""Reads the tables of a functional specification in docs/, so that tests compare them with code."""

import re
from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs"


def section(document: str, number: str) -> str:
    """The text of a numbered section (or subsection) of `docs/<document>.md`."""
    text = (DOCS / f"{document}.md").read_text("utf-8")
    found = re.search(
        rf"^(#+) {re.escape(number)}\.? .*?(?=^##? |\Z)", text, re.MULTILINE | re.DOTALL
    )
    assert found is not None, f"{document} has no section {number}"
    return found.group()


def tables(text: str) -> list[list[list[str]]]:
    """The tables of a text: rows of cells, without backquotes, without the head."""
    found: list[list[list[str]]] = []
    before = ""
    for line in text.splitlines():
        if line.startswith("|"):
            if not before.startswith("|"):
                found.append([])
            found[-1].append([cell.strip(" `") for cell in line.strip("|").split("|")])
        before = line
    return [rows[2:] for rows in found]
