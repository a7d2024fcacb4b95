"""What is read beside the writer is taken over only where it is still true."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest

from application.states import States
from domain.aggregates import account as accounts
from domain.aggregates.account import Account
from tests.unit.application.happened import ACCOUNT, account_opened
from tests.unit.application.ledger_double import Ledger, context
from tests.unit.application.refilling import SECOND


def credit(place: Ledger, states: States, cents: int) -> None:
    """A batch of the writer's: decided, applied, stored."""
    account = states.get(ACCOUNT, Account)
    assert account is not None
    event = accounts.credit(context(), account, amount_cents=cents, refill_id=SECOND, last_day="")
    states.apply(event)
    place.log.append([event], None)


@pytest.fixture
def place() -> Ledger:
    return Ledger().given(account_opened(ACCOUNT))


def unread(place: Ledger, monkeypatch: pytest.MonkeyPatch) -> list[UUID]:
    """What the log is asked for from now on."""
    asked: list[UUID] = []
    load = place.log.load

    def noted(ids: Sequence[UUID]) -> Any:
        asked.extend(ids)
        return load(ids)

    monkeypatch.setattr(place.log, "load", noted)
    return asked


def test_what_was_read_ahead_is_not_read_again(
    place: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    ahead = place.states.read_ahead([ACCOUNT, SECOND, ACCOUNT])
    assert not place.states.knows(ACCOUNT), "reading ahead changes nothing"
    place.states.adopt(ahead)
    asked = unread(place, monkeypatch)
    assert place.states.get(ACCOUNT, Account) is not None
    assert asked == []
    assert place.states.get(SECOND, Account) is None, "what does not exist is asked for"
    assert asked == [SECOND]


def test_what_changed_since_is_newer_than_what_was_read_ahead(place: Ledger) -> None:
    ahead = place.states.read_ahead([ACCOUNT])
    credit(place, place.states, 500)
    place.states.adopt(ahead)
    account = place.states.get(ACCOUNT, Account)
    assert account is not None
    assert account.balance_cents == 500


@pytest.mark.parametrize("forget", ["conflict", "many others"])
def test_what_changed_and_was_forgotten_since_is_read_from_the_log(
    place: Ledger, forget: str
) -> None:
    states = place.states = States(place.log, keep=4)
    ahead = states.read_ahead([ACCOUNT])
    credit(place, states, 500)
    if forget == "conflict":
        states.drop()
    else:
        states.load([UUID(int=number) for number in range(8)])
    assert not states.knows(ACCOUNT)
    states.adopt(ahead)
    account = states.get(ACCOUNT, Account)
    assert account is not None
    assert account.balance_cents == 500
