"""A refill is carried out whole and once, or refused with every line at fault named."""

from typing import Any
from uuid import UUID

import pytest

from application.refill import RefillAccounts
from domain.aggregates.account import Account, AccountCredited
from domain.aggregates.refill import MOST_CENTS, RefillCredited
from domain.ids import make_id
from tests.unit.application.happened import (
    ACCOUNT,
    COMPANY,
    OTHER_COMPANY,
    account_opened,
    company_registered,
)
from tests.unit.application.ledger_double import ACTOR, DEADLINE_US, NOW_MS, Ledger, origin

SECOND = make_id(NOW_MS, 6, 30)
FOREIGN = make_id(NOW_MS, 6, 31)


def ledger() -> Ledger:
    return Ledger().given(
        company_registered(),
        company_registered(OTHER_COMPANY),
        account_opened(),
        account_opened(SECOND),
        account_opened(FOREIGN, OTHER_COMPANY),
    )


def refill(*lines: tuple[UUID, int], number: int = 1) -> RefillAccounts:
    return RefillAccounts(origin(number), DEADLINE_US, company_id=COMPANY, lines=lines)


def test_every_line_is_credited_in_the_refills_own_commit() -> None:
    answer, events = ledger().when(refill((ACCOUNT, 5_000), (SECOND, 7_500)))
    whole, first, second = events
    assert isinstance(whole, RefillCredited)
    assert (whole.total_cents, whole.approved_by) == (12_500, ACTOR)
    assert isinstance(first, AccountCredited)
    assert first.refill_id == whole.originator_id
    assert isinstance(second, AccountCredited)
    assert answer == {"id": str(whole.originator_id), "accounts": 2, "total_cents": 12_500}


def test_the_same_refill_again_credits_nothing() -> None:
    place = ledger()
    first, _ = place.when(refill((ACCOUNT, 5_000)))
    again, events = place.when(refill((ACCOUNT, 5_000)))
    assert (again, events) == ({**first, "repeated": True}, [])
    account = place.states.get(ACCOUNT, Account)
    assert account is not None
    assert account.balance_cents == 5_000


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ((FOREIGN, 100), "Line 2: account"),
        ((COMPANY, 100), "Line 2: account"),
        ((UUID(int=9), 100), "Line 2: account"),
        ((SECOND, 0), "Line 2: the amount"),
        ((SECOND, MOST_CENTS + 1), "Line 2: the amount"),
        ((ACCOUNT, 100), "Line 2: the account of line 1 again"),
    ],
)
def test_one_bad_line_refuses_the_whole_and_is_named(line: tuple[UUID, int], said: str) -> None:
    answer, events = ledger().when(refill((ACCOUNT, 100), line))
    assert answer.code == "refill-lines"
    assert said in answer.text
    assert events == []


def test_all_bad_lines_are_named_up_to_twenty() -> None:
    answer, _ = ledger().when(refill(*((UUID(int=n), 100) for n in range(1, 31))))
    assert "Line 20:" in answer.text
    assert "Line 21:" not in answer.text
    assert "And 10 more." in answer.text


def test_five_thousand_accounts_are_one_command() -> None:
    accounts = [make_id(NOW_MS, n % 4096, 1000 + n) for n in range(5_000)]
    place = Ledger()
    place.log.events += [company_registered(), *(account_opened(account) for account in accounts)]
    command = refill(*((account, 1 + n) for n, account in enumerate(accounts)))
    answer, events, _claims = _decided(place, command)
    assert len(events) == 5_001
    assert answer["total_cents"] == sum(range(1, 5_001))


def _decided(place: Ledger, command: RefillAccounts) -> Any:
    place.states.load(command.reads())
    return command.decide(place.states, 0)


def test_too_many_lines_are_refused() -> None:
    answer, _ = ledger().when(refill(*((UUID(int=n), 1) for n in range(1, 5_002))))
    assert answer.code == "refill-size"


def test_a_command_id_of_another_command_is_no_refill() -> None:
    place = ledger()
    place.when(refill((ACCOUNT, 100)))
    place.log.claims["command", origin(2).command_id.bytes] = ACCOUNT
    answer, events = place.when(refill((ACCOUNT, 100), number=2))
    assert (answer.code, events) == ("command-id-used", [])
