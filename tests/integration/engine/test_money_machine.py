"""The money under any sequence of commands and crashes, over the real engine and PostgreSQL.

A Hypothesis state machine: its rules send what terminals, phones, operators and the backend's own
parts send, alone and several in one commit; a crash may meet any of them (`money_crashes`). After
every step all six invariants are checked (`money_invariants`) between a model that knows the
answers alone (`money_model`, `money_funding`), the states replayed from the stored events, and
books posted from them. Snapshots are made all the time: of every fourth event of an account.

CI runs the same examples every time. `TICKETRESTAURANT_MONEY_EXAMPLES=500` runs so many of new
ones, of a hundred steps each (about three seconds an example), and prints how to repeat a failure.
"""

import os
from itertools import pairwise
from operator import itemgetter
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.internal.conjecture.engine import ConjectureRunner
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
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
from application.reverse import Reverse
from application.work import Failed, Work
from tests.integration.engine import money_invariants as six
from tests.integration.engine.money_bank import Bank
from tests.integration.engine.money_corrections import (
    Corrections,
    close_day,
    day_is_over,
    set_programme,
)
from tests.integration.engine.money_crashes import Crash, carry_out
from tests.integration.engine.money_office import DECISIONS, Office
from tests.integration.engine.money_refills import FEE_CENTS, Refills
from tests.integration.engine.money_scene import CARDS, HOUR_US, SECOND_US, Intent, Scene
from tests.integration.engine.world import Database

EXAMPLES = os.environ.get("TICKETRESTAURANT_MONEY_EXAMPLES", "")
CRASH = st.sampled_from([Crash.NONE] * len(Crash) + list(Crash))
ACTS = (
    *("pay", "pay", "pay", "pay", "split", "reverse", "void", "refund", "refund", "tip"),
    *("reverse-early", "pay-late", "contest", "contest", "hear-shop", "hear-shop", "decide"),
    *("decide", "order", "order", "order", "give-up", "give-up", *["advance"] * 4),
    *("approve-alone", "pursue", "pursue", "pay-fee", "pay-fee", "repay", "statement", "statement"),
    *("ask-payment", "ask-credit", "correct", "correct", "wait", "wait", "programme"),
    *("repeat", "repeat", "close", "expire", "expire", *DECISIONS, *DECISIONS),
)
TERMS: tuple[dict[str, Any], ...] = (
    {"per_day_cents": 1_000},
    {"per_payment_cents": 500},
    {"payments_per_day": 1},
    {"refused_categories": ("5812",)},
    {"partial_approval": False},
    {"tip_percent": 0},
)


class Act(NamedTuple):
    """What is sent, alone or with others; see `MoneyMachine.intents`."""

    kind: str
    n: int
    m: int
    cents: int
    flag: bool


ACT = st.builds(
    Act,
    st.sampled_from(ACTS),
    st.sampled_from([0, 0, 0, 1, 1, 2, 3, 4, 5]),
    st.integers(0, 5),
    st.integers(0, 600) | st.sampled_from([0, 1, 100, 1_500, 2_500]),
    st.booleans(),
)

_Carried = tuple[Intent, Any, Work]
"""An intent, what was answered to it, and the work that was."""


class MoneyMachine(RuleBasedStateMachine):
    """See the file's docstring."""

    def __init__(self, database: Database) -> None:
        super().__init__()
        self.scene = scene = Scene(database)
        self.office, self.corrections = Office(scene), Corrections(scene)
        self.refills, self.bank = Refills(scene), Bank(scene)
        self.answered: list[tuple[Intent, Any]] = []
        scene.stored.follow()

    def teardown(self) -> None:
        """The whole log once more."""
        try:
            six.replayed_at_once(self.scene.stored, self.scene.world)
        finally:
            self.scene.world.close()

    def step(self, intents: list[Intent], crash: Crash) -> None:
        """Sends what arrives together, has the answers move the model, and follows the log.

        A bill that is not approved on all of its cards is reversed on the others.
        """
        scene = self.scene
        scene.clock.us += SECOND_US
        if not intents:
            return
        before = scene.stored.money()
        answers, works, resent = carry_out(scene.world, [each.make for each in intents], crash)
        scene.stored.follow()
        refused, accepted = set[UUID](), set[UUID]()
        changed: list[tuple[Intent, Any, Any]] = []
        carried = list(zip(intents, answers, works, strict=True))
        for intent, answer, work in self._as_stored(carried) if resent else carried:
            if isinstance(answer, Failed):
                refused |= self._ids(work)
                continue
            moved = intent.settle(answer, resent)
            (accepted if moved else refused).update(self._ids(work))
            first = next((old for each, old in self.answered if each is intent), None)
            if first is None:
                self.answered.append((intent, answer))
            elif not intent.same(first, answer):
                changed.append((intent, first, answer))
        assert resent or not changed, changed
        for intent, first, answer in changed:
            # Answered before what was stored with it, or after all of that, when sent once more.
            assert intent.same(first, answer), (intent.name, first, answer)
        six.refusal_changes_nothing(scene.stored, before, refused, accepted)
        halves = scene.unfinished_bills()
        if halves:
            self.step(halves, Crash.NONE)

    def _as_stored(self, carried: list[_Carried]) -> list[_Carried]:
        """In the order in which they were stored, then those that stored nothing: what was refused
        at first may have been accepted when it was sent once more, after the others. Bookings of
        expired money that stored nothing are left out: by the end of the step more may be due."""
        added = self.scene.stored.added
        places: dict[UUID, int] = {}
        for place, event in enumerate(added):
            places.setdefault(event.command_id, place)
        booked = [False, *(event.actor == EXPIRY for event in added)]
        bookings = iter([at for at, (before, now) in enumerate(pairwise(booked)) if now > before])
        placed: list[tuple[int, _Carried]] = []
        for each in carried:
            if isinstance(each[2], BookExpiry):
                at = next(bookings, None)
                placed += [(at, each)] if at is not None else []
            else:
                at = min((places[id] for id in self._ids(each[2]) & places.keys()), default=None)
                placed.append((len(added) if at is None else at, each))
        return [each for _, each in sorted(placed, key=itemgetter(0))]

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

    @initialize(cents=st.tuples(st.integers(1, 300), st.integers(1, 300)))
    def fill(self, cents: tuple[int, int]) -> None:
        """Each card has money of three kinds: for today, for another day, for ever."""
        for days, each in zip((0, 2), cents, strict=True):
            lines = dict.fromkeys(range(CARDS), each)
            self.step(
                self.refills.order(lines, days, confirmed=True, two_persons=False), Crash.NONE
            )

    @rule(act=ACT, crash=CRASH)
    def send(self, act: Act, crash: Crash) -> None:
        self.step(self.intents(act), crash)

    @rule(acts=st.lists(ACT, min_size=2, max_size=4), twice=st.booleans(), crash=CRASH)
    def send_together(self, acts: list[Act], twice: bool, crash: Crash) -> None:
        """Several works in one commit, some of them the same."""
        intents = [intent for act in acts for intent in self.intents(act)]
        self.step(intents * (2 if twice else 1), crash)

    def intents(self, act: Act) -> list[Intent]:
        """The commands of an act: `n` chooses among what there is, the latest for 0."""
        kind, n, m, cents, flag = act
        scene, office, refills, card = self.scene, self.office, self.refills, m % CARDS
        match kind:
            case "pay":
                return [scene.pay(card, cents or 2_501, n % 2, partial=flag)]
            case "split":
                return self._split(n % 2, [cents % 2_500 + 1, 200 * m + 1, 400][: 2 + flag])
            case "reverse" | "void":
                return list(getattr(scene, kind)(n))
            case "refund" | "contest":
                return list(getattr(scene, kind)(n, 0 if flag else cents))
            case "tip":
                return scene.tip(n, cents % 50 + 1)
            case "reverse-early":
                return scene.reverse_early(card, n % 2)
            case "pay-late":
                return scene.pay_late(n, cents + 1)
            case "hear-shop":
                return office.hear_shop(n)
            case "decide":
                return office.decide_dispute(n, None if flag else cents)
            case "order":
                lines = dict.fromkeys(range(card + 1), cents % 300 + 1)
                confirmed, two_persons = n not in (1, 3), n in (1, 2)
                days, stranger_cents = m - 1 if m < 5 else None, cents % 50 * flag
                return refills.order(lines, days, confirmed, two_persons, stranger_cents)
            case "advance" | "give-up":
                return refills.advance(n, give_up=kind == "give-up")
            case "pursue":
                fee = self.bank.pay_fee(0, 0, off=0) if m > 2 else []
                return [*fee, *refills.pursue(n, early=flag)]
            case "approve-alone":
                return refills.approve_alone(n)
            case "repay":
                return refills.repay_any(n)
            case "pay-fee":
                return self.bank.pay_fee(n, 0 if flag else cents % FEE_CENTS, off=int(m == 1))
            case "statement":
                return self.bank.statement(n, m + 1, cents % 3, again=flag)
            case _:
                return self._later(act)

    def _split(self, shop: int, shares: list[int]) -> list[Intent]:
        """One bill over several cards; `step` reverses all of it unless all are approved."""
        group = uuid4()
        self.scene.bills[group] = len(shares)
        return [self.scene.pay(card, c, shop, group=group) for card, c in enumerate(shares)]

    def _later(self, act: Act) -> list[Intent]:
        """Acts that need time to pass, or somebody's request before."""
        match act.kind:
            case "programme":
                return set_programme(self.scene, TERMS[act.n] if act.flag else {})
            case "wait":
                self.scene.clock.us += (1, 9, 24, 49)[act.n % 4] * HOUR_US
            case "ask-payment":
                self.corrections.request_of_payment(act.n, act.cents)
            case "ask-credit":
                self.corrections.request_of_credit(act.n, act.cents)
            case "repeat":
                at = (6 * act.n + act.m) % max(1, len(self.answered))
                return [intent for intent, _ in self.answered[::-1][at : at + 1]]
            case "correct":
                return self.corrections.approve(act.n + 1)
            case "close":
                return close_day(self.scene) if day_is_over(self.scene) else []
            case _ if not self.office.expired_cents() and act.n < 4:
                return []
            case "expire":
                return self.office.book_expiry()
            case to:
                cards = [act.n % CARDS] if act.flag else [*range(CARDS)]
                off = int(act.cents == 1)
                return self.office.decide_expired(cards, to, days=act.m - 1, off=off)
        return []

    @invariant()
    def holds(self) -> None:
        stored, model, world = self.scene.stored, self.scene.model, self.scene.world
        six.conservation(stored, model)
        six.companies(stored, model)
        six.components(stored, model, world.accounts)
        six.derived_is_kept(stored, world)
        six.no_overdraft(stored, world.accounts)
        six.holds_accounted(stored, model)


@pytest.mark.timeout(0 if EXAMPLES else 240)
def test_the_six_invariants_hold_whatever_happens(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Here(MoneyMachine):
        def __init__(self) -> None:
            super().__init__(database)

    monkeypatch.setattr(states, "_BETWEEN", 3)
    # Hypothesis follows each new example with copies in which one choice is repeated. Here new ones
    # find more: the same run has five times as many of them.
    monkeypatch.setattr(ConjectureRunner, "generate_mutations_from", lambda *_: None, raising=False)
    run_state_machine_as_test(
        Here,
        settings=settings(
            max_examples=int(EXAMPLES or 14),
            stateful_step_count=100 if EXAMPLES else 40,
            derandomize=not EXAMPLES,
            print_blob=bool(EXAMPLES),
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            report_multiple_bugs=False,
            # A failure is shown as it was found: making it small takes minutes.
            phases=list(Phase) if EXAMPLES else [Phase.generate],
        ),
    )
