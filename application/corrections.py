"""What a correction is asked for, and what it comes to: the words that its parts share."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from application.command import Refused
from application.fields import some_of
from domain.event import Event

TOLD_MOST = 30
"""Lines that an answer shows one by one: it must fit a line of the protocol."""


class Seen(NamedTuple):
    """The record as the requester saw it: its version and its amount."""

    version: int
    cents: int


class Correction(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One amount as it should have been: of a payment, or of a refill's credit to an account.

    `to_cents` 0 takes it back whole. `seen` is None only where nothing is to be stored. `line` is
    how its requester numbers it.
    """

    line: int = 1
    to_cents: int
    why: str
    evidence: str = ""
    document_sha256: bytes = b""
    transaction_id: UUID | None = None
    refill_id: UUID | None = None
    account_id: UUID | None = None
    seen: Seen | None = None


class Credited(NamedTuple):
    """What an account got from a refill, by the account's event of that version."""

    amount_cents: int
    account_version: int


CreditsByRefill = Mapping[tuple[UUID, UUID], Credited]
"""By refill and account; what is not in it was never credited."""


class Agreement(NamedTuple):
    """Which proposal was approved, and whose it was."""

    proposal_id: UUID
    requested_by: UUID


class Effect(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What one line does. `record` is the payment or the refill; `shop_id` None for a credit."""

    line: int
    record: UUID
    account_id: UUID
    version: int
    from_cents: int
    to_cents: int
    balance_before: int
    balance_after: int
    shop_id: UUID | None = None

    @property
    def shop_change_cents(self) -> int:
        """What the shop is owed more by it."""
        return self.to_cents - self.from_cents if self.shop_id else 0


class Plan(NamedTuple):
    """All effects in order, the events that make them, and what is at fault as (code, text)."""

    effects: list[Effect]
    events: list[Event]
    faults: list[tuple[str, str]]

    @property
    def refused(self) -> Refused | None:
        """Why nothing of it is done."""
        if not self.faults:
            return None
        if len(self.effects) + len(self.faults) == 1:
            return Refused(*self.faults[0])
        texts = [text for _, text in self.faults]
        return Refused("correction-lines", "Nothing was corrected:" + some_of(texts))

    @property
    def answer(self) -> dict[str, Any]:
        """For the wire: how many, what it comes to, and the first lines one by one."""
        moved = sum(effect.balance_after - effect.balance_before for effect in self.effects)
        return {
            "corrections": len(self.effects),
            "balances_change_cents": moved,
            "lines": [_told(effect) for effect in self.effects[:TOLD_MOST]],
        }


def credits_asked(asked: Sequence[Correction]) -> Iterator[tuple[UUID, UUID]]:
    """The refill and account of every credit that is to be corrected."""
    for each in asked:
        if each.refill_id is not None and each.account_id is not None:
            yield each.refill_id, each.account_id


def _told(effect: Effect) -> dict[str, Any]:
    kind = "payment" if effect.shop_id else "refill"
    return {
        "line": effect.line,
        kind: str(effect.record),
        "account": str(effect.account_id),
        "amount_cents": {"before": effect.from_cents, "after": effect.to_cents},
        "balance_cents": {"before": effect.balance_before, "after": effect.balance_after},
    }
