"""What a line must be, what happens to one that is not, and how long anything may take."""

import asyncio
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from protocol.line import MAX_LINE
from tests.integration.gateway.world import SESSION, World, eventually, hello, record, run

GOOD = record()
TOO_LONG = "line-too-long"

# What a device sends, and the code it hears.
CORPUS: list[tuple[bytes, str]] = [
    (b"\n", "malformed"),
    (b"\r\n", "malformed"),
    (b"hello\n", "malformed"),
    (b"TR1\n", "malformed"),
    (b"TR1 I STATUS backend\n", "malformed"),
    (b"TR2" + GOOD[3:], "malformed"),
    (b" " + GOOD, "malformed"),
    (GOOD.replace(b"TR1 I", b"TR1 X"), "malformed"),
    (GOOD.replace(b"TR1 I ", b"TR1  I "), "malformed"),
    (GOOD.replace(b"STATUS", b"status"), "malformed"),
    (GOOD.replace(b"STATUS", b"S"), "malformed"),
    (GOOD.replace(b"STATUS", b"S" * 17), "malformed"),
    (GOOD.replace(b"backend", b"BACKEND"), "malformed"),
    (GOOD.replace(b"backend", b"gateway"), "malformed"),
    (GOOD.replace(b"backend", b"0 @BIND x pos"), "malformed"),
    (GOOD.replace(b"backend", b"01890000-0000-8000-8000-00000000000G"), "malformed"),
    (GOOD.replace(SESSION.encode(), b"0" * 31), "malformed"),
    (GOOD.replace(SESSION.encode(), b"F" * 32), "malformed"),
    (GOOD.replace(b" 0 ", b" -1 "), "malformed"),
    (GOOD.replace(b" 0 ", b" 01 "), "malformed"),
    (GOOD.replace(b" 0 ", b" 99999999 "), "malformed"),
    (GOOD.replace(b" 0 ", b" 0x1 "), "malformed"),
    (GOOD[: GOOD.rindex(b" ")] + b" \n", "malformed"),
    (GOOD.replace(b"TR1 I", b"TR1 D").replace(SESSION.encode(), b"-"), "malformed"),
    (GOOD[:-1] + "é\n".encode(), "malformed"),
    (GOOD[:-1] + b"\xff\n", "not-utf8"),
    (b"\xc3\x28\n", "not-utf8"),
    (b"\x00" * 40 + b"\n", "malformed"),
    (b"1 @DROP busy\n", "malformed"),
    (b"0 @PONG\n", "malformed"),
    (b"TR1 I STATUS backend - 0 e30\r\n", "malformed"),
    (b"TR1 I STATUS backend - 0 e30=\n", "malformed"),
    (b"TR1 I STATUS backend - 0 e30 e30\n", "malformed"),
]


@pytest.mark.parametrize(("line", "code"), CORPUS)
def test_a_bad_line_is_answered_and_harms_nobody(home: Path, line: bytes, code: str) -> None:
    async def scenario() -> None:
        async with World(home) as world:
            device, other = await world.bound(), await world.bound("card")
            seen = len(world.backend.lines)
            device.write(line)
            assert await device.error() == code
            assert len(world.backend.lines) == seen
            await device.echo()
            await other.echo()

    run(scenario())


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(chunks=st.lists(st.binary(min_size=1, max_size=400), min_size=1, max_size=8))
def test_garbage_never_passes_and_never_touches_another_session(
    home: Path, chunks: list[bytes]
) -> None:
    async def scenario() -> None:
        async with World(home) as world:
            device, other = await world.bound(), await world.bound("card")
            seen = len(world.backend.lines)
            for chunk in chunks:
                device.write(chunk)
                await other.echo()
            device.write(b"\n")
            assert await device.error() in {"malformed", "not-utf8"}
            assert [conn for conn, _ in world.backend.lines[seen:]] == [2] * len(chunks)
            await other.echo()

    run(scenario())


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_a_damaged_header_never_reaches_another_connection(home: Path, data: st.DataObject) -> None:
    """One byte of a good line changed: the backend sees it under its own connection, or not."""
    at = data.draw(st.integers(0, len(GOOD) - 2))
    damaged = GOOD[:at] + data.draw(st.binary(min_size=0, max_size=3)) + GOOD[at + 1 :]

    async def scenario() -> None:
        async with World(home) as world:
            device, other = await world.bound(), await world.bound("card")
            seen = len(world.backend.lines)
            world.backend.answers = False
            device.write(damaged)
            device.write(GOOD)
            await eventually(lambda: (1, GOOD[:-1]) in world.backend.lines[seen:])
            assert {conn for conn, _ in world.backend.lines[seen:]} == {1}
            world.backend.answers = True
            await other.echo()

    run(scenario())


def test_verbs_that_only_the_backend_knows_pass(home: Path) -> None:
    async def scenario() -> None:
        async with World(home) as world:
            device = await world.bound()
            device.write(record(verb="X-FUTURE-VERB"))
            assert (await device.line()).verb == "STATUS"

    run(scenario())


def test_only_the_handshake_passes_before_the_backend_binds(home: Path) -> None:
    async def scenario() -> None:
        async with World(home) as world:
            device = await world.connect()
            for line in (GOOD, record(to="peer"), record(to=str(device.id))):
                device.write(line)
                assert await device.error() == "not-bound"
            assert world.backend.lines == []
            await device.bind("pos")
            await device.echo()

    run(scenario())


def test_a_line_may_have_65536_bytes_and_not_one_more(home: Path) -> None:
    head = GOOD[: GOOD.rindex(b" ") + 1]
    longest = head + b"A" * (MAX_LINE - len(head) - 1) + b"\n"

    async def scenario() -> None:
        async with World(home) as world:
            device, other = await world.bound(), await world.bound("card")
            world.backend.answers = False
            device.write(longest)
            await eventually(lambda: world.backend.lines[-1] == (1, longest[:-1]))
            device.write(b"TR1 " + longest)
            assert await device.error() == TOO_LONG
            await device.ended()
            world.backend.answers = True
            await other.echo()

    run(scenario())


@pytest.mark.parametrize("chunk", [1 << 12, 1 << 16])
def test_a_line_without_an_end_is_cut_off(home: Path, chunk: int) -> None:
    async def scenario() -> None:
        async with World(home) as world:
            device = await world.bound()
            for _ in range((MAX_LINE >> 12) + 1):
                device.write(b"A" * chunk)
            assert await device.error() == TOO_LONG
            await device.ended()

    run(scenario())


def test_lines_may_come_in_any_pieces(home: Path) -> None:
    async def scenario() -> None:
        async with World(home) as world:
            device = await world.bound()
            stream = b"".join(record(b'{"n":%d}' % n) for n in range(40))
            at = 0
            for size in (1, 2, 3, 500, 1, 700, 5, len(stream)):
                device.write(stream[at : at + size])
                await device.drain()
                await asyncio.sleep(0.005)
                at += size
            for n in range(40):
                assert (await device.line()).payload == b'{"n":%d}' % n

    run(scenario())


def test_a_half_line_is_not_waited_for_for_ever(home: Path) -> None:
    """Slow loris: a byte now and then does not help."""

    async def scenario() -> None:
        async with World(home, line_timeout_s=1) as world:
            device, other = await world.bound(), await world.bound("card")
            for byte in GOOD[:-1]:
                device.write(bytes([byte]))
                await asyncio.sleep(0.05)
                if world.refused.get("timed-out"):
                    break
            assert await device.error() == "timed-out"
            await device.ended()
            await other.echo()

    run(scenario())


def test_who_does_not_authenticate_in_time_has_to_go(home: Path) -> None:
    async def scenario() -> None:
        async with World(home, bind_timeout_s=1) as world:
            other = await world.bound("card")
            device = await world.connect()
            device.write(b"TR1 I STATUS backend - 0 e30\n")
            assert (await device.line()).verb == "STATUS"
            assert await device.error() == "timed-out"
            await device.ended()
            await other.echo()

    run(scenario())


def test_a_keep_alive_is_answered_here_and_keeps_the_connection(home: Path) -> None:
    async def scenario() -> None:
        async with World(home, idle_timeout_s=2) as world:
            idle, alive = await world.bound(), await world.bound()
            seen = len(world.backend.lines)
            for _ in range(8):
                alive.write(b"TR1 I STATUS backend - 0 e30\n")
                answer = await alive.line()
                assert answer.session == "-"
                assert json.loads(answer.payload) == {"link": "up"}
                await asyncio.sleep(0.5)
            assert len(world.backend.lines) == seen
            assert await idle.error() == "timed-out"
            await alive.echo()

    run(scenario())


def test_too_many_bad_lines_end_the_connection(home: Path) -> None:
    async def scenario() -> None:
        async with World(home, max_bad_lines=5) as world:
            device, other = await world.bound(), await world.bound("card")
            device.write(b"garbage\n" * 100)
            codes = [await device.error() for _ in range(5)]
            assert codes == ["malformed"] * 5
            assert await device.ended() == b""
            await eventually(lambda: world.backend.closed == [1])
            await other.echo()

    run(scenario())


def test_a_second_handshake_on_a_connection_passes(home: Path) -> None:
    """After 2^20 records or 24 hours a session is over; the connection need not be."""

    async def scenario() -> None:
        async with World(home) as world:
            device = await world.bound()
            device.write(hello(device.id, "pos"))
            await device.line()
            await device.echo()

    run(scenario())
