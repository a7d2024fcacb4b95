"""docs/TR-TPR.md says what the code does: its examples, tables and worked example are checked."""

import json
import re
from typing import Any, is_typeddict

import pytest

from domain.answers import TEXTS as ANSWERS
from protocol import adjustment, certificate_messages, command_bodies, messages, refill_bodies
from protocol.bodies import fitting
from protocol.certificates import ROLE_OID, ROLES_OF_TLS_CLASS
from protocol.encoding import from_json, to_json
from protocol.errors import TEXTS
from protocol.line import MAX_LINE
from protocol.messages import REQUESTS
from protocol.record import MAX_RECORDS
from tests.unit.protocol.test_vectors import FILES, HANDSHAKES
from tests.vectors.worked_example import DOCUMENT, put_into

TEXT = DOCUMENT.read_text("utf-8")
SHAPES: dict[str, Any] = {
    name: shape
    for module in (messages, adjustment, certificate_messages, command_bodies, refill_bodies)
    for name, shape in vars(module).items()
    if is_typeddict(shape)
}
EXAMPLES = re.findall(r"^```json (\w+)\n(.+?)^```$", TEXT, re.MULTILINE | re.DOTALL)


def section(number: str) -> str:
    """The text of a section or subsection."""
    pattern = rf"^###? {re.escape(number)}\.? .*?(?=^###? |\Z)"
    found = re.search(pattern, TEXT, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found.group()


def rows(text: str) -> list[list[str]]:
    """The cells of its tables, without the heads."""
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip(" `") for cell in line.strip("|").split("|")] for line in lines]


@pytest.mark.parametrize(("name", "example"), EXAMPLES)
def test_every_example_has_the_shape_it_shows(name: str, example: str) -> None:
    body = from_json(example.encode())
    assert fitting(body, SHAPES[name]) == body
    assert to_json(body).decode() == example.strip(), "compact, keys sorted"
    known = SHAPES[name].__required_keys__ | SHAPES[name].__optional_keys__
    assert body.keys() <= known, "no member that the code does not know"


def test_every_shape_has_an_example() -> None:
    inner = {
        *("Cardholder", "Correction", "RefillLine", "StatementEntry"),
        *("MenuItem", "OrderItem", "Place", "Roots", "SealedPin"),
    }
    assert {name for name, _ in EXAMPLES} == SHAPES.keys() - inner


def test_the_worked_example_is_that_of_the_vectors() -> None:
    assert put_into(TEXT, FILES) == TEXT


def test_the_table_of_codes_is_the_one_in_the_code() -> None:
    table = {row[0]: row[1] for row in rows(section("11.1"))[1:]}
    assert table == TEXTS


def test_every_answer_is_in_the_table() -> None:
    table = {(row[0], row[1]) for row in rows(section("11.2"))[1:]}
    assert table - ANSWERS.keys() == {
        *(("00", "approved"), ("10", "partial"), ("91", "in-doubt")),
    }
    assert ANSWERS.keys() <= table


def test_who_may_send_what_is_as_in_the_code() -> None:
    table = {row[0]: set(row[1].split(", ")) for row in rows(section("10.1"))[1:]}
    assert table == {role: set(requests) for role, requests in REQUESTS.items()}


def test_the_classes_are_as_in_the_code() -> None:
    text = section("2.1")
    table = {row[0]: set(re.findall(r"\w+", row[1])) for row in rows(text)[1:]}
    assert table == ROLES_OF_TLS_CLASS


def test_the_labels_are_those_of_the_vectors() -> None:
    labels = {
        label.strip(" `")
        for row in rows(section("5.3"))[1:]
        for label in row[0].replace("`", "").split(" / ")
    }
    assert labels == HANDSHAKES["pos to backend"]["secrets"].keys()


def test_constants() -> None:
    assert ROLE_OID.dotted_string in section("4")
    assert f"{MAX_LINE:,}" in section("3")
    assert MAX_RECORDS == 2**20
    assert "2^20" in section("6")


def test_the_files_of_vectors_are_all_named() -> None:
    named = set(re.findall(r"`([\w-]+\.json)`", section("14")))
    ours = named - {"identity.json"}
    assert ours <= FILES.keys()
    assert json.loads((DOCUMENT.parents[1] / "tests/vectors/lines.json").read_text("utf-8"))
