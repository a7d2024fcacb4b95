"""`programme show|set|rehearse`, as people type them."""

from pathlib import Path
from typing import Any

import pytest

from adapters.cli.programme_terms import from_file, gathered
from domain.aggregates.programme import Programme, programme_id
from domain.terms import Terms, Window
from tests.unit.application.happened import COMPANY, company_registered
from tests.unit.cli.backend_double import BackendDouble
from tests.unit.cli.conftest import Program

WHY = ("--why", "new contract")


def terms_of(backend: BackendDouble) -> Terms:
    programme = backend.outside.ledger.states.get(programme_id(COMPANY), Programme)
    assert programme is not None
    return programme.versions[0].terms


def test_options_become_terms(program: Program, backend: BackendDouble) -> None:
    backend.outside.ledger.given(company_registered())
    options = (
        *("--per-day", "25.00", "--per-week", "$100.00", "--payments", "2/day"),
        *("--weekdays", "mon-wed,fri", "--hours", "11:00-15:00,18:00-21:00"),
        *("--holidays", "2026-12-25", "--allow", "5812,5814", "--refuse", "none"),
        *("--tip", "15", "--pin-free", "0.00", "--no-partial", "--expiry", "365"),
    )
    ended = program("programme", "set", str(COMPANY), *options, *WHY)
    assert ended.status == 0, ended.err
    assert "most of a day        no limit → $25.00" in ended.out
    assert "5812 restaurants, 5814 fast food" in ended.out and "5813 bars → none" in ended.out
    assert terms_of(backend) == Terms(
        per_day_cents=2_500,
        per_week_cents=10_000,
        payments_per_day=2,
        weekdays=(1, 2, 3, 5),
        hours=(Window(660, 900), Window(1_080, 1_260)),
        holidays=("2026-12-25",),
        allowed_categories=("5812", "5814"),
        refused_categories=(),
        tip_percent=15,
        pin_free_cents=0,
        partial_approval=False,
        expiry_days=365,
    )
    lifted = ("--per-day", "none", "--payments", "none/day", "--hours", "all", "--weekdays", "all")
    assert program("programme", "set", str(COMPANY), *lifted, *WHY).status == 0
    assert terms_of(backend).per_day_cents is None
    assert terms_of(backend).weekdays == (1, 2, 3, 4, 5, 6, 7)


def test_a_preview_changes_nothing(program: Program, backend: BackendDouble) -> None:
    backend.outside.ledger.given(company_registered())
    arguments = ("programme", "set", str(COMPANY), "--per-day", "25.00", *WHY, "--preview")
    assert "preview: nothing changed" in program(*arguments).out
    assert program.json(*arguments)["changes"][0]["what"] == "per_day_cents"
    assert len(backend.outside.ledger.log.events) == 1


def test_a_file_of_either_kind_holds_terms(
    program: Program, backend: BackendDouble, tmp_path: Path
) -> None:
    backend.outside.ledger.given(company_registered())
    toml = tmp_path / "programme.toml"
    toml.write_text(
        'per_day = "20.00"\nper_week = "none"\nweekdays = ["mon"]\ntip_percent = 5\n'
        "holidays = [2026-12-25]\n"
    )
    assert program("programme", "set", str(COMPANY), str(toml), *WHY).status == 0
    assert terms_of(backend) == Terms(
        per_day_cents=2_000, weekdays=(1,), tip_percent=5, holidays=("2026-12-25",)
    )
    listed = tmp_path / "shown.json"
    listed.write_text('[{"state": "scheduled", "terms": {}},'
                      ' {"state": "in force", "terms": {"per_day_cents": 5}}]')  # fmt: skip
    assert from_file(listed) == {"per_day_cents": 5}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "nothing to change"),
        (("--per-day", "-1.00"), "--per-day must look like"),
        (("--payments", "2"), "payments look like"),
        (("--weekdays", "monday"), "days of the week are"),
        (("--expiry", "1.5"), "not a whole number"),
        (("gone.json",), "cannot be read"),
    ],
)
def test_wrong_use_ends_with_a_hint(
    program: Program, backend: BackendDouble, arguments: tuple[str, ...], said: str
) -> None:
    ended = program("programme", "set", str(COMPANY), *WHY, *arguments)
    assert ended.status == 2
    assert said in " ".join(ended.err.replace("│", " ").split())


@pytest.mark.parametrize(
    ("name", "text"),
    [
        *(("a.toml", "x ="), ("a.json", "{"), ("b.json", "[]"), ("c.json", "7")),
        *(("d.json", '{"tip_percent": NaN}'), ("d.toml", "tip_percent = nan")),
        ("e.toml", "tip_percent = 2026-12-25T10:00:00"),
    ],
)
def test_a_file_that_is_none_is_refused(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(Exception, match=r"is no|holds no|no term has"):
        gathered(tmp_path / name, {})


def test_what_there_is_is_shown(program: Program, backend: BackendDouble) -> None:
    terms: dict[str, Any] = {"hours": [], "per_day_cents": 2_500, "weekdays": ["mon"]}
    row = {"version": 1, "state": "in force", "effective_ms": 1_790_000_000_000, "why": "x",
           "timezone": "America/Chicago", "terms": terms}  # fmt: skip
    past = {**row, "version": 0, "state": "past", "effective_ms": 0}
    backend.outside.directory.rows = [row, past]
    out = program("programme", "show", str(COMPANY)).out
    assert "version 1 (in force), from 2026-09-21 09:13 America/Chicago" in out
    assert [line.split("  ")[1] for line in out.splitlines()[1:4]] == [
        "most of a day", "days of the week", "hours"
    ]  # fmt: skip
    assert "$25.00" in out
    assert "standard" not in out
    assert "own daily limit holds as well; see: ticketrestaurant list accounts" in out
    assert "standard terms (past)" in program("programme", "show", str(COMPANY), "--all").out
    assert program.json("programme", "show", str(COMPANY)) == [row]


def test_whoever_sets_terms_is_told_of_a_version_that_will_undo_them(
    program: Program, backend: BackendDouble
) -> None:
    backend.outside.ledger.given(company_registered())
    in_2040_ms = 2_209_017_600_000
    later = {"version": 1, "state": "scheduled", "effective_ms": in_2040_ms,
             "timezone": "America/New_York", "terms": {}, "why": "x"}  # fmt: skip
    backend.outside.directory.rows = [later]
    arguments = ("programme", "set", str(COMPANY), "--per-day", "25.00", *WHY)
    assert "From 2040-01-01 03:00 America/New_York on version 1 holds" in program(*arguments).err
    backend.outside.directory.rows = [{**later, "state": "in force"}]
    assert "holds" not in program(*arguments[:4], "26.00", *WHY).err


def test_a_rehearsal_without_payments_says_so(program: Program, backend: BackendDouble) -> None:
    summary = {"kind": "summary", "days": 30, "accounts": 2, "approved": 0, "declined": 0}
    object.__setattr__(backend._operators._reads.outside, "rehearse", lambda *_: [summary])
    arguments = ("programme", "rehearse", str(COMPANY), "--per-day", "5.00")
    assert "nothing to rehearse" in program(*arguments).out
    assert program.json(*arguments)["people"] == []


def test_a_rehearsal_names_rules_cost_and_people(program: Program, backend: BackendDouble) -> None:
    names = ("approved", "declined", "would_refuse", "would_allow", "would_ask_pin")
    counts = dict.fromkeys(names, 2) | {f"{name}_cents": 3_000 for name in names}
    changes = [{"what": "per_day_cents", "before": None, "after": 500}]
    rows = [
        {"kind": "summary", "days": 30, "accounts": 9, "accounts_affected": 1, "changes": changes,
         "cost_before_cents": 6_000, "cost_after_cents": 5_000, **counts},
        {"kind": "rule", "rule": "within_daily_limit", "code": "61", "reason": "daily-limit",
         "refused": 2, "refused_cents": 3_000},
        {"kind": "person", "account": str(COMPANY), "refused": 2, "refused_cents": 3_000,
         "allowed": 0, "allowed_cents": 0},
    ]  # fmt: skip
    object.__setattr__(backend._operators._reads.outside, "rehearse", lambda *_: rows)
    out = program("programme", "rehearse", str(COMPANY), "--per-day", "5.00").out
    lines = [" ".join(line.split()) for line in out.splitlines()]
    at = lines.index("would be refused 2 $30.00")
    assert lines[at + 1] == "61 daily-limit 2 $30.00"
    assert "cost: $60.00 → $50.00 (-$10.00)" in lines
    assert "accounts concerned: 1 of 9" in lines
    assert f"{COMPANY} 2 refused ($30.00), 0 more approved ($0.00)" in lines


def test_the_clock_of_a_real_installation_is_not_moved(
    program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TICKETRESTAURANT_HOME", str(tmp_path))
    ended = program("sandbox", "clock", "1d")
    assert (ended.status, "is no sandbox" in ended.err) == (1, True)
    assert not (tmp_path / "settings.json").exists()
    (tmp_path / "settings.json").write_text('{"issuer_name": "SANDBOX x"}')
    assert program.json("sandbox", "clock", "1d")["ahead_s"] == 86_400
    assert program.json("sandbox", "clock", "30m")["ahead_s"] == 88_200
    assert "1 day, 0:30:00 ahead" in program("sandbox", "clock").out
    assert program("sandbox", "clock", "-1d").status == 2
    assert program("sandbox", "clock", "400d").status != 0
    assert program.json("sandbox", "clock")["ahead_s"] == 88_200


def test_an_installation_that_is_there_is_made_no_sandbox(
    program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TICKETRESTAURANT_HOME", str(tmp_path))
    (tmp_path / "pki").mkdir()
    (tmp_path / "pki" / "root.pem").write_text("")
    ended = program("init", "--sandbox")
    assert (ended.status, "is no sandbox" in ended.err) == (1, True)
