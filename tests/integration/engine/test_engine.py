"""The group-commit engine over a real PostgreSQL: one answer per payment, whatever breaks."""

import signal
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest

from adapters.postgres.recorder import LOCK_CLASS, ShardRecorder
from application.group_commit import GroupCommit
from application.ports import Unavailable
from application.states import States
from application.work import ERROR, UNAVAILABLE, Done, Failed, Needs, Outcome
from domain.aggregates.account import AccountDebited, DebitReversed
from domain.aggregates.transaction import Authorized, Declined, Signed
from domain.ids import partition_of, transaction_id
from tests.integration.engine.world import SECRET_NAME, Database, World, until


def debits(world: World) -> int:
    """How many debits the log holds."""
    return sum(isinstance(event, AccountDebited) for event in world.events())


def test_an_approved_payment_is_stored_and_debits_the_account(world: World) -> None:
    answer = world.ask()
    assert (answer.approved, answer.code, answer.balance_cents) == (True, "00", None)
    assert world.account().balance_cents == 999_900


def test_only_a_card_that_proved_itself_and_consented_hears_its_balance(world: World) -> None:
    consent = {"consent_valid": True, "consent_card_id": world.cards[0]}
    assert world.ask(counter=1, **consent).balance_cents == 999_900
    assert world.ask(counter=2, stripe_genuine=False, **consent).balance_cents is None
    stranger = {"consent_valid": True, "consent_card_id": world.cards[1]}
    assert world.ask(counter=3, **stranger).balance_cents is None
    assert world.ask(counter=4, stripe_genuine=False, **stranger).balance_cents is None
    unsigned = {"consent_valid": False, "consent_card_id": world.cards[0]}
    assert world.ask(counter=5, **unsigned).balance_cents is None


def test_a_batch_over_more_than_is_kept_in_memory_sees_its_own_changes(world: World) -> None:
    world.engine.stop()
    world.states = States(world.log, keep=2, keep_transactions=2)
    world.engine = GroupCommit(world.log, world.states, world.clock, _answer)
    world.engine.start()
    answers = world.submit(*(world.payment(counter=n, card=n % 3) for n in range(60)))
    assert [answer.code for answer in answers] == ["00"] * 60
    assert [world.account(n).balance_cents for n in range(3)] == [998_000] * 3


def _answer(batch: list[Done]) -> None:
    for done, answer in batch:
        done(answer)


def test_payments_of_one_batch_see_each_other(world: World) -> None:
    works = [world.payment(counter=n, amount_cents=400_000) for n in range(1, 5)]
    answers = world.submit(*works)
    assert [answer.code for answer in answers] == ["55"] * 4  # over the PIN-free amount
    small = [world.payment(counter=n, amount_cents=2_000) for n in range(10, 15)]
    assert all(answer.approved for answer in world.submit(*small))
    assert world.account().balance_cents == 990_000


def test_the_same_message_twice_in_one_batch_debits_once(world: World) -> None:
    payment = world.payment()
    one, two = world.submit(payment, world.payment(ms=payment.ask.ms))
    assert one.transaction_id == two.transaction_id
    assert (one.duplicate, two.duplicate) == (False, True)
    assert debits(world) == 1


def test_the_same_message_after_a_restart_gets_its_first_answer(world: World) -> None:
    payment = world.payment()
    (first,) = world.submit(payment)
    world.restart()
    again = world.ask(ms=payment.ask.ms)
    assert (again.approved, again.duplicate, again.transaction_id) == (
        True,
        True,
        first.transaction_id,
    )
    assert debits(world) == 1


def test_an_old_message_gets_its_answer_though_its_clock_is_off_by_now(world: World) -> None:
    payment = world.payment()
    world.submit(payment)
    world.restart()
    late = world.clock.now_us() + 3_600_000_000
    world.engine._clock = _Fixed(late)
    (answer,) = world.submit(_at(world.payment(ms=payment.ask.ms), late))
    assert (answer.approved, answer.duplicate) == (True, True)
    (unknown,) = world.submit(_at(world.payment(counter=9), late))
    assert (unknown.code, unknown.reason) == ("12", "stale-clock")


def test_another_contract_under_the_same_name_is_refused_94(world: World) -> None:
    payment = world.payment()
    world.submit(payment)
    other = Signed(contract=b"{ }", contract_hash=b"i" * 32, signature="a..b")
    assert world.ask(ms=payment.ask.ms, signed=other).code == "94"
    assert debits(world) == 1


def test_a_reversal_gives_the_money_back_once_and_bars_a_repetition(world: World) -> None:
    payment = world.payment()
    world.submit(payment)
    ms = payment.ask.ms
    first, second = world.submit(world.reversal(counter=1, ms=ms), world.reversal(counter=1, ms=ms))
    assert (first.state, first.amount_cents) == ("reversed", 100)
    assert (second.state, second.amount_cents) == ("reversed", 0)
    assert world.account().balance_cents == 1_000_000
    assert world.ask(ms=ms).reason == "reversed-before"
    back = [event for event in world.events() if isinstance(event, DebitReversed)]
    assert len(back) == 1


def test_a_reversal_that_overtakes_its_authorization_makes_it_refused(world: World) -> None:
    ms = world.clock.now_us() // 1000
    (early,) = world.submit(world.reversal(counter=5, ms=ms))
    assert early.state == "nothing-to-reverse"
    answer = world.ask(counter=5, ms=ms)
    assert (answer.code, answer.reason) == ("05", "reversed-before")
    assert world.account().balance_cents == 1_000_000


UNKNOWN = b"nobody's" * 4


def test_a_forged_stripe_is_told_the_same_whether_its_number_exists(world: World) -> None:
    ms = world.clock.now_us() // 1000
    forged = {"stripe_genuine": False, "ms": ms}
    of_a_card = world.ask(counter=1, **forged)
    of_none = world.ask(counter=2, card_digest=UNKNOWN, **forged)
    for answer, counter in ((of_a_card, 1), (of_none, 2)):
        assert answer.reason == "card-check"
        home = partition_of(world.terminal)
        assert answer.transaction_id == transaction_id(world.terminal, counter, ms, home)
    (no,) = [each for each in world.events() if each.originator_id == of_a_card.transaction_id]
    assert isinstance(no, Declined)
    assert no.card_id == world.cards[0], "the card's history shows it"


def test_a_reversal_of_nothing_is_told_the_same_whether_the_card_exists(world: World) -> None:
    ms = world.clock.now_us() // 1000
    told: list[Any] = []
    for digest, counter in ((world.digests[1], 1), (UNKNOWN, 2)):
        for _ in range(2):  # the second time there is a note of the first
            (answer,) = world.submit(world.reversal(counter=counter, ms=ms, digest=digest))
            expected = transaction_id(world.terminal, counter, ms, partition_of(world.terminal))
            told.append((answer.state, answer.amount_cents, answer.transaction_id == expected))
        # Nor does a payment with that number say what the reversal found.
        told.append(
            world.ask(counter=counter, ms=ms, card_digest=digest, stripe_genuine=False).code
        )
        told.append(
            world.ask(counter=counter, ms=ms, card_digest=UNKNOWN, stripe_genuine=False).code
        )
    assert told[:4] == told[4:]
    assert told[0] == told[1] == ("nothing-to-reverse", 0, True)


def test_a_reversal_takes_back_only_the_payment_of_its_own_card(world: World) -> None:
    payment = world.payment(card=2)
    world.submit(payment)
    for card in (0, 1):
        (answer,) = world.submit(world.reversal(counter=1, ms=payment.ask.ms, card=card))
        assert answer.state == "nothing-to-reverse"
    same_home = world.reversal(counter=1, ms=payment.ask.ms, card_id=world.same_partition(2))
    (answer,) = world.submit(same_home)
    assert answer.state == "nothing-to-reverse"
    (answer,) = world.submit(world.reversal(counter=1, ms=payment.ask.ms, card=2))
    assert answer.state == "reversed"


def test_a_work_that_raises_gets_96_alone(world: World) -> None:
    @dataclass
    class Broken:
        deadline_us: int = 1 << 60

        def needs(self, states: States, needs: Needs, now_us: int) -> bool:
            return False

        def decide(self, states: States, now_us: int) -> Outcome:
            raise ZeroDivisionError

    answers = world.submit(world.payment(counter=1), Broken(), world.payment(counter=2))
    assert [getattr(answer, "code", "") for answer in answers] == ["00", "96", "00"]
    assert answers[1] == ERROR


def test_a_work_past_its_deadline_is_not_decided(world: World) -> None:
    assert world.failure(deadline_s=-1) == UNAVAILABLE
    assert debits(world) == 0


def test_a_commit_whose_answer_was_lost_is_found_and_answered(world: World) -> None:
    world.ask(counter=1)
    settle = world.log.recorder.settle

    def lose(wait_s: float) -> bool:
        while not settle(1.0):
            pass
        world.log.recorder.settle = settle  # type: ignore[method-assign]
        raise Unavailable("the answer was lost")

    world.log.recorder.settle = lose  # type: ignore[method-assign]
    answer = world.ask(counter=2)
    assert (answer.approved, answer.duplicate) == (True, False)
    assert debits(world) == 2


def test_the_writing_connection_is_killed_between_two_payments(world: World) -> None:
    world.ask(counter=1)
    world.database.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'"
        " AND classid = %s",
        LOCK_CLASS,
    )
    assert world.ask(counter=2).approved
    assert debits(world) == 2


def test_a_second_writer_stands_by(world: World) -> None:
    world.ask()
    second = ShardRecorder(world.store, world.database.dsn)
    with pytest.raises(Unavailable, match="another writer"):
        second.take()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT])
def test_the_database_goes_and_comes_back(world: World, number: int) -> None:
    world.ask(counter=1)
    world.database.stop(number)
    failed = world.failure(counter=2)
    assert failed.code == "91"
    world.database.start()
    until(lambda: isinstance(world.submit(world.payment(counter=3))[0], Failed) is False)
    world.restart()
    until(lambda: world.engine.available)
    assert debits(world) == 2


def test_rows_that_this_system_did_not_seal_stop_the_writer(world: World) -> None:
    world.ask(counter=1)
    world.database.execute(
        "INSERT INTO events SELECT shard, (SELECT max(position) + 1 FROM events),"
        " gen_random_uuid(), 1, topic, state FROM events LIMIT 1"
    )
    assert world.failure(counter=2).code == "91"
    until(lambda: world.engine.tampered)


def test_the_backend_may_not_change_or_remove_an_event(world: World, database: Database) -> None:
    world.ask()
    for statement in ("UPDATE events SET topic = 'x'", "DELETE FROM events", "TRUNCATE events"):
        with (
            psycopg.connect(database.dsn) as connection,
            pytest.raises(psycopg.errors.InsufficientPrivilege),
        ):
            connection.execute(statement.encode())


def test_a_dump_shows_no_name_and_no_amount(world: World) -> None:
    world.ask(amount_cents=2_345)
    dump = world.database.dump()
    authorized = [event for event in world.events() if isinstance(event, Authorized)]
    assert str(authorized[0].originator_id) in dump
    for secret in (
        *SECRET_NAME.split(),
        "23.45",
        "amount_cents",
        "508900",
        "America/Chicago",
        "Deli",
    ):
        assert secret not in dump
        assert secret.encode().hex() not in dump


class _Fixed:
    def __init__(self, now_us: int) -> None:
        self._now_us = now_us

    def now_us(self) -> int:
        return self._now_us


def _at(work: Any, now_us: int) -> Any:
    work.deadline_us = now_us + 5_000_000
    return work
