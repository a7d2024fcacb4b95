"""States that were decoded one by one hold in common what they have in common."""

from uuid import UUID

import msgspec

from application.sharing import shared
from domain.aggregates.account import Account
from domain.aggregates.card import Card
from domain.spending import NO_SPENDING, Spending
from domain.suspicion import Place, Use

COMPANY, SHOP = UUID(int=1), UUID(int=2)


def account(number: int, **changes: object) -> Account:
    """As it comes from a snapshot: no object in it is another's."""
    made = Account(
        id=UUID(int=number),
        version=3,
        company_id=COMPANY,
        cardholder_id=UUID(int=number + 1),
        currency="USD",
        timezone="America/Chicago",
        daily_limit_cents=10_000,
        balance_cents=number,
        spending=Spending(day="2026-11-25", day_cents=5, week="2026-11-23", month="2026-11"),
        recent=tuple(Use(at, SHOP, "stripe", at, Place(1, at)) for at in range(3)),
    )
    return msgspec.msgpack.decode(
        msgspec.msgpack.encode(msgspec.structs.replace(made, **changes)), type=Account
    )


def test_it_is_the_same_state() -> None:
    for each in (account(7), account(8, recent=(), spending=NO_SPENDING)):
        assert shared(each) == each
        assert shared(each, UUID(int=each.id.int)) == each


def test_what_two_accounts_have_in_common_is_one_object() -> None:
    one, other = shared(account(7)), shared(account(8))
    assert one.company_id is other.company_id
    assert one.recent[0].shop_id is other.recent[2].shop_id
    for name in ("currency", "timezone"):
        assert getattr(one, name) is getattr(other, name)
    for name in ("day", "week", "month"):
        assert getattr(one.spending, name) is getattr(other.spending, name)


def test_whoever_asks_by_an_id_shares_it() -> None:
    id = UUID(int=7)
    assert shared(account(7), id).id is id
    card = Card(
        id=UUID(int=7), version=1, account_id=UUID(int=8), cardholder_id=UUID(int=9),
        kind="stripe", masked_pan="9840", expiry="3012",
    )  # fmt: skip
    assert shared(card, id) == card
    assert shared(card, id).id is id


def test_other_states_are_left_alone() -> None:
    assert shared(None) is None
    assert shared("state") == "state"
