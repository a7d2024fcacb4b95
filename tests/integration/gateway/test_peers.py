"""A card talks to a terminal through the gateway; the backend sees nothing of it."""

import json
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from protocol.line import Line, encode
from tests.integration.gateway.world import Device, World, eventually, record, run

OFFER = "00112233aabbccdd"
JOINT = OFFER + "fedcba9876543210"


def call(terminal: UUID, offer: str = OFFER, body: bytes = b"{}") -> bytes:
    return encode(Line("C", "HELLO", str(terminal), offer, 0, body))


def answer(session: str = JOINT) -> bytes:
    return encode(Line("D", "HELLO", "peer", session, 0, b"{}"))


async def pair(world: World) -> tuple[Device, Device]:
    """A card and a terminal that have a session."""
    card, terminal = await world.bound("card"), await world.bound("pos")
    await join(card, terminal)
    return card, terminal


async def join(card: Device, terminal: Device, offer: str = OFFER) -> None:
    card.write(call(terminal.id, offer))
    message = await terminal.line()
    assert (message.verb, message.session, message.to) == ("HELLO", offer, str(terminal.id))
    session = offer + JOINT[16:]
    terminal.write(answer(session))
    message = await card.line()
    assert (message.verb, message.session, message.to) == ("HELLO", session, "peer")


async def about(device: Device) -> tuple[str, str]:
    """Code and session of the error that comes next."""
    message = await device.line()
    assert message.verb == "ERROR"
    body = json.loads(message.payload)
    return body["code"], body.get("session", "")


def test_lines_pass_both_ways_unchanged_and_never_reach_the_backend(home: Path) -> None:
    async def scenario() -> None:
        async with World(home) as world:
            card, terminal = await pair(world)
            seen = len(world.backend.lines)
            card.write(encode(Line("C", "PROVE", str(terminal.id), JOINT, 0, b"sealed")))
            assert (await terminal.line()).payload == b"sealed"
            card.write(record(b"order", verb="ORDER", to="peer", session=JOINT))
            assert (await terminal.line()).payload == b"order"
            terminal.write(record(b"contract", verb="CONTRACT", to="peer", session=JOINT))
            assert (await card.line()).payload == b"contract"
            assert len(world.backend.lines) == seen
            await card.echo()
            await terminal.echo()

    run(scenario())


def test_a_terminal_that_is_not_there_is_told_at_once(home: Path) -> None:
    async def scenario() -> None:
        async with World(home) as world:
            card = await world.bound("card")
            other_card = await world.bound("card")
            for nobody in (uuid4(), other_card.id):
                card.write(call(nobody))
                assert await about(card) == ("no-such-peer", OFFER)
            await card.echo()

    run(scenario())


@pytest.mark.parametrize("role", ["pos", "website", "operator"])
def test_only_cards_call_terminals(home: Path, role: str) -> None:
    async def scenario() -> None:
        async with World(home) as world:
            caller, terminal = await world.bound(role), await world.bound("pos")
            caller.write(call(terminal.id))
            assert await about(caller) == ("forbidden", OFFER)
            await terminal.echo()

    run(scenario())


def test_a_stranger_cannot_speak_in_a_session_of_others(home: Path) -> None:
    async def scenario() -> None:
        async with World(home) as world:
            card, terminal = await pair(world)
            thief = await world.bound("card")
            for to in ("peer", str(terminal.id)):
                thief.write(record(b"evil", to=to, session=JOINT))
                assert await about(thief) == ("no-such-peer", JOINT)
            thief.write(call(terminal.id, OFFER))  # the offer is used up, so this is a new call
            assert (await terminal.line()).session == OFFER
            terminal.write(answer(JOINT))  # a terminal that mixes up its sessions
            card.write(record(b"order", to="peer", session=JOINT))
            assert (await terminal.line()).payload == b"order"

    run(scenario())


def test_an_answer_to_no_call_goes_nowhere(home: Path) -> None:
    async def scenario() -> None:
        async with World(home) as world:
            terminal = await world.bound("pos")
            for session in (JOINT, OFFER):
                terminal.write(answer(session))
                assert await about(terminal) == ("no-such-peer", session)
            terminal.write(encode(Line("I", "ERROR", "peer", "-", 0, b"{}")))
            assert await about(terminal) == ("no-such-peer", "")
            await terminal.echo()

    run(scenario())


def test_a_terminal_can_refuse_a_call(home: Path) -> None:
    async def scenario() -> None:
        async with World(home) as world:
            card, terminal = await world.bound("card"), await world.bound("pos")
            card.write(call(terminal.id))
            await terminal.line()
            terminal.write(encode(Line("I", "ERROR", "peer", OFFER, 0, b'{"code":"busy"}')))
            assert await about(card) == ("busy", "")
            terminal.write(answer())
            assert await about(terminal) == ("no-such-peer", JOINT)

    run(scenario())


def test_each_end_hears_that_the_other_is_gone(home: Path) -> None:
    async def scenario() -> None:
        async with World(home) as world:
            card, terminal = await pair(world)
            card.vanish()
            assert await about(terminal) == ("no-such-peer", JOINT)
            terminal.write(record(to="peer", session=JOINT))
            assert await about(terminal) == ("no-such-peer", JOINT)
            second = await world.bound("card")
            await join(second, terminal)
            terminal.vanish()
            assert await about(second) == ("no-such-peer", JOINT)
            await second.echo()

    run(scenario())


def test_a_call_that_nobody_answers_expires(home: Path) -> None:
    async def scenario() -> None:
        async with World(home, offer_timeout_s=1) as world:
            card, terminal = await world.bound("card"), await world.bound("pos")
            card.write(call(terminal.id))
            await terminal.line()
            assert await about(card) == ("no-such-peer", OFFER)
            terminal.write(answer())
            assert await about(terminal) == ("no-such-peer", JOINT)

    run(scenario())


def test_the_newest_connection_of_a_terminal_gets_the_calls(home: Path) -> None:
    async def scenario() -> None:
        async with World(home) as world:
            old = await world.bound("pos")
            new = await world.bound("pos", old.id)
            card = await world.bound("card")
            await join(card, new)
            new.vanish()
            assert await about(card) == ("no-such-peer", JOINT)
            await join(card, old, "a" * 16)

    run(scenario())


def test_a_card_holds_few_sessions_and_loses_the_oldest(home: Path) -> None:
    async def scenario() -> None:
        async with World(home, max_peers_of_caller=2) as world:
            card, terminal = await world.bound("card"), await world.bound("pos")
            for n in range(3):
                if n == 2:
                    card.write(call(terminal.id, f"{n:016x}"))
                    assert await about(terminal) == ("no-such-peer", f"{0:016x}{JOINT[16:]}")
                    assert (await terminal.line()).verb == "HELLO"
                else:
                    await join(card, terminal, f"{n:016x}")

    run(scenario())


def test_a_terminal_holds_a_bounded_number_of_sessions(home: Path) -> None:
    async def scenario() -> None:
        async with World(home, max_peers_of_terminal=2) as world:
            terminal = await world.bound("pos")
            cards = [await world.bound("card") for _ in range(3)]
            for n, card in enumerate(cards[:2]):
                await join(card, terminal, f"{n:016x}")
            cards[2].write(call(terminal.id, "b" * 16))
            assert await about(cards[2]) == ("busy", "b" * 16)
            cards[0].close()
            assert (await about(terminal))[0] == "no-such-peer"
            await join(cards[2], terminal, "c" * 16)

    run(scenario())


def test_calls_are_rate_limited(home: Path) -> None:
    async def scenario() -> None:
        async with World(home, handshake_lines_per_s=1) as world:
            card, terminal = await world.bound("card"), await world.bound("pos")
            await join(card, terminal)
            card.write(call(terminal.id, "d" * 16))
            assert await about(card) == ("rate-limited", "d" * 16)
            await terminal.echo()

    run(scenario())


def test_a_card_cannot_get_a_slow_terminal_dropped(home: Path) -> None:
    async def scenario() -> None:
        limits: dict[str, Any] = {"write_high_water_bytes": 65_536, "write_limit_bytes": 1 << 20}
        async with World(home, peer_tokens_per_s=100_000, **limits) as world:
            card, terminal = await pair(world)
            terminal.stop_reading()
            flood = record(b"x" * 40_000, to="peer", session=JOINT)
            while not world.refused.get("busy"):
                card.write(flood)
                await card.drain()
            assert await about(card) == ("busy", JOINT)
            assert "slow-reader" not in world.refused

    run(scenario())


def test_a_flood_to_a_terminal_ends_the_card(home: Path) -> None:
    async def scenario() -> None:
        async with World(home, peer_tokens_per_s=10) as world:
            card, terminal = await pair(world)
            for _ in range(30):
                card.write(record(to="peer", session=JOINT))
            await card.ended()
            assert world.refused == {"rate-limited": 1}
            await eventually(lambda: world.backend.closed == [1])
            while (message := await terminal.line()).verb != "ERROR":
                pass
            assert json.loads(message.payload)["session"] == JOINT
            await terminal.echo()

    run(scenario())
