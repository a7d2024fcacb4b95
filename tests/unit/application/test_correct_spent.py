"""A correction of a credit takes that credit's own money, and never what is of another refill."""

from typing import Any
from uuid import UUID

import pytest

from application.correct import CorrectAmounts
from application.corrections import Agreement, Correction, Credited, Seen
from domain import lots as lots_
from domain.aggregates.account import Account
from domain.aggregates.credit import Credit, credit_id
from tests.unit.application.happened import ACCOUNT, debited
from tests.unit.application.ledger_double import DEADLINE_US, Ledger, origin
from tests.unit.application.refilling import balance, ledger, order

FIRST, OWN, LAST, NEVER = "2026-10-01", "2026-10-20", "2026-12-31", ""  # it is 2026-09-21


def place_of(own: str, other: str, spent_cents: int = 0) -> tuple[Ledger, UUID]:
    """$50.00 of the refill and then $50.00 of another, some of it spent."""
    place = ledger()
    answer, _ = place.when(order((ACCOUNT, 5_000), last_day=own))
    place.when(order((ACCOUNT, 5_000), number=2, last_day=other))
    if spent_cents:
        account = place.states.get(ACCOUNT, Account)
        assert account is not None
        lots = lots_.to_spend(account.lots, spent_cents, "2026-09-21")
        place.given(debited(spent_cents, version=4, lots=lots))
    return place, UUID(answer["id"])


def put_right(place: Ledger, id: UUID, number: int, to_cents: int) -> Any:
    """The answer to a correction that saw the credit as it is."""
    now = place.states.get(credit_id(id, ACCOUNT), Credit)
    seen = Seen(now.version, now.amount_cents) if now else Seen(0, 5_000)
    asked = Correction(
        refill_id=id, account_id=ACCOUNT, to_cents=to_cents, why="x", evidence="list 4", seen=seen
    )
    command = CorrectAmounts(
        origin(number), DEADLINE_US, asked=[asked], credited={(id, ACCOUNT): Credited(5_000, 2)},
        agreement=Agreement(UUID(int=71), UUID(int=72)),
    )  # fmt: skip
    return place.when(command)[0]


def lots_of(place: Ledger) -> dict[str, int]:
    account = place.states.get(ACCOUNT, Account)
    assert account is not None
    found = {lot.last_day: lot.cents for lot in account.lots}
    return found | ({"": account.undated_cents} if account.undated_cents else {})


@pytest.mark.parametrize(
    ("own", "other", "spent_cents", "left_cents"),
    [
        (OWN, LAST, 0, 5_000),
        (OWN, LAST, 2_000, 3_000),
        (OWN, NEVER, 6_000, 0),
        (OWN, FIRST, 2_000, 5_000),
        (NEVER, FIRST, 2_000, 5_000),
        (NEVER, FIRST, 7_000, 3_000),
    ],
)
def test_no_more_is_taken_than_is_left_of_it(
    own: str, other: str, spent_cents: int, left_cents: int
) -> None:
    place, id = place_of(own, other, spent_cents)
    before, others = balance(place), lots_of(place).get(other, 0)
    if left_cents < 5_000:
        refused = put_right(place, id, 5, 5_000 - left_cents - 1)
        assert refused.code == "spent-credit"
        assert f"Of that credit ${left_cents / 100:.2f} are still on the account" in refused.text
        assert balance(place) == before
    if left_cents:
        put_right(place, id, 6, 5_000 - left_cents)
    assert balance(place) == before - left_cents
    assert lots_of(place).get(other, 0) == others, "the other refill's money"


@pytest.mark.parametrize("own", [OWN, NEVER])
def test_what_a_correction_added_is_taken_back_first(own: str) -> None:
    place, id = place_of(own, LAST)
    put_right(place, id, 5, 7_000)
    assert balance(place) == 12_000
    put_right(place, id, 6, 4_000)
    assert lots_of(place) == {own: 4_000, LAST: 5_000}
    assert put_right(place, id, 7, 0)["balances_change_cents"] == -4_000


def test_what_was_added_and_is_not_there_is_not_taken_of_another() -> None:
    place, id = place_of(OWN, NEVER)
    put_right(place, id, 5, 5_100)
    account = place.states.get(ACCOUNT, Account)
    assert account is not None
    lots = lots_.to_spend(account.lots, 5_000, "2026-09-21")
    place.given(debited(5_000, version=5, lots=lots))
    assert put_right(place, id, 6, 4_999).code == "spent-credit"
    put_right(place, id, 7, 5_000)
    assert lots_of(place) == {NEVER: 5_000}
