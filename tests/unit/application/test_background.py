"""Background work has a share of the engine; a batch in hand keeps every state that it moved."""

import time
from uuid import UUID

from application.background import MOST_WAITING, Background, Waiting
from application.cache import Cache
from application.states import States
from domain.aggregates import account as accounts
from domain.aggregates.account import Account
from domain.ids import make_id
from tests.unit.application.happened import account_opened
from tests.unit.application.ledger_double import NOW_MS, Ledger, context

WAITING = Waiting(None, lambda answer: None)
ACCOUNTS = [make_id(NOW_MS, 1, number) for number in range(8)]


def test_after_a_batch_the_queue_rests_in_proportion() -> None:
    background = Background(share=0.25)
    background.put(WAITING)
    background.put(WAITING)
    assert background.take() is WAITING
    background.took(0.1)
    assert background.take() is None
    rest = background.rest_s()
    assert rest is not None
    assert 0.25 < rest <= 0.3


def test_an_empty_queue_wakes_nobody() -> None:
    background = Background()
    assert background.rest_s() is None
    assert background.take() is None


def test_the_queue_is_bounded() -> None:
    background = Background()
    assert all(background.put(WAITING) for _ in range(MOST_WAITING))
    assert not background.put(WAITING)


def test_a_share_of_the_whole_never_rests() -> None:
    background = Background(share=1)
    for _ in range(2):
        background.put(WAITING)
        assert background.take() is WAITING
        background.took(time.monotonic())


def _credited(states: States, id: UUID) -> None:
    account = states.get(id, Account)
    assert account is not None
    credit = accounts.credit(context(), account, amount_cents=100, refill_id=UUID(int=9))
    states.apply(credit)


def test_a_batch_larger_than_the_cache_sees_its_own_changes() -> None:
    place = Ledger().given(*(account_opened(id) for id in ACCOUNTS))
    states = States(place.log, keep=2)
    states.hold()
    for _ in range(2):  # the second time each state is the one that the first time left
        for id in ACCOUNTS:
            _credited(states, id)
    for id in ACCOUNTS:
        account = states.get(id, Account)
        assert account is not None
        assert (account.balance_cents, account.version) == (200, 3)


def test_once_the_batch_is_stored_the_cache_is_bounded_again() -> None:
    cache: Cache[int, int] = Cache(4)
    cache.hold()
    for number in range(100):
        cache[number] = number
    assert all(cache.get(number, -1) == number for number in range(100))
    cache.release()
    for number in range(100, 106):
        cache[number] = number
    assert len(cache) <= 4
