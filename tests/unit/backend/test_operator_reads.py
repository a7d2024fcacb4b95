"""Reads are checked, and long answers come in parts that fit a line."""

import asyncio
import dataclasses
import time
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.backend import operators
from adapters.backend.operator_reads import PART_BYTES, row_parts, text_parts
from application.ports import Unavailable
from protocol.encoding import to_json
from tests.unit.backend.operator_double import Scene

ID = "0192f0c1-0000-8000-8000-000000000001"


def read(scene: Scene, verb: str, **body: Any) -> dict[str, Any]:
    return asyncio.run(scene.read(verb, **body))[1]


@pytest.mark.parametrize("what", ["companies", "shops"])
def test_lists_without_an_owner(what: str) -> None:
    scene = Scene()
    scene.directory.rows = [{"name": "a"}]
    assert read(scene, "QUERY", what=what)["rows"] == [{"name": "a"}]


@pytest.mark.parametrize("what", ["terminals", "cards", "accounts"])
def test_lists_of_an_owner(what: str) -> None:
    scene = Scene()
    assert read(scene, "QUERY", what=what, of=ID)["rows"] == []
    assert scene.directory.of == UUID(ID)
    assert read(scene, "QUERY", what=what)["code"] == "invalid"


@pytest.mark.parametrize(
    ("verb", "body", "code"),
    [
        ("QUERY", {"what": "terminals", "of": ID}, "no-such-shop"),
        ("QUERY", {"what": "cards", "of": ID}, "no-such-company"),
        ("QUERY", {"what": "accounts", "of": ID}, "no-such-company"),
        (
            "EXPORT",
            {"what": "settlements", "from": "2026-11-01", "to": "2026-11-02", "format": "csv",
             "shop": ID},
            "no-such-shop",
        ),
    ],
)  # fmt: skip
def test_what_is_not_there_does_not_look_empty(verb: str, body: dict[str, Any], code: str) -> None:
    scene = Scene()
    scene.directory.unknown = {UUID(ID)}
    assert read(scene, verb, **body)["code"] == code


def test_an_unknown_list_is_refused_with_those_that_exist() -> None:
    assert "companies" in read(Scene(), "QUERY", what="secrets")["text"]


def test_many_rows_come_in_parts_in_order() -> None:
    scene = Scene()
    rows = [{"name": "x" * 90, "n": n} for n in range(2_000)]
    scene.directory.rows = list(rows)
    asyncio.run(scene.read("QUERY", what="shops"))
    parts = [body for _, verb, body in scene.replies if verb == "QUERY"]
    assert [row for part in parts for row in part["rows"]] == rows
    assert [part["part"] for part in parts] == list(range(1, len(parts) + 1))
    assert [part["more"] for part in parts] == [True] * (len(parts) - 1) + [False]
    assert all(len(to_json(part)) < 48_000 for part in parts)


def test_a_history_is_asked_for_by_card() -> None:
    scene = Scene("auditor")
    scene.history = [{"what": "card.issued/1"}]
    assert read(scene, "AUDIT", card=ID)["rows"] == scene.history
    assert scene.asked == [UUID(ID)]


def test_a_card_without_history_does_not_exist() -> None:
    assert read(Scene("auditor"), "AUDIT", card=ID)["code"] == "no-such-card"


def export(scene: Scene, **changed: Any) -> dict[str, Any]:
    body = {"what": "settlements", "from": "2026-11-01", "to": "2026-11-30", "format": "csv"}
    return read(scene, "EXPORT", **{**body, **changed})


def test_settlements_are_exported() -> None:
    scene = Scene()
    assert export(scene, shop=ID)["chunk"] == scene.exported
    assert scene.asked == [("2026-11-01", "2026-11-30", UUID(ID), "csv")]
    export(scene, format="xml")
    assert scene.asked[1] == ("2026-11-01", "2026-11-30", None, "xml")


@pytest.mark.parametrize(
    "changed",
    [{"from": "2026-12-01"}, {"from": "1.11.2026"}, {"to": "2026-02-30"}, {"to": "20261130"},
     {"shop": "x"}],
)  # fmt: skip
def test_an_export_of_no_period_is_refused(changed: dict[str, Any]) -> None:
    assert export(Scene(), **changed)["code"] == "invalid"


def test_a_reader_that_is_gone_gets_nothing_more() -> None:
    scene = Scene()
    scene.exported = "x" * 200_000

    async def gone() -> bool:
        return False

    async def ask() -> None:
        body = {"what": "settlements", "from": "2026-11-01", "to": "2026-11-30", "format": "csv"}
        scene.operators.handle(scene.session, "D", "EXPORT", {"id": 1, **body}, scene._reply, gone)
        await asyncio.gather(*scene.operators._tasks)

    asyncio.run(ask())
    assert len(scene.replies) == 1


def test_an_empty_export_is_one_empty_part() -> None:
    scene = Scene()
    scene.exported = ""
    answer = export(scene)
    assert (answer["chunk"], answer["more"]) == ("", False)


def test_a_long_read_gives_signs_of_life(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operators, "WORKING_S", 0.01)
    scene = Scene("auditor")
    scene.history = [{"what": "card.issued/1"}]
    slow = scene.surroundings().audit_history

    def slowly(card_id: UUID) -> list[dict[str, Any]]:
        time.sleep(0.1)
        return slow(card_id)

    around = dataclasses.replace(scene.surroundings(), audit_history=slowly)
    scene.operators = operators.Operators(around)
    assert read(scene, "AUDIT", card=ID)["rows"] == scene.history
    states = [body.get("state") for _, _, body in scene.replies]
    assert states.count("working") >= 2
    assert states[-1] is None


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"what": "event", "position": 1}, "position 1"),
        ({"what": "stream", "stream": ID}, f"stream {ID} False"),
        ({"what": "stream", "stream": ID, "receipt": True}, f"stream {ID} True"),
        ({"what": "extension", "old_size": 0}, "extension of 0"),
    ],
)
def test_proofs_are_given_to_auditors(asked: dict[str, Any], said: str) -> None:
    answer = read(Scene("auditor"), "PROOF", **asked)
    assert (answer["chunk"], answer["part"], answer["more"]) == (said, 1, False)


@pytest.mark.parametrize(
    "asked",
    [{"what": "event"}, {"what": "event", "position": 0}, {"what": "event", "position": -1},
     {"what": "stream"}, {"what": "stream", "stream": "x"}, {"what": "extension", "old_size": -1}],
)  # fmt: skip
def test_a_proof_of_nothing_is_refused(asked: dict[str, Any]) -> None:
    assert read(Scene("auditor"), "PROOF", **asked)["code"] == "invalid"


@pytest.mark.parametrize(
    "asked", [{"what": "all"}, {"what": "event", "position": 2**63}, {"position": 1}]
)
def test_a_proof_request_must_have_its_shape(asked: dict[str, Any]) -> None:
    assert read(Scene("auditor"), "PROOF", **asked)["code"] == "bad-body"


@given(st.lists(st.text(max_size=200)), st.integers(min_value=40, max_value=200))
def test_text_parts_join_to_the_text_and_fit(pieces: list[str], most: int) -> None:
    pieces = [piece.encode("utf-8", "replace").decode() for piece in pieces]
    parts = list(text_parts(pieces, most))
    assert "".join(parts) == "".join(pieces)
    assert all(len(to_json({"": part})) <= most for part in parts)
    assert all(parts) or parts == [""]


@given(st.lists(st.integers(0, 300), max_size=30))
def test_row_parts_keep_all_rows(sizes: list[int]) -> None:
    rows: list[dict[str, Any]] = [{"x": "y" * size} for size in sizes]
    parts = list(row_parts(rows, 500))
    assert [row for part in parts for row in part] == rows
    assert all(sum(len(to_json(row)) + 1 for row in part) <= 500 for part in parts)
    assert len(parts) >= 1
    assert PART_BYTES < 48_000


def test_the_hsm_is_told_of_without_waiting_for_the_ledger() -> None:
    scene = Scene("auditor")

    def never() -> bool:
        raise AssertionError("the ledger was waited for")

    scene.operators._reads.outside = dataclasses.replace(scene.surroundings(), catch_up=never)
    (row,) = read(scene, "QUERY", what="hsm")["rows"]
    assert row["answers"]
    scene.hsm.key_rows = [{"key": "K_DB"}]
    assert read(scene, "QUERY", what="hsm-keys")["rows"] == [{"key": "K_DB"}]
    scene.hsm.error = Unavailable("token")
    assert read(scene, "QUERY", what="hsm-keys")["code"] == "unavailable"
