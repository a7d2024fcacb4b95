"""Whose a certificate is, in words: a terminal's label and shop, a card's masked number and person.

Who was erased has no name here. Operators and auditors have none in the ledger: their folders do.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any
from uuid import UUID

from domain.aggregates.account import Account
from domain.aggregates.card import Card
from domain.aggregates.cardholder import Cardholder
from domain.aggregates.shop import Shop
from domain.aggregates.terminal import Terminal

ONE_BY_ONE = 50
"""So many holders are looked up each for itself; for more, whole kinds are read."""
_KINDS = {"pos": ("terminal", "shop"), "card": ("card", "cardholder")}
Get = Callable[[UUID], Any | None]
All = Callable[[Any, str], Iterator[Any]]
AllOf = Callable[[Any, str, UUID], Iterator[Any]]
_CLASSES: dict[str, Any] = {
    "terminal": Terminal,
    "shop": Shop,
    "card": Card,
    "cardholder": Cardholder,
}


class HolderNames:
    """For the holders (role and id) of one list."""

    def __init__(self, get: Get, every: All, holders: Sequence[tuple[str, UUID]]) -> None:
        self._get: Get = get
        wanted = {each for each in holders if each[0] in _KINDS}
        if len(wanted) > ONE_BY_ONE:
            kinds = {kind for role, _ in wanted for kind in _KINDS[role]}
            self._get = {
                state.id: state for kind in kinds for state in every(_CLASSES[kind], kind)
            }.get

    def of(self, role: str, id: UUID) -> str:
        """Empty where nobody has a name."""
        if role not in _KINDS:
            return ""
        holder = self._get(id)
        if isinstance(holder, Terminal):
            shop = self._get(holder.shop_id)
            return f"{holder.label}, {shop.name}" if isinstance(shop, Shop) else holder.label
        if isinstance(holder, Card):
            return f"{holder.masked_pan} {_named(self._get(holder.cardholder_id))}".rstrip()
        return ""


def names_of_accounts(
    get: Get, every: AllOf, company_id: UUID, accounts: Sequence[UUID]
) -> dict[UUID, str]:
    """Whose accounts of that company these are, without those who were erased."""
    wanted = set(accounts)
    if len(wanted) > ONE_BY_ONE:
        holders = {
            each.id: each.cardholder_id
            for each in every(Account, "account", company_id)
            if each.id in wanted
        }
        named = {each.id: _named(each) for each in every(Cardholder, "cardholder", company_id)}
    else:
        found = (get(id) for id in wanted)
        holders = {
            each.id: each.cardholder_id
            for each in found
            if isinstance(each, Account) and each.company_id == company_id
        }
        named = {id: _named(get(id)) for id in holders.values()}
    return {account: named.get(holder, "") for account, holder in holders.items()}


def _named(person: Any) -> str:
    if isinstance(person, Cardholder) and not person.erased:
        return f"{person.first_name} {person.last_name}"
    return ""
