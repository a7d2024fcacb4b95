"""One object for what many states have in common: decoding makes a new one each time.

Of a hundred thousand accounts each names its company, its currency and time zone, the day it was
last used and the shops it was used in; and who asks for an account holds its id already.
"""

from sys import intern
from typing import Any
from uuid import UUID
from weakref import WeakValueDictionary

from msgspec.structs import replace

from domain.aggregates.account import Account
from domain.aggregates.card import Card
from domain.spending import NO_SPENDING, Spending
from domain.suspicion import Use

_ids: WeakValueDictionary[int, UUID] = WeakValueDictionary()


def shared(state: Any, id: UUID | None = None) -> Any:
    """The same state; an account's or card's made of what others hold already. `id`: the same as
    its own, as whoever asked for it holds it. For any thread."""
    if isinstance(state, Card):
        return replace(
            state, id=id or state.id, kind=intern(state.kind), expiry=intern(state.expiry)
        )
    if not isinstance(state, Account):
        return state
    return replace(
        state,
        id=id or state.id,
        company_id=_shared_id(state.company_id),
        currency=intern(state.currency),
        timezone=intern(state.timezone),
        spending=_shared_spending(state.spending),
        recent=tuple(
            Use(use.at_us, _shared_id(use.shop_id), intern(use.kind), use.amount_cents, use.place)
            for use in state.recent
        ),
    )


def _shared_id(id: UUID) -> UUID:
    return _ids.setdefault(id.int, id)


def _shared_spending(spending: Spending) -> Spending:
    if spending == NO_SPENDING:
        return NO_SPENDING
    return replace(
        spending,
        day=intern(spending.day),
        week=intern(spending.week),
        month=intern(spending.month),
    )
