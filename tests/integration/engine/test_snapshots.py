"""Kept states of accounts: what they save, and that nothing but time depends on them."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import pytest

from adapters.postgres.snapshots import Snapshots, code_hash
from application.ports import Unavailable
from application.states import SNAPSHOT_EVERY, States
from domain.aggregates.account import Account
from tests.integration.engine.world import World

SOME = SNAPSHOT_EVERY + 6


def pay(world: World, card: int, payments: int, first: int = 1) -> None:
    """So many payments with one card, in a few batches."""
    works = [world.payment(counter=first + n, card=card) for n in range(payments)]
    assert {answer.code for answer in world.submit(*works)} == {"00"}


def loaded(world: World, card: int = 0) -> tuple[Account, int]:
    """The account as a backend that just started has it, and how many events that took."""
    read: list[int] = []

    class Counted(Snapshots):
        def load(self, ids: Sequence[UUID]) -> dict[UUID, tuple[Any, list[Any]]]:
            found = super().load(ids)
            read.extend(len(events) for _, events in found.values())
            return found

    counted = Counted(world.log, world.keys, world.database.dsn)
    account = States(world.log, snapshots=counted).get(world.accounts[card], Account)
    assert account is not None
    return account, sum(read)


def rows(world: World) -> Mapping[UUID, tuple[int, bytes]]:
    """Version and payload of what is stored."""
    found = world.database.execute("SELECT originator_id, version, payload FROM snapshots")
    return {id: (version, bytes(payload)) for id, version, payload in found}


def test_a_long_stream_is_read_from_its_last_snapshot_on(world: World) -> None:
    pay(world, 0, SOME)
    assert world.snapshots.write() == 1
    assert rows(world)[world.accounts[0]][0] == SNAPSHOT_EVERY
    account, events = loaded(world)
    assert account == world.account()
    assert (account.balance_cents, events) == (
        1_000_000 - 100 * SOME,
        account.version - SNAPSHOT_EVERY,
    )


def test_a_newer_snapshot_replaces_the_older_one_and_never_the_other_way(world: World) -> None:
    pay(world, 0, SOME)
    world.snapshots.write()
    older = world.account()
    pay(world, 0, SNAPSHOT_EVERY, first=1_000)
    world.snapshots.write()
    assert rows(world)[older.id][0] == 2 * SNAPSHOT_EVERY
    world.snapshots.keep([older])
    world.snapshots.write()
    assert rows(world)[older.id][0] == 2 * SNAPSHOT_EVERY


def test_what_was_read_at_length_is_kept_for_the_next_time(world: World) -> None:
    pay(world, 0, SOME)
    world.restart()  # before anything was written
    world.database.execute("TRUNCATE snapshots")
    pay(world, 0, 1, first=5_000)
    world.snapshots.write()
    version, _ = rows(world)[world.accounts[0]]
    assert version == SOME + 2  # opened, credited
    assert loaded(world) == (world.account(), 1)


def test_short_streams_have_none(world: World) -> None:
    pay(world, 1, 5)
    assert world.snapshots.write() == 0


def test_what_other_code_made_is_not_used_and_made_anew(world: World) -> None:
    pay(world, 0, SOME)
    world.snapshots.write()
    world.database.execute("UPDATE snapshots SET made_by = %s", b"other code")
    assert loaded(world) == (world.account(), SOME + 2)
    world.snapshots.keep([world.account()])
    world.snapshots.write()
    (made_by,) = world.database.execute("SELECT made_by FROM snapshots")[0]
    assert bytes(made_by) == code_hash()


@pytest.mark.parametrize(
    "harm",
    [
        "UPDATE snapshots SET payload = set_byte(payload, 40, get_byte(payload, 40) # 1)",
        "UPDATE snapshots SET payload = 'x'",
        "UPDATE snapshots SET version = version - 1",
        "UPDATE snapshots SET version = 100000",
        "UPDATE snapshots AS s SET payload = o.payload FROM snapshots AS o"
        " WHERE o.originator_id <> s.originator_id",
        "UPDATE snapshots SET originator_id = gen_random_uuid()",
    ],
)
def test_one_that_was_changed_moved_or_swapped_is_passed_over(world: World, harm: str) -> None:
    pay(world, 0, SOME)
    pay(world, 1, SOME, first=2_000)
    world.snapshots.write()
    world.database.execute(harm)
    for card in (0, 1):
        assert loaded(world, card) == (world.account(card), SOME + 2)


def test_an_older_one_put_back_costs_only_its_time(world: World) -> None:
    pay(world, 0, SOME)
    world.snapshots.write()
    world.database.execute("CREATE TABLE kept AS SELECT * FROM snapshots")
    pay(world, 0, SNAPSHOT_EVERY, first=1_000)
    world.snapshots.write()
    world.database.execute("DELETE FROM snapshots; INSERT INTO snapshots SELECT * FROM kept")
    assert loaded(world) == (world.account(), world.account().version - SNAPSHOT_EVERY)


def test_nothing_is_kept_of_what_was_not_stored(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    pay(world, 0, SNAPSHOT_EVERY - 3)  # the next one's event is the one that is due

    def lost(encoded: Any, claims: Any) -> None:
        raise Unavailable("the ledger database")

    with monkeypatch.context() as patch:
        patch.setattr(world.log.recorder, "send", lost)
        assert world.failure(counter=9_000).code == "91"
    assert world.snapshots.write() == 0
    pay(world, 0, 1, first=9_001)
    assert world.snapshots.write() == 1
    assert loaded(world)[0] == world.account()


def test_payments_go_on_where_none_can_be_written(world: World) -> None:
    world.database.execute("REVOKE INSERT, UPDATE ON snapshots FROM ledger_backend")
    pay(world, 0, SOME)
    assert world.snapshots.write() == 0
    world.database.execute("GRANT INSERT, UPDATE ON snapshots TO ledger_backend")
    pay(world, 0, SNAPSHOT_EVERY, first=1_000)
    assert world.snapshots.write() == 1


def test_a_dump_shows_no_state(world: World) -> None:
    pay(world, 0, SOME)
    world.snapshots.write()
    _, payload = rows(world)[world.accounts[0]]
    account = world.account()
    for clear in (account.company_id.bytes, account.cardholder_id.bytes, b"balance", b"Chicago"):
        assert clear not in payload
