"""`funds` and `refill --expires` as an operator types them."""

from typing import Any

import pytest

from domain.aggregates.account import Account
from domain.event import Event
from tests.unit.application.happened import ACCOUNT, COMPANY, account_opened, company_registered
from tests.unit.application.test_expired_funds import LATER, PAST, credit
from tests.unit.cli.backend_double import BackendDouble
from tests.unit.cli.conftest import Program


def row(cents: int, state: str = "expired", last_day: str = PAST) -> dict[str, Any]:
    return {"account": str(ACCOUNT), "state": state, "last_day": last_day,
            "amount_cents": cents, "name": "Ana Diaz"}  # fmt: skip


@pytest.fixture
def expired(backend: BackendDouble) -> BackendDouble:
    """$12.00 that have expired, and the list that says so."""
    events: list[Event] = [account_opened(), credit(ACCOUNT, 1_200, PAST, 2)]
    backend.outside.ledger.given(*events)
    backend.outside.directory.rows = [row(1_200), row(500, "expires", LATER)]
    return backend


def available(backend: BackendDouble) -> int:
    account = backend.outside.ledger.states.get(ACCOUNT, Account)
    assert account is not None
    return account.available_cents("2026-09-21")


def test_what_expires_is_listed_as_people_write_it(
    program: Program, expired: BackendDouble
) -> None:
    ended = program("funds", "list", str(ACCOUNT), "--expiring-by", LATER)
    assert ended.status == 0
    head, first, second = ended.out.splitlines()
    assert head.split() == ["account", "state", "last", "day", "amount", "name"]
    assert first.split()[1:] == ["expired", PAST, "$12.00", "Ana", "Diaz"]
    assert second.split()[1:4] == ["expires", LATER, "$5.00"]
    assert expired.outside.directory.until_day == LATER
    assert program.json("funds", "list", "--company", str(ACCOUNT))[0]["amount_cents"] == 1_200


def test_where_nothing_expires_it_says_so(program: Program, backend: BackendDouble) -> None:
    ended = program("funds", "list", str(ACCOUNT), "--expiring-by", LATER)
    assert (ended.status, ended.out) == (0, f"no money that expires by {LATER}\n")


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("reactivate", "--expires", LATER), "$12.00 of 1 account reactivated"),
        (("return",), "$12.00 of 1 account returned to the company"),
        (("donate", "--cause", "City Food Bank"), "$12.00 of 1 account donated"),
        (("return", "--lot", PAST), "$12.00 of 1 account returned to the company"),
    ],
)
def test_expired_money_is_decided_over(
    program: Program, expired: BackendDouble, command: tuple[str, ...], said: str
) -> None:
    verb, *options = command
    ended = program("funds", verb, str(ACCOUNT), str(ACCOUNT), *options, "--why", "as agreed")
    assert (ended.status, ended.out.strip()) == (0, said)
    assert available(expired) == (1_200 if verb == "reactivate" else 0)


def test_money_that_has_not_expired_is_left_alone(program: Program, expired: BackendDouble) -> None:
    ended = program("funds", "return", str(ACCOUNT), "--lot", LATER, "--why", "x")
    assert ended.status == 1
    assert "no such money has expired" in ended.err


def test_an_amount_that_changed_meanwhile_is_refused(
    program: Program, expired: BackendDouble
) -> None:
    expired.outside.directory.rows = [row(1_100)]
    ended = program("funds", "return", str(ACCOUNT), "--why", "x")
    assert ended.status == 1
    assert "it is $12.00 now, not $11.00" in ended.err


@pytest.mark.parametrize(
    "wrong",
    [
        ("list",),
        ("list", str(ACCOUNT), "--company", str(ACCOUNT)),
        ("list", "x"),
        ("list", str(ACCOUNT), "--expiring-by", "soon"),
        ("return", "x", "--why", "x"),
        ("return", str(ACCOUNT)),
        ("reactivate", str(ACCOUNT), "--why", "x"),
        ("reactivate", str(ACCOUNT), "--expires", "2026-02-30", "--why", "x"),
        ("donate", str(ACCOUNT), "--why", "x"),
    ],
)
def test_wrong_use_is_told_before_anything_is_sent(
    program: Program, expired: BackendDouble, wrong: tuple[str, ...]
) -> None:
    assert program("funds", *wrong).status == 2
    assert expired.lines == 0


def test_a_refill_may_have_a_last_day(program: Program, backend: BackendDouble) -> None:
    backend.outside.ledger.given(company_registered(), account_opened())
    company = str(COMPANY)
    line = ("refill", company, "--line", f"{ACCOUNT}:12.50", "--expires")
    assert program.json(*line, LATER)["total_cents"] == 1_250
    account = backend.outside.ledger.states.get(ACCOUNT, Account)
    assert account is not None
    assert [(lot.last_day, lot.cents) for lot in account.lots] == [(LATER, 1_250)]
    late = program(*line, PAST)
    assert late.status == 1
    assert "Line 1: the last day to spend it has passed" in late.err
