"""Reversals get through as soon as they can, and none stands in another's way."""

from devices.exchange import Refused
from devices.identity import load_device
from devices.link import Backoff
from devices.pos.core import Pos
from tests.unit.devices.authority import TRACK2, Authority
from tests.unit.devices.conftest import Run
from tests.unit.devices.fake_backend import FakeBackend


def test_one_that_is_refused_for_itself_does_not_hold_up_the_next(
    authority: Authority, run: Run
) -> None:
    async def scenario() -> None:
        async with FakeBackend(authority), Pos(load_device(authority.device("pos"))) as pos:
            await pos.connected(5)
            one_reversal = pos.reversals._reverse
            poison = 0

            async def refuse_the_first(pending):  # type: ignore[no-untyped-def]
                if pending.counter == poison:
                    raise Refused("bad-body")
                return await one_reversal(pending)

            pos.reversals._reverse = refuse_the_first  # type: ignore[method-assign]
            first = await pos.sale(100, TRACK2)
            assert first.approved
            poison = first.counter + 1
            dropped = [await pos.sale(100, TRACK2, drop_answer=True) for _ in range(2)]
            assert dropped[0].counter == poison
            state = await pos.reversals.acknowledged(dropped[1].counter, 5)
            assert state == "reversed"
            assert [pending.counter for pending in pos.reversals.waiting()] == [poison]

    run(scenario())


def test_they_do_not_wait_once_the_backend_answers_again(authority: Authority, run: Run) -> None:
    async def scenario() -> None:
        async with (
            FakeBackend(authority) as backend,
            Pos(load_device(authority.device("pos"))) as pos,
        ):
            pos.reversals._backoff = Backoff(first_s=60.0, most_s=60.0)
            pos.reversals.patience_s = 0.2
            await pos.connected(5)
            backend.deaf_to_reversals = 1
            outcome = await pos.sale(100, TRACK2, drop_answer=True)
            assert await pos.reversals.acknowledged(outcome.counter, 0.5) == "pending"
            assert (await pos.sale(100, TRACK2)).approved
            assert await pos.reversals.finished(5)

    run(scenario())
