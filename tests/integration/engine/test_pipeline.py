"""A batch is decided while the one before it is being stored: whatever happens to that one."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any
from uuid import UUID

import psycopg
import pytest

from adapters.postgres.recorder import LOCK_CLASS
from application.background import SHARE
from application.group_commit import GroupCommit
from application.ports import Conflict, Unavailable
from application.states import States
from application.work import ERROR, IN_DOUBT, UNAVAILABLE, Needs, Outcome, Work
from domain.aggregates.account import Account, AccountDebited
from domain.event import Event
from tests.integration.engine.world import World, until

_WRITER = (
    "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND classid = %s"
)


class Answers:
    """What the engine answered, by order of submission."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.given: dict[int, Any] = {}
        self._number = 0

    def submit(self, work: Work) -> None:
        number, self._number = self._number, self._number + 1
        assert self._world.engine.submit(work, lambda answer: self._give(number, answer))

    def _give(self, number: int, answer: Any) -> None:
        assert number not in self.given, "answered once"
        self.given[number] = answer

    def all(self) -> list[Any]:
        until(lambda: len(self.given) == self._number)
        return [self.given[number] for number in range(self._number)]


class Spy:
    """A work that stores nothing: `seen` is what `look` found when it was its turn."""

    deadline_us = 1 << 62

    def __init__(self, look: Any) -> None:
        self._look = look
        self.turn, self.saw = threading.Event(), threading.Event()
        self.seen: Any = None

    def needs(self, states: States, needs: Needs, now_us: int) -> bool:
        return False

    def decide(self, states: States, now_us: int) -> Outcome:
        self.turn.set()
        self.seen = self._look(states)
        self.saw.set()
        return Outcome("seen")


@contextmanager
def slow_commit(world: World) -> Iterator[None]:
    """Until the block ends nothing is stored: somebody may or may not take the next position."""
    with psycopg.connect(world.database.dsn) as other:
        other.execute(
            "INSERT INTO events SELECT shard, (SELECT max(position) + 1 FROM events),"
            " gen_random_uuid(), 1, topic, state FROM events LIMIT 1"
        )
        yield
        other.rollback()


def balance(world: World) -> Any:
    """A look at the first account as the writer knows it."""
    return lambda states: states.get(world.accounts[0], Account).balance_cents


def debits(world: World) -> list[UUID]:
    return [event.transaction_id for event in world.events() if isinstance(event, AccountDebited)]


@pytest.fixture
def answers(world: World) -> Answers:
    """With all that the payments need in memory already."""
    assert world.ask(counter=1_000).approved
    return Answers(world)


def in_flight(world: World, answers: Answers, *counters: int) -> None:
    """Payments that are on their way to the log, with the next batch decided behind them."""
    for counter in counters:
        answers.submit(world.payment(counter=counter))
        until(lambda: world.engine._flight is not None)


def test_the_next_is_decided_but_not_answered_before_it_is_stored(
    world: World, answers: Answers, caplog: pytest.LogCaptureFixture
) -> None:
    look = Spy(balance(world))
    with slow_commit(world):
        in_flight(world, answers, 1)
        answers.submit(world.payment(counter=2))
        answers.submit(look)
        assert look.turn.wait(5), "decided beside the commit"
        assert look.seen == 1_000_000 - 300
        assert answers.given == {}
    one, two, _ = answers.all()
    assert one.approved
    assert two.approved
    assert world.account().balance_cents == 1_000_000 - 300
    assert len(set(debits(world))) == 3
    assert not caplog.messages, "both at the first attempt"


def test_what_is_late_by_then_is_not_decided_anew(world: World, answers: Answers) -> None:
    with slow_commit(world):
        in_flight(world, answers, 1)
        answers.submit(world.payment(counter=2, deadline_s=0.3))
        until(lambda: len(world.engine._ready.queued) == 1)
        time.sleep(0.4)
        world.database.execute(_WRITER, LOCK_CLASS)
    one, two = answers.all()
    assert one.approved
    assert two == UNAVAILABLE
    assert len(debits(world)) == 2


def test_what_is_only_read_waits_for_what_it_rests_on(world: World, answers: Answers) -> None:
    with slow_commit(world):
        payment = world.payment(counter=1)
        answers.submit(payment)
        until(lambda: world.engine._flight is not None)
        answers.submit(world.payment(counter=1, ms=payment.ask.ms))
        until(lambda: len(world.engine._ready.queued) == 1)
        assert answers.given == {}
    first, again = answers.all()
    assert (first.approved, first.duplicate) == (True, False)
    assert (again.approved, again.duplicate) == (True, True)
    assert len(debits(world)) == 2


def test_both_are_decided_anew_where_the_first_is_not_stored(
    world: World, answers: Answers
) -> None:
    with slow_commit(world):
        in_flight(world, answers, 1)
        answers.submit(world.payment(counter=2))
        until(lambda: len(world.engine._ready.queued) == 1)
        world.database.execute(_WRITER, LOCK_CLASS)
    one, two = answers.all()
    assert one.approved
    assert two.approved
    assert len(set(debits(world))) == len(debits(world)) == 3
    assert world.account().balance_cents == 1_000_000 - 300


def test_only_the_next_is_decided_anew_where_the_first_is_stored_after_all(
    world: World, answers: Answers
) -> None:
    settle = world.log.recorder.settle
    spies = [Spy(balance(world)) for _ in range(2)]

    def lose(wait_s: float) -> bool:
        if not spies[1].turn.is_set() or not settle(wait_s):
            return False
        world.log.recorder.settle = settle  # type: ignore[method-assign]
        raise Unavailable("the answer was lost")

    world.log.recorder.settle = lose  # type: ignore[method-assign]
    in_flight(world, answers, 1)
    answers.submit(world.payment(counter=2))
    answers.submit(spies[1])
    one, two, _ = answers.all()
    assert (one.approved, one.duplicate) == (True, False)
    assert (two.approved, two.duplicate) == (True, False)
    assert len(set(debits(world))) == len(debits(world)) == 3
    assert spies[1].seen == 1_000_000 - 300


def test_a_fault_of_the_next_harms_neither_the_first_nor_its_neighbours(
    world: World, answers: Answers, caplog: pytest.LogCaptureFixture
) -> None:
    with slow_commit(world):
        in_flight(world, answers, 1)
        answers.submit(world.payment(counter=2))
        answers.submit(world.payment(counter=3, masked_pan="\ud800"))  # cannot be sealed
        answers.submit(world.payment(counter=4))
        until(lambda: not world.engine._queue)
    found = answers.all()
    assert [answer.code for answer in found] == ["00", "00", "96", "00"]
    assert found[2] == ERROR
    assert [text for text in caplog.messages if text.startswith("commit of")] == []
    assert len(set(debits(world))) == len(debits(world)) == 4


def test_who_reads_the_log_meanwhile_reads_what_was_decided_before(
    world: World, answers: Answers
) -> None:
    payment = world.payment(counter=1)

    def read(states: States) -> list[Event]:
        assert payment._id is not None
        return world.log.load([payment._id]).get(payment._id, [])

    look = Spy(read)
    with slow_commit(world):
        answers.submit(payment)
        until(lambda: world.engine._flight is not None)
        answers.submit(look)
        assert look.turn.wait(5)
        assert not look.saw.wait(0.1), "it waits"
    answers.all()
    assert [event.originator_id for event in look.seen] == [payment._id]


def test_what_was_stored_before_a_reading_failed_is_not_decided_anew(
    world: World, answers: Answers
) -> None:
    reader = world.log.recorder._reader
    assert reader is not None
    look = Spy(lambda states: world.log.load(world.accounts))
    with slow_commit(world):
        in_flight(world, answers, 1)
        answers.submit(look)
        assert look.turn.wait(5), "it waits for the commit, and then reads"
        world.database.execute("SELECT pg_terminate_backend(%s)", reader.info.backend_pid)
    one, seen = answers.all()
    assert (one.approved, one.duplicate) == (True, False)
    assert seen == "seen"
    assert len(debits(world)) == 2


def test_what_is_in_doubt_is_not_decided_anew_while_nobody_knows(
    world: World, answers: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At its second attempt, and the shard is taken only at the second try, which takes long."""
    recorder = world.log.recorder
    send, settle, take = recorder.send, recorder.settle, recorder.take

    def refuse(encoded: Any, claims: Any) -> None:
        monkeypatch.setattr(recorder, "send", send)
        monkeypatch.setattr(recorder, "settle", lose)
        raise Conflict("at the first attempt")

    def lose(wait_s: float) -> bool:
        while not settle(1.0):
            pass
        monkeypatch.setattr(recorder, "settle", settle)
        monkeypatch.setattr(recorder, "take", wait_in_vain)
        raise Unavailable("the answer was lost")

    def wait_in_vain() -> int:
        monkeypatch.setattr(recorder, "take", take)
        time.sleep(0.3)
        raise Unavailable("another writer holds the shard")

    monkeypatch.setattr(recorder, "send", refuse)
    payment = world.payment(counter=1)
    answers.submit(payment)
    assert answers.all() == [IN_DOUBT]
    again = world.ask(counter=1, ms=payment.ask.ms)
    assert (again.approved, again.duplicate) == (True, True)
    assert len(debits(world)) == 2


def test_a_writer_that_is_stopped_stores_and_answers_what_it_decided(
    world: World, answers: Answers
) -> None:
    with slow_commit(world):
        in_flight(world, answers, 1)
        answers.submit(world.payment(counter=2))
        until(lambda: len(world.engine._ready.queued) == 1)
        stopping = threading.Thread(target=world.engine.stop)
        stopping.start()
    one, two = answers.all()
    stopping.join(10)
    assert one.approved
    assert two.approved
    assert not world.engine._thread.is_alive()
    assert len(debits(world)) == 3


def test_what_may_wait_rests_after_each_though_the_last_is_still_being_stored(
    world: World, answers: Answers
) -> None:
    begun: list[float] = []

    def work(states: States) -> None:
        begun.append(time.monotonic())
        time.sleep(0.02)

    for _ in range(4):
        assert world.engine.submit_later(Spy(work), lambda answer: None)
    until(lambda: len(begun) == 4)
    rests = [after - before for before, after in pairwise(begun)]
    assert min(rests) >= 0.02 / SHARE


def test_more_than_is_kept_in_memory_sees_its_own_changes(world: World) -> None:
    """Of batch after batch, each decided while the one before is stored."""
    world.engine.stop()
    world.states = States(world.log, keep=2, keep_transactions=2)
    world.engine = GroupCommit(world.log, world.states, world.clock, _answer, batch_most=4)
    world.engine.start()
    works = [world.payment(counter=n, card=n % 3) for n in range(60)]
    again = [world.payment(counter=n, card=n % 3, ms=works[n].ask.ms) for n in range(60)]
    answers = world.submit(*(each for pair in zip(works, again, strict=True) for each in pair))
    assert [answer.code for answer in answers] == ["00"] * 120
    assert [answer.duplicate for answer in answers] == [False, True] * 60
    assert [world.account(n).balance_cents for n in range(3)] == [998_000] * 3


def _answer(batch: list[Any]) -> None:
    for done, answer in batch:
        done(answer)
