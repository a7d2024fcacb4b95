"""One world of the stateful test, and what a terminal or a phone may do in it to payments.

Every method makes an Intent: a command under one id that can be sent as often as it takes, and how
its answer moves the model.
"""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from msgspec.structs import replace

from application.adjust import Adjust, AdjustAsk, Adjustment
from application.authorize import Decision
from application.command import Origin
from application.contest import Contest, ContestAsk
from application.reverse import Reversal
from domain.aggregates.dispute import Dispute
from domain.answers import Refusal
from domain.local_time import local_date
from domain.signed_request import SignedRequest
from tests.integration.engine.money_crashes import Make
from tests.integration.engine.money_invariants import Stored
from tests.integration.engine.money_model import Model
from tests.integration.engine.world import Database, World

CARDS = 3
CREDIT_CENTS = 400
ZONE = "America/Chicago"
SECOND_US = 1_000_000
HOUR_US = 3_600 * SECOND_US
_NOON_US = 1_772_733_600_000_000
"""Noon of 2026-03-05 in Chicago, three days before the clocks change."""


class SetClock:
    """Stands still until somebody moves it on."""

    def __init__(self) -> None:
        self.us = _NOON_US

    def now_us(self) -> int:
        return self.us


@dataclass(eq=False)
class Intent:
    """`settle` moves the model by an answer and says whether money moved; its second argument is
    whether the command was sent more than once. `same`: whether a later answer agrees with the
    first one."""

    name: str
    make: Make
    settle: Callable[[Any, bool], bool]
    same: Callable[[Any, Any], bool]


@dataclass(frozen=True)
class Named:
    """A payment by what its terminal called it. `id` is known once it is approved."""

    card: int
    shop: int
    counter: int
    ms: int


class Scene:
    """Three cards of one company, two shops with a terminal each."""

    def __init__(self, database: Database) -> None:
        database.empty()
        database.execute("DROP TABLE IF EXISTS kept")
        self.clock = SetClock()
        self.world = World(database, CARDS, clock=self.clock, credit_cents=CREDIT_CENTS)
        shop = self.world.another_shop()
        self.shops = [(self.world.shop, self.world.terminal), shop]
        self.model = Model(CARDS, CREDIT_CENTS)
        self.stored = Stored(self.world)
        self.paid: list[tuple[UUID, Named]] = []
        self.disputed: list[UUID] = []
        self.barred: list[Named] = []
        self.bills: dict[UUID, int] = {}
        """How many cards share each bill."""
        self._shares: defaultdict[UUID, dict[int, tuple[UUID, Named] | None]] = defaultdict(dict)
        self._last = 0

    @property
    def today(self) -> str:
        """The accounts' date."""
        return local_date(self.clock.us, ZONE)

    @property
    def ms(self) -> int:
        """Now."""
        return self.clock.us // 1000

    def number(self) -> int:
        """One that was not used yet."""
        self._last += 1
        return self._last

    def deadline_us(self) -> int:
        """Of a work that is made now."""
        return self.clock.us + 5 * SECOND_US

    def origin(self, person: int = 1) -> Origin:
        """A new command of one of two operators."""
        actor = f"operator:{UUID(int=person)}:1f"
        return Origin(command_id=uuid4(), issued_ms=self.ms, actor=actor, issuer_id=self.world.shop)

    # Payments

    def pay(
        self,
        card: int,
        cents: int,
        shop: int,
        partial: bool = False,
        group: UUID | None = None,
        named: Named | None = None,
    ) -> Intent:
        """An authorization; `named` where it comes after its reversal."""
        name = named or Named(card, shop, self.number(), self.ms)
        shop_id, terminal_id = self.shops[name.shop]

        def make() -> Any:
            return self.world.payment(
                counter=name.counter, ms=name.ms, card=name.card, amount_cents=cents,
                partial=partial, shop_id=shop_id, terminal_id=terminal_id, group_id=group,
            )  # fmt: skip

        def settle(answer: Decision, resent: bool) -> bool:
            if group is not None:
                share = (answer.transaction_id, name) if answer.approved else None
                self._shares[group].setdefault(card, share)
            if not answer.approved:
                return False
            assert name not in self.barred, "its reversal came first"
            id = answer.transaction_id
            if not self.model.first_time(("pay", id)):
                assert answer.duplicate
                return False
            assert resent or not answer.duplicate
            granted = cents if answer.approved_cents is None else answer.approved_cents
            assert 0 < granted <= cents and (partial or granted == cents)
            self.model.pay(id, name.card, granted, self.today)
            self.paid.append((id, name))
            return True

        def same(first: Decision, now: Decision) -> bool:
            payment = self.model.payments.get(first.transaction_id)
            if payment is not None and payment.over:
                return (now.approved, now.reason) == (False, "reversed-before")
            if not (first.approved or now.duplicate):
                return True  # such a refusal is not stored
            return (first.approved, first.code, first.approved_cents, first.transaction_id) == (
                now.approved, now.code, now.approved_cents, now.transaction_id,
            )  # fmt: skip

        return Intent("pay", make, settle, same)

    def unfinished_bills(self) -> list[Intent]:
        """The reversals of what was approved of bills that were not approved whole."""
        found: list[Intent] = []
        for group in [each for each in self._shares if len(self._shares[each]) == self.bills[each]]:
            shares = self._shares.pop(group).values()
            if None in shares:
                found += [self._reverse(*share) for share in shares if share is not None]
        return found

    def reverse(self, payment: int) -> list[Intent]:
        """A reversal of a payment that was approved."""
        return [self._reverse(*each) for each in self.chosen(payment)]

    def reverse_early(self, card: int, shop: int) -> list[Intent]:
        """A reversal of a payment that has not arrived, and will be refused."""
        named = Named(card, shop, self.number(), self.ms)
        return [self._reverse(None, named)]

    def pay_late(self, barred: int, cents: int) -> list[Intent]:
        """The payment of such a reversal."""
        if not self.barred:
            return []
        named = self.barred[barred % len(self.barred)]
        return [self.pay(named.card, cents, named.shop, named=named)]

    def _reverse(self, id: UUID | None, named: Named) -> Intent:
        def make() -> Any:
            work = self.world.reversal(counter=named.counter, ms=named.ms, card=named.card)
            shop_id, terminal_id = self.shops[named.shop]
            work.ask = replace(work.ask, terminal_id=terminal_id, issuer_id=shop_id)
            return work

        def settle(answer: Reversal, resent: bool) -> bool:
            payment = self.model.payments.get(id)
            if id is None and named not in self.barred:
                self.barred.append(named)  # from now on: a reversal that was given up bars nothing
            if payment is None or payment.over:
                assert answer.amount_cents == 0
                return False
            assert answer.state == "reversed"
            cents = self.model.undo(id)
            assert answer.amount_cents == cents or (resent and not answer.amount_cents)
            return cents > 0

        def same(first: Reversal, now: Reversal) -> bool:
            return first.state == now.state and (now.amount_cents == 0)

        return Intent("reverse", make, settle, same)

    def void(self, payment: int) -> list[Intent]:
        """The whole of a payment back, on its day."""
        return [self._adjust("VOID", 0, *each) for each in self.chosen(payment)]

    def refund(self, payment: int, cents: int) -> list[Intent]:
        """Part of a payment, or what is left of it; 0 cents: all."""
        return [
            self._adjust("REFUND", cents or max(1, self._net(id)), id, named)
            for id, named in self.chosen(payment)
        ]

    def tip(self, payment: int, cents: int) -> list[Intent]:
        """A tip."""
        return [self._adjust("TIP", cents, *each) for each in self.chosen(payment)]

    def _adjust(self, action: str, cents: int, id: UUID, named: Named) -> Intent:
        shop_id, terminal_id = self.shops[named.shop]
        ask = AdjustAsk(
            terminal_id=terminal_id,
            transaction_id=id,
            action=action,
            counter=self.number(),
            ms=self.ms,
            amount_cents=cents,
            why="x",
            signed=_SIGNED,
            actor="pos",
            issuer_id=shop_id,
        )

        def settle(answer: Adjustment, resent: bool) -> bool:
            if not answer.done:
                assert answer.amount_cents == answer.net_cents == 0
                return False
            if not self.model.first_time(("adjust", ask.counter)):
                assert answer.duplicate
                return False
            assert resent or not answer.duplicate
            moved = cents
            match action:
                case "VOID":
                    moved = self.model.undo(id)
                case "REFUND":
                    self.model.give_back(id, cents)
                case _:
                    self.model.add(id, cents, self.today)
            assert answer.amount_cents == moved
            return True

        def same(first: Adjustment, now: Adjustment) -> bool:
            return not first.done or (now.done, now.duplicate, now.amount_cents) == (
                True, True, first.amount_cents,
            )  # fmt: skip

        return Intent(action, lambda: Adjust(ask, self.deadline_us()), settle, same)

    def contest(self, payment: int, cents: int) -> list[Intent]:
        """The cardholder's phone disputes a payment; no money moves."""
        return [self._contest(id, named, cents) for id, named in self.chosen(payment)]

    def _contest(self, id: UUID, named: Named, cents: int) -> Intent:
        ask = ContestAsk(
            card_id=self.world.cards[named.card],
            transaction_id=id,
            ms=self.ms,
            amount_cents=cents,
            text="not mine",
            document_sha256=b"",
            signed=_SIGNED,
            actor="card",
            issuer_id=self.world.shop,
        )

        def settle(answer: Dispute | Refusal, resent: bool) -> bool:
            if isinstance(answer, Dispute) and self.model.first_time(("dispute", id)):
                self.disputed.append(id)
            return False

        def same(first: Dispute | Refusal, now: Dispute | Refusal) -> bool:
            return isinstance(first, Refusal) or isinstance(now, Dispute)

        return Intent("contest", lambda: Contest(ask, self.deadline_us()), settle, same)

    def chosen_dispute(self, which: int) -> list[UUID]:
        """The payment of one of the disputes that there were, or one that nobody disputes."""
        if self.disputed:
            return [self.disputed[-1 - which % len(self.disputed)]]
        return [id for id, _ in self.chosen(which)]

    def chosen(self, payment: int) -> list[tuple[UUID, Named]]:
        """One of the payments that were approved, the latest for 0; none where there is none."""
        return [self.paid[-1 - payment % len(self.paid)]] if self.paid else []

    def _net(self, id: UUID) -> int:
        return self.model.payments[id].net_cents


_SIGNED = SignedRequest(request=b"{}", request_hash=b"h" * 32, signature="a..b")
