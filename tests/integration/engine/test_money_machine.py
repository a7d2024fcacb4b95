"""The money under any sequence of commands and crashes, over the real engine and PostgreSQL.

A Hypothesis state machine: its rules send what terminals, phones, operators and the backend's own
parts send, alone and several in one commit; a crash may meet any of them (`money_crashes`). After
every step all six invariants are checked (`money_invariants`) between a model that knows the
answers alone (`money_model`), the states replayed from the stored events, and books posted from
them. Snapshots are made all the time: of every fourth event of an account.

CI runs the same examples every time. `TICKETRESTAURANT_MONEY_EXAMPLES=500` runs so many of new
ones, of a hundred steps each (about two seconds an example), and prints how to repeat a failure.
"""

import os
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from application import states
from application.adjust import Adjust
from application.authorize import Authorize
from application.command import Command
from application.contest import Contest, dispute_id
from application.expired_funds import ACTOR as EXPIRY
from application.expired_funds import BookExpiry
from application.group_commit import Work
from application.reverse import Reverse
from tests.integration.engine import money_invariants as six
from tests.integration.engine.money_corrections import Corrections, close_day, set_programme
from tests.integration.engine.money_crashes import Crash, carry_out
from tests.integration.engine.money_office import DECISIONS, Office
from tests.integration.engine.money_scene import CARDS, HOUR_US, SECOND_US, Intent, Scene
from tests.integration.engine.world import Database

EXAMPLES = os.environ.get("TICKETRESTAURANT_MONEY_EXAMPLES", "")
CRASH = st.sampled_from([Crash.NONE] * len(Crash) + list(Crash))
CARD = st.integers(0, CARDS - 1)
SHOP = st.integers(0, 1)
WHICH = st.integers(0, 5)
"""Of the payments or refills that there are, the latest first."""
CENTS = st.integers(1, 2_500) | st.sampled_from([1, 100, 2_500, 2_501])
ACTS = (
    *("pay", "reverse", "void", "refund", "tip", "contest", "hear_shop", "decide"),
    *("order", "charge_back", "work_on", "expire", "correct"),
)
ACT = st.sampled_from(ACTS)
TERMS = st.fixed_dictionaries(
    {},
    optional={
        "per_day_cents": st.sampled_from([1, 1_000, 3_000]),
        "per_payment_cents": st.sampled_from([1, 500]),
        "payments_per_day": st.integers(1, 3),
        "refused_categories": st.sampled_from([("5812",), ("5813",)]),
        "partial_approval": st.booleans(),
        "tip_percent": st.sampled_from([0, 100]),
    },
)


class MoneyMachine(RuleBasedStateMachine):
    """See the file's docstring."""

    def __init__(self, database: Database) -> None:
        super().__init__()
        self.scene = scene = Scene(database)
        self.office, self.corrections = Office(scene), Corrections(scene)
        self.answered: list[tuple[Intent, Any]] = []
        scene.stored.follow()

    def teardown(self) -> None:
        """The whole log once more."""
        try:
            six.replayed_at_once(self.scene.stored, self.scene.world)
        finally:
            self.scene.world.close()

    def step(self, intents: list[Intent], crash: Crash) -> None:
        """Sends what arrives together, has the answers move the model, and follows the log."""
        scene = self.scene
        scene.clock.us += SECOND_US
        if not intents:
            return
        before = scene.stored.money()
        answers, works, resent = carry_out(scene.world, [each.make for each in intents], crash)
        scene.stored.follow()
        refused, accepted = set[UUID](), set[UUID]()
        for intent, answer, work in zip(intents, answers, works, strict=True):
            moved = intent.settle(answer, resent)
            (accepted if moved else refused).update(self._ids(work))
            first = next((old for each, old in self.answered if each is intent), None)
            if first is None:
                self.answered.append((intent, answer))
            else:
                assert intent.same(first, answer), (intent.name, first, answer)
        six.refusal_changes_nothing(scene.stored, before, refused, accepted)

    def _ids(self, work: Work) -> set[UUID]:
        """What the events of a work name as their command."""
        match work:
            case Command():
                return {work.origin.command_id}
            case Authorize() | Adjust() | Reverse():
                return {work._id} if work._id else set()
            case Contest():
                return {dispute_id(work.ask.transaction_id)}
            case _:
                assert isinstance(work, BookExpiry)
                return {e.command_id for e in self.scene.stored.added if e.actor == EXPIRY}

    # Payments

    @rule(card=CARD, cents=CENTS, shop=SHOP, partial=st.booleans(), crash=CRASH)
    def pay(self, card: int, cents: int, shop: int, partial: bool, crash: Crash) -> None:
        self.step([self.scene.pay(card, cents, shop, partial)], crash)

    @precondition(lambda self: self.scene.paid)
    @rule(payment=WHICH, crash=CRASH)
    def reverse(self, payment: int, crash: Crash) -> None:
        self.step(self.scene.reverse(payment), crash)

    @rule(card=CARD, shop=SHOP, crash=CRASH)
    def reverse_early(self, card: int, shop: int, crash: Crash) -> None:
        self.step(self.scene.reverse_early(card, shop), crash)

    @precondition(lambda self: self.scene.barred)
    @rule(barred=WHICH, cents=CENTS, crash=CRASH)
    def pay_late(self, barred: int, cents: int, crash: Crash) -> None:
        self.step(self.scene.pay_late(barred, cents), crash)

    @precondition(lambda self: self.scene.paid)
    @rule(payment=WHICH, crash=CRASH)
    def void(self, payment: int, crash: Crash) -> None:
        self.step(self.scene.void(payment), crash)

    @precondition(lambda self: self.scene.paid)
    @rule(payment=WHICH, cents=st.just(0) | CENTS, crash=CRASH)
    def refund(self, payment: int, cents: int, crash: Crash) -> None:
        self.step(self.scene.refund(payment, cents), crash)

    @precondition(lambda self: self.scene.paid)
    @rule(payment=WHICH, cents=st.integers(1, 400), crash=CRASH)
    def tip(self, payment: int, cents: int, crash: Crash) -> None:
        self.step(self.scene.tip(payment, cents), crash)

    @rule(hours=st.sampled_from([1, 9, 24, 49]))
    def wait(self, hours: int) -> None:
        self.scene.clock.us += hours * HOUR_US

    # Refills

    @rule(
        lines=st.dictionaries(CARD, CENTS, min_size=1),
        days=st.none() | st.integers(-1, 3),
        confirmed=st.booleans(),
        two_persons=st.booleans(),
        crash=CRASH,
    )
    def order(
        self,
        lines: dict[int, int],
        days: int | None,
        confirmed: bool,
        two_persons: bool,
        crash: Crash,
    ) -> None:
        self.step(self.office.order(lines, days, confirmed, two_persons), crash)

    @precondition(lambda self: self.office.ordered)
    @rule(which=WHICH, crash=CRASH)
    def confirm(self, which: int, crash: Crash) -> None:
        self.step(self.office.confirm(which), crash)

    @precondition(lambda self: self.office.ordered)
    @rule(which=WHICH, person=st.integers(1, 2), crash=CRASH)
    def approve(self, which: int, person: int, crash: Crash) -> None:
        self.step(self.office.approve(which, person), crash)

    @precondition(lambda self: self.office.ordered)
    @rule(which=WHICH, crash=CRASH)
    def work_on(self, which: int, crash: Crash) -> None:
        self.step(self.office.work_on(which), crash)

    @precondition(lambda self: self.office.ordered)
    @rule(which=WHICH, crash=CRASH)
    def charge_back(self, which: int, crash: Crash) -> None:
        self.step(self.office.charge_back(which), crash)

    @precondition(lambda self: self.office.ordered)
    @rule(which=WHICH, cancel=st.booleans(), crash=CRASH)
    def give_up(self, which: int, cancel: bool, crash: Crash) -> None:
        self.step((self.office.cancel if cancel else self.office.repay)(which), crash)

    # Money with a last day

    @rule(crash=CRASH)
    def book_expiry(self, crash: Crash) -> None:
        self.step(self.office.book_expiry(), crash)

    @rule(
        cards=st.lists(CARD, min_size=1, unique=True),
        to=st.sampled_from(sorted(DECISIONS)),
        days=st.integers(-1, 3),
        off=st.sampled_from([0, 0, 0, 1]),
        crash=CRASH,
    )
    def decide_expired(self, cards: list[int], to: str, days: int, off: int, crash: Crash) -> None:
        self.step(self.office.decide_expired(cards, to, days, off), crash)

    # Disputes and corrections

    @precondition(lambda self: self.scene.paid)
    @rule(payment=WHICH, cents=st.just(0) | CENTS, crash=CRASH)
    def contest(self, payment: int, cents: int, crash: Crash) -> None:
        self.step(self.scene.contest(payment, cents), crash)

    @precondition(lambda self: self.scene.paid)
    @rule(payment=WHICH, cents=st.none() | st.just(0) | CENTS, heard=st.booleans(), crash=CRASH)
    def decide_dispute(self, payment: int, cents: int | None, heard: bool, crash: Crash) -> None:
        evidence = self.office.hear_shop(payment) if heard else []
        self.step([*evidence, *self.office.decide_dispute(payment, cents)], crash)

    @rule(which=WHICH, of_payment=st.booleans(), cents=st.just(0) | CENTS)
    def request_correction(self, which: int, of_payment: bool, cents: int) -> None:
        asked = self.corrections
        (asked.request_of_payment if of_payment else asked.request_of_credit)(which, cents)

    @precondition(lambda self: self.corrections.requested)
    @rule(most=st.integers(1, 3), crash=CRASH)
    def approve_corrections(self, most: int, crash: Crash) -> None:
        self.step(self.corrections.approve(most), crash)

    # What moves no money, and what comes at once or again

    @rule(changes=TERMS, crash=CRASH)
    def set_programme(self, changes: dict[str, Any], crash: Crash) -> None:
        self.step(set_programme(self.scene, changes), crash)

    @rule(crash=CRASH)
    def close_day(self, crash: Crash) -> None:
        self.step(close_day(self.scene), crash)

    @rule(which=st.integers(0, 20), crash=CRASH)
    def repeat(self, which: int, crash: Crash) -> None:
        if self.answered:
            self.step([self.answered[-1 - which % len(self.answered)][0]], crash)

    @rule(shares=st.lists(CENTS, min_size=2, max_size=CARDS), shop=SHOP, crash=CRASH)
    def split_table(self, shares: list[int], shop: int, crash: Crash) -> None:
        """One bill over several cards: all are approved, or all are reversed."""
        group, before = uuid4(), len(self.scene.paid)
        bill = [self.scene.pay(card, cents, shop, group=group) for card, cents in enumerate(shares)]
        self.step(bill, crash)
        approved = len(self.scene.paid) - before
        if approved < len(shares):
            self.step([each for n in range(approved) for each in self.scene.reverse(n)], crash)
            group_cents = [self.scene.model.payments[id].net_cents for id, _ in
                           self.scene.paid[before:]]  # fmt: skip
            assert not any(group_cents)

    @rule(
        acts=st.lists(st.tuples(ACT, WHICH, CENTS), min_size=2, max_size=4),
        twice=st.booleans(),
        crash=CRASH,
    )
    def together(self, acts: list[tuple[str, int, int]], twice: bool, crash: Crash) -> None:
        """Several works in one commit, some of them the same."""
        intents = [intent for act, n, cents in acts for intent in self.act(act, n, cents)]
        self.step(intents * (2 if twice else 1), crash)

    def act(self, act: str, n: int, cents: int) -> list[Intent]:
        """One of ACTS."""
        scene, office = self.scene, self.office
        match act:
            case "pay":
                return [scene.pay(n % CARDS, cents, n % 2, partial=n > 2)]
            case "order":
                return office.order({n % CARDS: cents}, n, confirmed=True, two_persons=False)
            case "expire":
                return office.book_expiry()
            case "correct":
                return self.corrections.approve(n)
            case "refund" | "tip" | "contest":
                return list(getattr(scene, act)(n, cents))
            case "decide":
                return office.decide_dispute(n, cents)
            case "reverse" | "void":
                return list(getattr(scene, act)(n))
            case _:
                return list(getattr(office, act)(n))

    @invariant()
    def holds(self) -> None:
        stored, model, world = self.scene.stored, self.scene.model, self.scene.world
        six.conservation(stored, model)
        six.components(stored, model, world.accounts)
        six.derived_is_kept(stored, world)
        six.no_overdraft(stored, world.accounts)
        six.holds_accounted(stored, model)


def test_the_six_invariants_hold_whatever_happens(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Here(MoneyMachine):
        def __init__(self) -> None:
            super().__init__(database)

    monkeypatch.setattr(states, "_BETWEEN", 3)
    run_state_machine_as_test(
        Here,
        settings=settings(
            max_examples=int(EXAMPLES or 25),
            stateful_step_count=100 if EXAMPLES else 40,
            derandomize=not EXAMPLES,
            print_blob=bool(EXAMPLES),
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            report_multiple_bugs=False,
        ),
    )
