"""Times are shown by this machine's clock; a list names its zone once, in the head."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from adapters.cli import dispute
from adapters.cli.listing import table_lines
from adapters.cli.times import day, moment, under_head, zone
from tests.unit.cli.conftest import Program

WINTER_MS = int(datetime(2026, 1, 15, 2, 30, tzinfo=UTC).timestamp() * 1000)
SUMMER_MS = int(datetime(2026, 7, 15, 2, 30, tzinfo=UTC).timestamp() * 1000)


@pytest.fixture
def chicago(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "America/Chicago")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("chicago")
def test_a_moment_has_the_zone_of_its_own_season() -> None:
    assert moment(WINTER_MS) == "2026-01-14 20:30 CST"
    assert moment(SUMMER_MS) == "2026-07-14 21:30 CDT"
    assert (day(WINTER_MS), moment(0), day(0)) == ("2026-01-14", "", "")


@pytest.mark.usefixtures("chicago")
def test_a_list_names_its_zone_once_and_another_season_beside_the_time() -> None:
    head, *rows = table_lines(("at_ms",), [{"at_ms": WINTER_MS}, {"at_ms": SUMMER_MS}])
    assert head == f"at ({zone()})"
    other = {"CST": "CDT", "CDT": "CST"}[zone()]
    assert [other in row for row in rows] == [zone() == "CDT", zone() == "CST"]
    assert under_head(0) == ""


@pytest.mark.usefixtures("chicago")
def test_disputes_are_a_table(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    facts = {"amount_cents": 450, "transaction": "P", "decide_until_ms": WINTER_MS}
    rows = [
        {"dispute": "D", "status": "open", "overdue": True, **facts},
        {"dispute": "E", "status": "shop", "overdue": True, **facts},
    ]
    monkeypatch.setattr(dispute, "_rows", lambda _: rows)
    head, first, second = program("dispute", "list", "--all").out.splitlines()
    assert f"decide by ({zone()})" in head
    assert "2026-01-14 20:30" in first and first.endswith("OVERDUE")
    assert second.endswith("P"), "a decided one is not due"
