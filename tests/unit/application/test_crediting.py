"""A large refill: small commits, each line once, whatever answer was lost on the way."""

from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any
from uuid import UUID

import pytest

from application.crediting import (
    BATCH_LINES,
    Broken,
    CreditSome,
    Order,
    OtherLines,
    Progress,
    carry_on,
    lines_hash,
    progress,
)
from application.group_commit import ERROR, IN_DOUBT
from domain.aggregates.account import Account, AccountCredited
from domain.aggregates.crediting import CreditingAdvanced, RefusedLine, credit_id
from domain.ids import make_id
from tests.unit.application.happened import COMPANY, OTHER_COMPANY, account_opened
from tests.unit.application.ledger_double import ISSUER, NOW_MS, NOW_US, Ledger

ORDER = make_id(NOW_MS, 9, 77)
ACCOUNTS = [make_id(NOW_MS, n % 4096, 1000 + n) for n in range(250)]
FOREIGN = make_id(NOW_MS, 6, 31)


class FixedClock:
    def now_us(self) -> int:
        return NOW_US


def ledger() -> Ledger:
    opened = [account_opened(account) for account in ACCOUNTS]
    return Ledger().given(*opened, account_opened(FOREIGN, OTHER_COMPANY))


def order(lines: Sequence[tuple[UUID, int]] | None = None, **changes: Any) -> Order:
    facts: dict[str, Any] = {
        "id": ORDER,
        "company_id": COMPANY,
        "lines": lines or [(account, 100 + n) for n, account in enumerate(ACCOUNTS)],
        "actor": "operator:x:1",
        "issuer_id": ISSUER,
    }
    return Order(**(facts | changes))


class Engine:
    """Decides at once. `lose`: answers of the first commits that are lost on their way."""

    def __init__(self, place: Ledger, lose: int = 0) -> None:
        self.place, self.lose, self.commits = place, lose, 0

    def submit_later(self, work: Any, done: Callable[[Any], None]) -> bool:
        answer, _ = self.place.when(work)
        self.commits += 1
        done(IN_DOUBT if self.commits <= self.lose else answer)
        return True


def credited(place: Ledger) -> list[AccountCredited]:
    return [each for each in place.log.events if isinstance(each, AccountCredited)]


def test_every_line_is_credited_once_in_small_commits() -> None:
    place = ledger()
    engine, heard = Engine(place), list[Progress]()
    reached = carry_on(
        engine.submit_later, place.log.load, FixedClock(), order(), told=heard.append
    )
    assert (reached.done, reached.credited, reached.finished) == (250, 250, True)
    assert reached.credited_cents == sum(100 + n for n in range(250))
    assert [each.done for each in heard] == [BATCH_LINES, 2 * BATCH_LINES, 250]
    assert engine.commits == 3
    credits = credited(place)
    assert [each.originator_id for each in credits] == ACCOUNTS
    assert [each.command_id for each in credits] == [credit_id(ORDER, n) for n in range(1, 251)]
    assert {each.refill_id for each in credits} == {ORDER}
    assert progress(place.states, ORDER) == reached


def test_what_was_finished_is_not_done_again() -> None:
    place = ledger()
    first = carry_on(Engine(place).submit_later, place.log.load, FixedClock(), order())
    again = Engine(place)
    assert carry_on(again.submit_later, place.log.load, FixedClock(), order()) == first
    assert (again.commits, len(credited(place))) == (1, 250)


def test_a_lost_answer_credits_nothing_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("application.crediting.AGAIN_S", 0)
    place = ledger()
    reached = carry_on(Engine(place, lose=2).submit_later, place.log.load, FixedClock(), order())
    assert (reached.credited, len(credited(place))) == (250, 250)


def test_what_was_stopped_goes_on_from_there_in_another_run() -> None:
    place = ledger()
    engine = Engine(place)
    asked = iter([False, True])
    carry_on(
        engine.submit_later, place.log.load, FixedClock(), order(), stopped=lambda: next(asked)
    )
    assert len(credited(place)) == BATCH_LINES
    place.states.drop()
    reached = carry_on(Engine(place).submit_later, place.log.load, FixedClock(), order())
    assert (reached.credited, len(credited(place))) == (250, 250)


def test_a_bad_line_is_refused_alone_and_named() -> None:
    place = ledger()
    lines = [(ACCOUNTS[0], 500), (FOREIGN, 500), (UUID(int=5), 500), (ACCOUNTS[1], 0),
             (ACCOUNTS[2], 10**30), (ACCOUNTS[3], 700)]  # fmt: skip
    reached = carry_on(Engine(place).submit_later, place.log.load, FixedClock(), order(lines))
    assert (reached.done, reached.credited, reached.credited_cents) == (6, 2, 1_200)
    assert reached.refused == (
        RefusedLine(line=2, reason="no-such-account"),
        RefusedLine(line=3, reason="no-such-account"),
        RefusedLine(line=4, reason="amount"),
        RefusedLine(line=5, reason="amount"),
    )


def test_an_account_with_two_lines_gets_both() -> None:
    place = ledger()
    carry_on(
        Engine(place).submit_later,
        place.log.load,
        FixedClock(),
        order([(ACCOUNTS[0], 1), (ACCOUNTS[0], 2)]),
    )
    account = place.states.get(ACCOUNTS[0], Account)
    assert account is not None
    assert account.balance_cents == 3


def test_the_money_of_an_order_may_have_a_last_day() -> None:
    place = ledger()
    carry_on(Engine(place).submit_later, place.log.load, FixedClock(), order(last_day="2026-12-31"))
    account = place.states.get(ACCOUNTS[7], Account)
    assert account is not None
    assert [(lot.last_day, lot.cents) for lot in account.lots] == [("2026-12-31", 107)]


@pytest.mark.parametrize(
    "other",
    [
        order([(ACCOUNTS[0], 1)]),
        order(last_day="2026-12-31"),
        order(company_id=OTHER_COMPANY),
    ],
)
def test_an_order_cannot_become_another_one(other: Order) -> None:
    place = ledger()
    carry_on(Engine(place).submit_later, place.log.load, FixedClock(), order())
    with pytest.raises(OtherLines):
        carry_on(Engine(place).submit_later, place.log.load, FixedClock(), other)
    assert len(credited(place)) == 250


def test_an_error_of_ours_ends_it_with_the_place() -> None:
    def fails(work: Any, done: Callable[[Any], None]) -> bool:
        done(ERROR)
        return True

    with pytest.raises(Broken, match="after line 0"):
        carry_on(fails, ledger().log.load, FixedClock(), order())


def test_each_step_counts_the_credits_of_its_own_commit() -> None:
    place = ledger()
    whole = order()
    digest = lines_hash(whole)
    for _ in range(3):
        _, events = place.when(CreditSome(whole, digest, 0, NOW_US + 1))  # type: ignore[arg-type]
        step = next(each for each in events if isinstance(each, CreditingAdvanced))
        with_it = [each for each in events if isinstance(each, AccountCredited)]
        assert (step.credited, step.credited_cents) == (
            len(with_it),
            sum(each.amount_cents for each in with_it),
        )
    assert len(list(islice(credited(place), 251))) == 250


def test_accounts_are_read_ahead_of_the_engine_and_not_where_it_knows_better() -> None:
    place = ledger()
    stale = {id: place.states.get(id, Account) for id in ACCOUNTS[:BATCH_LINES]}
    whole = order()
    place.when(CreditSome(whole, lines_hash(whole), 0, NOW_US + 1))  # type: ignore[arg-type]
    other = order(id=make_id(NOW_MS, 9, 78))
    place.when(CreditSome(other, lines_hash(other), 0, NOW_US + 1, stale))  # type: ignore[arg-type]
    account = place.states.get(ACCOUNTS[3], Account)
    assert account is not None
    assert (account.balance_cents, account.version) == (206, 3)
