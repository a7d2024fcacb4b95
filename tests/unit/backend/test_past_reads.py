"""What once was is read by moment or by event; read models are commanded by name."""

import asyncio
from typing import Any
from uuid import UUID

import pytest

from tests.unit.backend.operator_double import Scene

ID = "0192f0c1-0000-8000-8000-000000000001"


def read(scene: Scene, **body: Any) -> dict[str, Any]:
    return asyncio.run(scene.read("QUERY", **body))[1]


@pytest.mark.parametrize(
    ("body", "asked"),
    [
        ({}, (None, None)),
        ({"at_ms": 1_795_000_000_000}, (1_795_000_000_000_999, None)),
        ({"position": 8}, (None, 8)),
    ],
)
def test_a_balance_now_and_then(body: dict[str, Any], asked: tuple[Any, Any]) -> None:
    scene = Scene()
    (row,) = read(scene, what="balance", of=ID, **body)["rows"]
    assert row["balance_cents"] == 1_000
    assert scene.past.asked == [(UUID(ID), *asked)]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"of": ID, "position": 3}, "no-such-account"),
        ({"of": ID, "position": 3, "at_ms": 4}, "invalid"),
        ({"of": ID, "position": -1}, "invalid"),
        ({"of": ID, "position": 100}, "invalid"),
        ({"of": ID, "at_ms": 2**48}, "invalid"),
        ({}, "invalid"),
        ({"of": "x"}, "invalid"),
    ],
)
def test_what_makes_no_sense_is_refused(body: dict[str, Any], code: str) -> None:
    assert read(Scene(), what="balance", **body)["code"] == code


def test_projections_are_listed() -> None:
    assert read(Scene(), what="projections")["rows"] == [{"projection": "directory", "position": 7}]


@pytest.mark.parametrize("action", ["rebuild", "rebuild-in-place", "diff", "switch", "drop"])
def test_read_models_are_commanded(action: str) -> None:
    scene = Scene()
    body = {"action": action, "projection": "directory"}
    _, answer = asyncio.run(scene.command("PROJECTION", body))
    assert answer["result"] == {"projection": "directory", "state": action}
    assert scene.read_models.asked == [(action, "directory")]


@pytest.mark.parametrize(
    "body", [{}, {"action": "x", "projection": "a"}, {"action": "drop", "projection": "a\nb"}]
)
def test_other_commands_are_refused(body: dict[str, Any]) -> None:
    scene = Scene()
    _, answer = asyncio.run(scene.command("PROJECTION", body))
    assert answer["code"] == "invalid"
    assert scene.read_models.asked == []
