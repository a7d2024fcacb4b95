"""What operators may do in the scene with expired money and disputes.

Refills are in `money_refills`; corrections, programmes and closed days in `money_corrections`.
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from application.command import Command, Refused
from application.contest import DecideDispute, GiveEvidence, dispute_id
from application.expired_funds import BookExpiry, DecideExpired, Donate, Reactivate, Return
from domain.aggregates.dispute import FOR_SHOP
from domain.local_time import day_after
from tests.integration.engine.money_corrections import same
from tests.integration.engine.money_scene import Intent, Scene

DECISIONS: Mapping[str, type[DecideExpired]] = {
    "cards": Reactivate,
    "funds": Return,
    "donated": Donate,
}
"""By where the money goes in the model."""


class Office:
    """Operators, and what books expired money by itself."""

    def __init__(self, scene: Scene) -> None:
        self.scene, self.world, self.model = scene, scene.world, scene.model

    # Expired money

    def book_expiry(self) -> list[Intent]:
        """All lots whose last day has passed."""

        def make() -> BookExpiry:
            return BookExpiry(self.world.accounts, self.world.shop, self.scene.deadline_us())

        def settle(answer: int, resent: bool) -> bool:
            cards, today = range(len(self.model.purses)), self.scene.today
            lots = sum(self.model.expire(card, today) for card in cards)
            assert answer == lots or (resent and not answer)
            return lots > 0

        return [Intent("expiry", make, settle, lambda first, now: True)]  # more may be due by now

    def decide_expired(self, cards: list[int], to: str, days: int, off: int) -> list[Intent]:
        """Expired money of cards goes somewhere; `off`: by how much the operator is mistaken."""
        origin, today = self.scene.origin(), self.scene.today
        last_day = day_after(today, days)
        facts: dict[str, Any] = {"cards": {"last_day": last_day}, "donated": {"cause": "soup"}}
        cents = off + sum(self._expired_cents(card, today) for card in cards)

        def make() -> Command:
            return DECISIONS[to](
                origin, self.scene.deadline_us(), expired_day="", amount_cents=cents, why="x",
                account_ids=[self.world.accounts[card] for card in cards], **facts.get(to, {}),
            )  # fmt: skip

        def settle(answer: Any, resent: bool) -> bool:
            if isinstance(answer, Refused) or not self.model.first_time(origin.command_id):
                return False
            for card in cards:
                self.model.expire(card, self.scene.today)
            moved = sum(self.model.decide_expired(card, to, last_day) for card in cards)
            assert moved == answer["amount_cents"] == cents
            return True

        return [Intent(to, make, settle, same)]

    def expired_cents(self) -> int:
        """What of all cards has expired, booked or not."""
        today = self.scene.today
        return sum(self._expired_cents(card, today) for card in range(len(self.model.purses)))

    def _expired_cents(self, card: int, today: str) -> int:
        gone = sum(self.model.purses[card].values()) - self.model.spendable(card, today)
        return gone + sum(self.model.expired[card].values())

    # Disputes

    def hear_shop(self, which: int) -> list[Intent]:
        """The shop's evidence; no money moves."""
        return [self._hear_shop(id) for id in self.scene.chosen_dispute(which)]

    def _hear_shop(self, id: UUID) -> Intent:
        origin = self.scene.origin()

        def make() -> Command:
            return GiveEvidence(
                origin, self.scene.deadline_us(), dispute_id=dispute_id(id), side=FOR_SHOP,
                text="it was", document_sha256=b"",
            )  # fmt: skip

        return Intent("evidence", make, lambda answer, resent: False, same)

    def decide_dispute(self, which: int, cents: int | None) -> list[Intent]:
        """For the cardholder with so many cents (None: all that is left), for the shop with 0."""
        return [self._decide_dispute(id, cents) for id in self.scene.chosen_dispute(which)]

    def _decide_dispute(self, id: UUID, cents: int | None) -> Intent:
        origin = self.scene.origin()

        def make() -> Command:
            return DecideDispute(
                origin, self.scene.deadline_us(), dispute_id=dispute_id(id),
                credited_cents=cents, why="x", operator_id=UUID(int=1),
            )  # fmt: skip

        def settle(answer: Any, resent: bool) -> bool:
            if isinstance(answer, Refused) or not self.model.first_time(origin.command_id):
                return False
            credited: int = answer["credited_cents"]
            assert cents in (None, credited)
            self.model.give_back(id, credited)
            return credited > 0

        return Intent("decide", make, settle, same)
