"""C FUNDS by one operator or two, the lists of what expires, and the job that books it."""

import asyncio
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from adapters.backend.directory_lists import DirectoryLists
from adapters.backend.expiry import Expiry
from adapters.backend.funds import Funds
from application.ports import Unavailable
from application.work import UNAVAILABLE
from domain.aggregates.account import Account
from domain.event import Event
from tests.unit.application.happened import ACCOUNT, COMPANY, account_opened
from tests.unit.application.ledger_double import ISSUER, NOW_US, Ledger
from tests.unit.application.test_expired_funds import LATER, PAST, SECOND, credit, ledger
from tests.unit.backend.operator_double import Scene, second_operator
from tests.unit.backend.test_directory_lists import PagesOf

BODY = {
    "what": "reactivate", "accounts": [str(ACCOUNT)], "amount_cents": 500, "last_day": LATER,
    "why": "was on leave",
}  # fmt: skip


def scene(cents: int = 500) -> Scene:
    made = Scene()
    made.ledger.given(account_opened(), credit(ACCOUNT, cents, PAST, 2))
    return made


def give(made: Scene, verb: str, body: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    return asyncio.run(made.command(verb, body))


def balance(made: Scene) -> int:
    account = made.ledger.states.get(ACCOUNT, Account)
    assert account is not None
    return account.available_cents("2026-09-21")


def test_one_operator_decides_over_a_little() -> None:
    made = scene()
    assert balance(made) == 0
    assert give(made, "FUNDS", BODY)[1]["result"]["amount_cents"] == 500
    assert balance(made) == 500


def test_more_than_a_thousand_dollars_need_a_second_operator() -> None:
    made = scene(100_001)
    told = give(made, "FUNDS", {**BODY, "amount_cents": 100_001})[1]["result"]
    assert (told["status"], told["summary"]) == (
        "waiting",
        f"Reactivate $1,000.01 of expired money of account {ACCOUNT} through {LATER}: was on leave",
    )
    assert balance(made) == 0
    yes = {"proposal": told["proposal"], "approve": True, "command_hash": told["command_hash"]}
    assert give(made, "APPROVE", yes)[1]["code"] == "same-operator"
    second_operator(made)
    assert give(made, "APPROVE", yes)[1]["result"]["result"]["decision"] == "reactivate"
    assert balance(made) == 100_001


def test_a_smaller_amount_in_the_command_does_not_avoid_the_second_operator() -> None:
    made = scene(100_001)
    assert give(made, "FUNDS", {**BODY, "amount_cents": 100_000})[1]["code"] == "amount-changed"


def test_what_is_donated_and_to_whom_is_said_to_the_second_operator() -> None:
    verb = Funds(None)  # type: ignore[arg-type]
    body = {**BODY, "what": "donate", "cause": "City Food Bank", "accounts": [str(ACCOUNT)] * 2}
    assert verb.summary(body) == (
        "Donate $5.00 of expired money of 2 accounts to City Food Bank: was on leave"
    )


@pytest.mark.parametrize(
    "bad",
    [
        {"what": "keep"},
        {"accounts": []},
        {"accounts": ["x"]},
        {"amount_cents": 0},
        {"amount_cents": -1},
        {"amount_cents": 1.5},
        {"amount_cents": 10**13},
        {"last_day": "tomorrow"},
        {"last_day": "2026-02-30"},
        {"expired_day": ""},
        {"what": "donate"},
        {"what": "donate", "cause": "a\nb"},
        {"why": ""},
    ],
)
def test_bad_fields_change_nothing(bad: dict[str, Any]) -> None:
    made = scene()
    assert give(made, "FUNDS", BODY | bad)[1]["code"] == "invalid"
    assert balance(made) == 0


def test_lots_are_asked_for_by_company_or_account() -> None:
    made = Scene()
    asked = {"id": 1, "what": "lots", "of": str(COMPANY), "until_day": LATER}
    asyncio.run(made.send("D", "QUERY", asked))
    directory = made.directory
    assert (directory.of, directory.until_day) == (COMPANY, LATER)
    asyncio.run(made.send("D", "QUERY", {"id": 2, "what": "lots", "account": str(ACCOUNT)}))
    assert (directory.of, directory.until_day) == (ACCOUNT, "")


class Clock:
    def now_us(self) -> int:
        return NOW_US


def lists(*events: Event) -> DirectoryLists:
    return DirectoryLists(PagesOf(account=[account_opened(), *events]), Clock())


MIXED = (
    credit(ACCOUNT, 500, PAST, 2),
    credit(ACCOUNT, 300, LATER, 3),
    credit(ACCOUNT, 40, "2026-11-30", 4),
    credit(ACCOUNT, 100, "", 5),
)


def test_a_list_says_what_can_be_spent_and_what_expires_next() -> None:
    (row,) = lists(*MIXED).accounts(COMPANY)
    assert (row["balance_cents"], row["expired_cents"]) == (440, 500)
    assert (row["expires_cents"], row["expires_day"]) == (40, "2026-11-30")
    (plain,) = lists(credit(ACCOUNT, 100, "", 2)).accounts(COMPANY)
    assert "expires_day" not in plain
    assert "expired_cents" not in plain


def test_lots_are_listed_by_their_last_day() -> None:
    rows = lists(*MIXED).lots(COMPANY, None, "")
    told = [(row["state"], row["last_day"], row["amount_cents"]) for row in rows]
    assert told == [("expired", PAST, 500), ("expires", "2026-11-30", 40), ("expires", LATER, 300)]
    assert lists(*MIXED).lots(None, ACCOUNT, "2026-11-30") == rows[:2]
    assert lists(*MIXED).lots(None, UUID(int=5), "") == []


class Engine:
    """Decides at once."""

    def __init__(self, place: Ledger) -> None:
        self.place, self.works = place, 0

    def submit_later(self, work: Any, done: Callable[[Any], None]) -> bool:
        self.works += 1
        done(self.place.when(work)[0])
        return True


def test_the_job_books_what_it_finds_and_a_second_round_nothing() -> None:
    place = ledger()
    engine = Engine(place)
    job = Expiry(engine.submit_later, lambda pause: [ACCOUNT, SECOND], Clock(), ISSUER)
    assert job.book() == 2
    assert job.book() == 0


def test_the_job_asks_for_what_has_expired_and_is_not_booked() -> None:
    assert list(lists(*MIXED).with_expired()) == [ACCOUNT]
    assert list(lists(*MIXED[1:3]).with_expired()) == []


def test_the_job_goes_in_small_batches_and_says_when_the_ledger_is_away() -> None:
    engine = Engine(ledger())
    Expiry(engine.submit_later, lambda pause: [ACCOUNT] * 201, Clock(), ISSUER).book()
    assert engine.works == 3

    def away(work: Any, done: Callable[[Any], None]) -> bool:
        done(UNAVAILABLE)
        return True

    with pytest.raises(Unavailable):
        Expiry(away, lambda pause: [ACCOUNT], Clock(), ISSUER).book()
