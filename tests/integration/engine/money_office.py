"""What operators may do in the scene: refills and what becomes of them, expired money, disputes.

Corrections, programmes and closed days are in `money_corrections`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from application.command import Command, Refused
from application.contest import DecideDispute, GiveEvidence, dispute_id
from application.credit_refill import (
    CreditLines,
    GiveBackLines,
    TakeBackLines,
    step_origin,
    taken_lines,
)
from application.decide_refill import (
    ApproveRefill,
    CancelRefill,
    ChargeBack,
    ChargebackWon,
    ConfirmPayment,
    ConfirmRefund,
)
from application.expired_funds import BookExpiry, DecideExpired, Donate, Reactivate, Return
from application.refill import OrderRefill, Payment, Terms
from domain.aggregates.dispute import FOR_SHOP
from domain.aggregates.refill import Refill
from domain.local_time import day_after
from domain.refill_lines import RefillLine
from tests.integration.engine.money_corrections import same
from tests.integration.engine.money_scene import Intent, Scene

FEE_CENTS = 7
DECISIONS: Mapping[str, type[DecideExpired]] = {
    "cards": Reactivate,
    "funds": Return,
    "donated": Donate,
}
"""By where the money goes in the model."""


@dataclass
class Ordered:
    """A refill as its answers told."""

    id: UUID
    lines: dict[int, int]
    last_day: str
    status: str = ""
    given_up: bool = False


class Office:
    """Operators, and the parts of the backend that work by themselves."""

    def __init__(self, scene: Scene) -> None:
        self.scene, self.world, self.model = scene, scene.world, scene.model
        self.ordered: list[Ordered] = []

    # Refills

    def order(
        self, lines: dict[int, int], days: int | None, confirmed: bool, two_persons: bool
    ) -> list[Intent]:
        """An order of lines (card to cents), to be spent within so many days."""
        origin, today = self.scene.origin(), self.scene.today
        last_day = day_after(today, days) if days is not None else ""
        accounts = self.world.accounts

        def make() -> Command:
            return OrderRefill(
                origin, self.scene.deadline_us(), company_id=self.world.company,
                lines=[(accounts[card], cents) for card, cents in lines.items()],
                payment=Payment(confirmed=confirmed), last_day=last_day,
                terms=Terms(alone_most_cents=0 if two_persons else 10**6, fee_cents=FEE_CENTS),
            )  # fmt: skip

        def settle(answer: Any, resent: bool) -> bool:
            if isinstance(answer, Refused) or not self.model.first_time(origin.command_id):
                return False
            refill = Ordered(UUID(answer["id"]), lines, last_day, answer["status"])
            self.ordered.append(refill)
            if not confirmed:
                assert refill.status == "awaiting-payment"
                return False
            self.model.paid_in(refill.id, sum(lines.values()) + FEE_CENTS, FEE_CENTS)
            if two_persons:
                assert refill.status == "awaiting-approval"
                return True
            assert refill.status == "credited"
            self._credited(refill)
            return True

        return [Intent("order", make, settle, same)]

    def _credited(self, refill: Ordered) -> None:
        for card, cents in refill.lines.items():
            self.model.credit(refill.id, card, cents, refill.last_day)

    def _chosen(self, which: int) -> list[Ordered]:
        return [self.ordered[-1 - which % len(self.ordered)]] if self.ordered else []

    def _decide(self, refill: Ordered, kind: Any, settle: Any, person: int = 1) -> Intent:
        origin = self.scene.origin(person)

        def settle_once(answer: Any, resent: bool) -> bool:
            if isinstance(answer, Refused) or not self.model.first_time(origin.command_id):
                return False
            refill.status = answer["status"]
            return bool(settle(answer))

        def make() -> Command:
            done: Command = kind(origin, self.scene.deadline_us(), refill_id=refill.id, text="x")
            return done

        return Intent(kind.__name__, make, settle_once, same)

    def advance(self, which: int, give_up: bool) -> list[Intent]:
        """What comes next in the life of a refill, or its end."""
        next_ = {
            "awaiting-payment": (self.confirm, self.cancel),
            "awaiting-approval": (lambda which: self.approve(which, 2), self.cancel),
            "approved": (self.work_on, self.charge_back),
            "failed": (self.repay, self.charge_back),
            "cancelled": (self.repay, self.confirm),
            "credited": (self.charge_back, self.cancel),
            "charged-back": (self.work_on, self.win),
        }
        return [
            intent
            for refill in self._chosen(which)
            for intent in self._next(refill, next_[refill.status])[give_up](which)
        ]

    def _next(self, ordered: Ordered, usual: Any) -> Any:
        """First what a won chargeback has to give back, unless something overtakes it."""
        refill = self.scene.stored.states[ordered.id]
        assert isinstance(refill, Refill)
        return (self.work_on, usual[1]) if refill.giving_back else usual

    def confirm(self, which: int) -> list[Intent]:
        """The money of an order came."""

        def make(refill: Ordered) -> Intent:
            def paid(answer: Any) -> bool:
                total = sum(refill.lines.values())
                self.model.paid_in(refill.id, total + FEE_CENTS, FEE_CENTS)
                return True

            return self._decide(refill, ConfirmPayment, paid)

        return [make(refill) for refill in self._chosen(which)]

    def approve(self, which: int, person: int) -> list[Intent]:
        """A second person's yes; the first one's is refused."""
        return [
            self._decide(refill, ApproveRefill, lambda answer: False, person)
            for refill in self._chosen(which)
        ]

    def cancel(self, which: int) -> list[Intent]:
        """Not wanted any more."""

        def make(refill: Ordered) -> Intent:
            def cancelled(answer: Any) -> bool:
                refill.given_up = True
                return False

            return self._decide(refill, CancelRefill, cancelled)

        return [make(refill) for refill in self._chosen(which)]

    def repay(self, which: int) -> list[Intent]:
        """What was paid for a cancelled order, or for lines that came too late, goes back."""

        def make(refill: Ordered) -> Intent:
            def repaid(answer: Any) -> bool:
                fee = FEE_CENTS if answer["status"] == "cancelled" else 0
                self.model.paid_in(refill.id, -sum(refill.lines.values()) - fee, -fee)
                return True

            return self._decide(refill, ConfirmRefund, repaid)

        return [make(refill) for refill in self._chosen(which)]

    def charge_back(self, which: int) -> list[Intent]:
        """The company's bank took the money back."""

        def make(refill: Ordered) -> Intent:
            def gone(answer: Any) -> bool:
                self.model.charged_back(refill.id, FEE_CENTS, waived=refill.given_up)
                return True

            return self._decide(refill, ChargeBack, gone)

        return [make(refill) for refill in self._chosen(which)]

    def pursue(self, which: int, early: bool) -> list[Intent]:
        """What comes next of a chargeback that is to be won; `early`: it is won at once."""
        for place, ordered in enumerate(reversed(self.ordered)):
            refill = self.scene.stored.states[ordered.id]
            assert isinstance(refill, Refill)
            if refill.giving_back or (refill.takes_back and not early):
                return self.work_on(place)
            if refill.is_charged_back:
                return self.win(place)
        return self.charge_back(which)

    def win(self, which: int) -> list[Intent]:
        """A chargeback was decided for us, wherever the taking back is."""

        def make(refill: Ordered) -> Intent:
            def won(answer: Any) -> bool:
                self.model.won(refill.id, FEE_CENTS, waived=refill.given_up)
                return True

            return self._decide(refill, ChargebackWon, won)

        return [make(refill) for refill in self._chosen(which)]

    def work_on(self, which: int) -> list[Intent]:
        """The step that a refill is at: its credits, what is taken back after a chargeback, or
        given back after one that was won."""
        found: list[Intent] = []
        for ordered in self._chosen(which):
            refill = self.scene.stored.states[ordered.id]
            assert isinstance(refill, Refill)
            if refill.giving_back:
                found.append(self._step(ordered, refill, GiveBackLines, "give-back"))
            elif refill.status == "approved":
                found.append(self._step(ordered, refill, CreditLines, "credit"))
            elif refill.status == "charged-back" and refill.credited_lines:
                found.append(self._step(ordered, refill, TakeBackLines, "take-back"))
        return found

    def _step(self, ordered: Ordered, refill: Refill, kind: Any, what: str) -> Intent:
        accounts = self.world.accounts
        lines: Sequence[RefillLine] = [
            RefillLine(account_id=accounts[card], amount_cents=cents)
            for card, cents in ordered.lines.items()
        ]
        place, ms = 0, self.scene.ms
        if kind is GiveBackLines:
            place = refill.given_lines
            lines = taken_lines(refill, self.scene.stored.streams[refill.id])[place:]
        origin = step_origin(refill, what, place, ms, self.world.shop)

        def make() -> Command:
            step: Command = kind(
                origin, self.scene.deadline_us(),
                refill_id=refill.id, place=place, lines=lines,
                ahead=[self.world.states.read_ahead(line.account_id for line in lines)],
            )  # fmt: skip
            return step

        def settle(answer: Any, resent: bool) -> bool:
            if isinstance(answer, Refused) or not self.model.first_time(origin.command_id):
                return False
            ordered.status, today = answer.status, self.scene.today
            if kind is GiveBackLines:
                return self.model.give_again(ordered.id) > 0
            if kind is TakeBackLines:
                return self._taken_back(ordered, answer, today)
            if ordered.last_day and ordered.last_day < today:
                assert answer.status in ("failed", "charged-back")
                return False
            self._credited(ordered)
            return True

        return Intent(what, make, settle, lambda first, now: isinstance(now, Refill | Refused))

    def _taken_back(self, ordered: Ordered, answer: Refill, today: str) -> bool:
        before = self.model.places["funds"]
        for card, cents in ordered.lines.items():
            self.model.take_back(ordered.id, card, cents, today, ordered.last_day)
        taken = self.model.places["funds"] - before
        assert answer.taken_cents == taken
        return taken > 0

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
