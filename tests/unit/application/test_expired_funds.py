"""Expired money: booked once however late, and decided over as it was seen, or not at all."""

from typing import Any
from uuid import UUID

import pytest

from application.command import Refused
from application.expired_funds import BookExpiry, Donate, Reactivate, Return
from domain.aggregates.account import Account, AccountCredited
from domain.aggregates.expired_money import LotDonated, LotExpired, LotReactivated, LotReturned
from domain.event import Event, stamp
from domain.ids import make_id
from tests.unit.application.happened import ACCOUNT, COMPANY, account_opened
from tests.unit.application.ledger_double import (
    DEADLINE_US,
    ISSUER,
    NOW_MS,
    Ledger,
    context,
    origin,
)

SECOND = make_id(NOW_MS, 6, 30)
PAST, LATER = "2026-09-20", "2026-12-31"  # now is 2026-09-21


def credit(id: UUID, cents: int, last_day: str, version: int) -> Event:
    return AccountCredited(
        **stamp(context(), id, version), amount_cents=cents, refill_id=COMPANY, last_day=last_day
    )


def ledger() -> Ledger:
    """$5.00 and $2.00 that have expired, $3.00 that will, $1.00 that never does."""
    return Ledger().given(
        account_opened(),
        credit(ACCOUNT, 500, PAST, 2),
        credit(ACCOUNT, 300, LATER, 3),
        credit(ACCOUNT, 100, "", 4),
        account_opened(SECOND),
        credit(SECOND, 200, PAST, 2),
    )


def book(*ids: UUID) -> Any:
    return BookExpiry(ids or (ACCOUNT, SECOND), ISSUER, DEADLINE_US)


def decision(cls: Any, amount_cents: int = 700, number: int = 1, **changes: Any) -> Any:
    facts: dict[str, Any] = {
        "account_ids": [ACCOUNT, SECOND], "expired_day": "", "amount_cents": amount_cents,
        "why": "as agreed",
    }  # fmt: skip
    return cls(origin(number), DEADLINE_US, **(facts | changes))


def state_of(place: Ledger, id: UUID = ACCOUNT) -> Account:
    account = place.states.get(id, Account)
    assert account is not None
    return account


def test_what_has_expired_is_booked_once() -> None:
    place = ledger()
    answer, events = place.when(book())
    assert answer == 2
    assert [(type(each), each.originator_id) for each in events] == [
        (LotExpired, ACCOUNT),
        (LotExpired, SECOND),
    ]
    assert {each.actor for each in events} == {"system:expiry"}
    assert state_of(place).balance_cents == 400
    assert place.when(book()) == (0, [])
    assert place.when(book(UUID(int=5))) == (0, [])


@pytest.mark.parametrize("booked", [False, True])
def test_expired_money_is_reactivated_whether_it_was_booked_or_not(booked: bool) -> None:
    place = ledger()
    if booked:
        place.when(book())
    answer, events = place.when(decision(Reactivate, last_day=LATER))
    assert answer == {
        "id": str(ACCOUNT), "decision": "reactivate", "accounts": 2, "amount_cents": 700
    }  # fmt: skip
    done = [each for each in events if isinstance(each, LotReactivated)]
    assert [(each.amount_cents, each.expired_day, each.last_day) for each in done] == [
        (500, PAST, LATER),
        (200, PAST, LATER),
    ]
    account = state_of(place)
    assert (account.balance_cents, account.expired) == (900, ())
    assert [(lot.last_day, lot.cents) for lot in account.lots] == [(LATER, 800)]


def test_expired_money_is_returned_to_the_company() -> None:
    place = ledger()
    _, events = place.when(decision(Return))
    done = [each for each in events if isinstance(each, LotReturned)]
    assert {each.company_id for each in done} == {COMPANY}
    assert sum(each.amount_cents for each in done) == 700
    assert (state_of(place).balance_cents, state_of(place).expired) == (400, ())


def test_expired_money_is_donated_to_a_named_cause() -> None:
    place = ledger()
    _, events = place.when(decision(Donate, cause="City Food Bank"))
    done = [each for each in events if isinstance(each, LotDonated)]
    assert {(each.cause, each.why) for each in done} == {("City Food Bank", "as agreed")}


def test_only_the_lot_that_is_named_is_decided_over() -> None:
    place = Ledger().given(
        account_opened(), credit(ACCOUNT, 500, PAST, 2), credit(ACCOUNT, 40, "2026-09-01", 3)
    )
    only: dict[str, Any] = {"account_ids": [ACCOUNT], "expired_day": "2026-09-01"}
    answer, _ = place.when(decision(Return, 40, **only))
    assert answer["amount_cents"] == 40
    assert [(lot.last_day, lot.cents) for lot in state_of(place).expired] == [(PAST, 500)]


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (decision(Return, 699), "amount-changed"),
        (decision(Return, 700, account_ids=[ACCOUNT, UUID(int=5)]), "no-such-account"),
        (decision(Return, 700, account_ids=[COMPANY]), "no-such-account"),
        (decision(Return, 1, expired_day=LATER), "nothing-expired"),
        (decision(Reactivate, last_day=PAST), "past-day"),
    ],
)
def test_a_refused_decision_changes_nothing(command: Any, code: str) -> None:
    answer, events = ledger().when(command)
    assert isinstance(answer, Refused)
    assert (answer.code, events) == (code, [])


def test_the_same_decision_again_is_answered_and_not_done_again() -> None:
    place = ledger()
    first, _ = place.when(decision(Return))
    assert place.when(decision(Return)) == ({**first, "repeated": True}, [])
    other, events = place.when(decision(Donate, cause="x", number=2))
    assert (other.code, events) == ("nothing-expired", [])


def test_another_decision_under_the_same_id_is_not_answered_as_done() -> None:
    place = ledger()
    place.when(decision(Return, 500, account_ids=[ACCOUNT]))
    for other in (
        decision(Donate, 500, account_ids=[ACCOUNT], cause="x"),
        decision(Reactivate, 500, account_ids=[ACCOUNT], last_day=LATER),
        decision(Return, 200, account_ids=[SECOND]),
    ):
        answer, events = place.when(other)
        assert (answer.code, events) == ("command-id-used", [])
