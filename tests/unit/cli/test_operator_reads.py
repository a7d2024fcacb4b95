"""Lists and exports arrive whole, in a file or on standard output."""

import stat
from datetime import UTC, datetime

import pytest

from adapters.backend.directory_lists import alert_row
from domain.aggregates.alert import evolve
from tests.unit.application import happened
from tests.unit.cli.backend_double import BackendDouble
from tests.unit.cli.conftest import Program

PERIOD = ("--from", "2026-11-01", "--to", "2026-11-30")


def test_a_long_export_arrives_byte_for_byte(program: Program, backend: BackendDouble) -> None:
    backend.outside.exported = "".join(f"{n},Café №{n}\r\n" for n in range(30_000))
    out = backend.home / "settlements.csv"
    made = program.json("export", "settlements", *PERIOD, "--out", str(out))
    assert out.read_bytes().decode() == backend.outside.exported
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert made["bytes"] == len(backend.outside.exported.encode())


def test_an_export_goes_to_standard_output(program: Program, backend: BackendDouble) -> None:
    backend.outside.exported = "<settlements/>\n"
    ended = program("export", "settlements", *PERIOD, "--format", "xml")
    assert (ended.status, ended.out) == (0, "<settlements/>\n")
    assert backend.outside.asked == [("2026-11-01", "2026-11-30", None, "xml")]
    assert program("export", "settlements", *PERIOD, "--json").status == 2


def test_lists_are_for_people_and_for_programs(program: Program, backend: BackendDouble) -> None:
    rows = [{"account": str(happened.ACCOUNT), "name": f"Ana {n}", "balance_cents": 123_450}
            for n in range(500)]  # fmt: skip
    backend.outside.directory.rows = list(rows)
    assert program.json("list", "accounts", str(happened.COMPANY)) == rows
    ended = program("list", "accounts", str(happened.COMPANY), "--as", "operator-1")
    assert str(happened.ACCOUNT) in ended.out
    assert "$1,234.50" in ended.out
    backend.outside.directory.rows = []
    assert "no shops yet" in program("list", "shops").out
    assert program("list", "cards", "x").status == 2
    unowned = program("list", "cards")
    assert (unowned.status, "list companies" in unowned.err) == (2, True)
    assert "list shops" in program("list", "terminals").err


def test_open_alerts_say_how_they_are_closed(program: Program, backend: BackendDouble) -> None:
    alert = evolve(None, happened.alert_raised())
    backend.outside.directory.rows = [alert_row(alert)]
    assert "ticketrestaurant alert close ALERT" in program("alert", "list").out
    assert program.json("alert", "list") == [alert_row(alert)]


@pytest.mark.parametrize(
    ("at", "said"),
    [
        ("999999", "the log ends at event 99."),
        ("2999-01-01", "that day has not come"),
        ("2999-01-01 12:00", "that moment has not come"),
    ],
)
def test_a_balance_of_what_has_not_come_is_wrong_usage(
    program: Program, backend: BackendDouble, at: str, said: str
) -> None:
    ended = program("balance", str(happened.ACCOUNT), "--at", at)
    assert (ended.status, ended.out) == (2, "")
    assert said in " ".join(ended.err.split())
    assert backend.outside.past.asked == []


def test_a_balance_of_today_is_that_of_now(program: Program, backend: BackendDouble) -> None:
    today = f"{datetime.now(UTC).astimezone():%Y-%m-%d}"
    assert program.json("balance", str(happened.ACCOUNT), "--at", today)["balance_cents"] == 1_000


def test_the_hsm_and_its_keys_are_shown_and_what_is_wrong_ends_badly(
    program: Program, backend: BackendDouble
) -> None:
    hsm = backend.outside.hsm
    good = {"key": "K_DB", "generation": 1, "kind": "AES-256", "may": "encrypt, decrypt",
            "state": "sound", "sound": True}  # fmt: skip
    hsm.key_rows = [good]
    assert program.json("hsm", "keys") == [good]
    assert "K_DB  1" in program("hsm", "keys").out
    assert program.json("hsm", "status")["serial"] == "a1b2"
    status = program("hsm", "status", "--as", "operator-1").out
    assert "answers          yes" in status
    assert all(line[16] == " " and line[17] != " " for line in status.splitlines()), "one column"
    hsm.key_rows = [good, {**good, "key": "LOG", "state": "missing", "sound": False}]
    ended = program("hsm", "keys")
    assert (ended.status, "not sound: LOG/1" in ended.err) == (4, True)
    (row,) = hsm.status()
    hsm.status = lambda: [{**row, "answers": False, "trouble": "NoSuchToken"}]  # type: ignore[method-assign]
    ended = program("hsm", "status")
    assert (ended.status, "no: NoSuchToken" in ended.out) == (3, True)
