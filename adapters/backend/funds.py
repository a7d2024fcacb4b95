"""C FUNDS: what an operator decides over expired money; two where it is more than $1,000.00.

The same amount as given is what is moved: a command over money that changed meanwhile is refused.
One operator suffices for less: nothing leaves the ledger by it, each event names who and why, and a
refill of that amount needs no second one either.
"""

from collections.abc import Mapping
from typing import Any

from adapters.backend.carrying_out import CarryingOut
from adapters.backend.told import Told
from application import fields
from application.command import Command
from application.expired_funds import (
    ACCOUNTS_MOST,
    ALONE_CENTS,
    DECISIONS,
    DONATE,
    REACTIVATE,
    Donate,
    Reactivate,
    Return,
)
from domain.answers import dollars

AMOUNT_MOST_CENTS = 10**12


class Funds:
    """`two_persons.Verb`."""

    def __init__(self, works: CarryingOut) -> None:
        self._works = works

    def summary(self, body: Mapping[str, Any]) -> str:
        """See `Verb`."""
        decision, facts, special = _read(body)
        ids = facts["account_ids"]
        of = f"account {ids[0]}" if len(ids) == 1 else f"{len(ids):,} accounts"
        how = "".join(
            f" {said} {special[name]}"
            for name, said in (("last_day", "through"), ("cause", "to"))
            if name in special
        )
        amount = dollars(facts["amount_cents"])
        return f"{decision.capitalize()} {amount} of expired money of {of}{how}: {facts['why']}"

    def needs_two(self, body: Mapping[str, Any]) -> bool:
        """See `Verb`."""
        return bool(_read(body)[1]["amount_cents"] > ALONE_CENTS)

    async def make(self, told: Told) -> None:
        """See `Verb`: nothing."""

    def command(self, told: Told, made: None) -> Command:
        """See `Verb`."""
        decision, facts, special = _read(told.body)
        deadline_us = self._works.deadline_us()
        if decision == REACTIVATE:
            return Reactivate(told.origin, deadline_us, **facts, **special)
        if decision == DONATE:
            return Donate(told.origin, deadline_us, **facts, **special)
        return Return(told.origin, deadline_us, **facts)


def _read(body: Mapping[str, Any]) -> tuple[str, dict[str, Any], dict[str, str]]:
    """The decision, what all of them have, and what this one has besides."""
    decision = fields.choice(body, "what", DECISIONS)
    facts: dict[str, Any] = {
        "account_ids": fields.uuids(body, "accounts", ACCOUNTS_MOST),
        "expired_day": fields.day(body, "expired_day").isoformat() if "expired_day" in body else "",
        "amount_cents": fields.cents(body, "amount_cents", 1, AMOUNT_MOST_CENTS),
        "why": fields.text(body, "why", fields.WHY_MOST),
    }
    special: dict[str, str] = {}
    if decision == REACTIVATE:
        special["last_day"] = fields.day(body, "last_day").isoformat()
    elif decision == DONATE:
        special["cause"] = fields.text(body, "cause", fields.NAME_MOST)
    return decision, facts, special
