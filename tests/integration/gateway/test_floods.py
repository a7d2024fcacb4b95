"""Devices that send too much or read too little harm themselves only."""

import asyncio
from pathlib import Path
from typing import Any

from tests.integration.gateway.world import World, eventually, hello, record, run


def test_a_flood_of_lines_ends_its_own_connection(home: Path) -> None:
    async def scenario() -> None:
        async with World(home, tokens_per_s_per_connection=20) as world:
            device, other = await world.bound(), await world.bound("card")
            device.write(record() * 200)
            await device.ended()
            passed = sum(conn == 1 for conn, _ in world.backend.lines)
            assert 40 <= passed <= 45
            assert world.refused == {"rate-limited": 1}
            await eventually(lambda: world.backend.closed == [1])
            await other.echo()

    run(scenario())


def test_a_long_line_counts_as_many(home: Path) -> None:
    async def scenario() -> None:
        async with World(home, tokens_per_s_per_connection=20) as world:
            device = await world.bound()
            for _ in range(5):
                device.write(record(b"x" * 40_000))
            await device.ended()
            assert world.refused == {"rate-limited": 1}

    run(scenario())


def test_one_device_does_not_multiply_by_connecting_twice(home: Path) -> None:
    async def scenario() -> None:
        async with World(home, tokens_per_s_per_device=20) as world:
            first = await world.bound()
            second = await world.bound(device=first.id)
            first.write(record() * 30)
            for _ in range(30):
                await first.line()
            second.write(record() * 30)
            await second.ended()
            assert world.refused == {"rate-limited": 1}
            await (await world.bound()).echo()

    run(scenario())


def test_a_flood_of_handshakes_ends_its_own_connection(home: Path) -> None:
    async def scenario() -> None:
        async with World(home, handshake_lines_per_s=3) as world:
            device, other = await world.connect(), await world.bound("card")
            device.write(hello(device.id, "pos") * 20)
            await device.ended()
            assert world.refused == {"rate-limited": 1}
            await other.echo()

    run(scenario())


def test_one_who_does_not_read_is_dropped(home: Path) -> None:
    """The backend answers with more than the device ever takes."""

    async def scenario() -> None:
        limits: dict[str, Any] = {"write_high_water_bytes": 65_536, "write_limit_bytes": 1 << 20}
        async with World(home, **limits) as world:
            device, other = await world.bound(), await world.bound("card")
            device.stop_reading()
            server = world.backend.server
            assert server is not None
            for _ in range(400):
                server.send(1, record(b"x" * 40_000, to="peer"))
                await asyncio.sleep(0)
            await eventually(lambda: world.refused == {"slow-reader": 1})
            await eventually(lambda: world.backend.closed == [1])
            await other.echo()

    run(scenario())


def test_one_who_reads_too_slowly_for_too_long_is_dropped(home: Path) -> None:
    async def scenario() -> None:
        limits: dict[str, Any] = {"slow_reader_timeout_s": 1, "write_limit_bytes": 1 << 30}
        async with World(home, **limits) as world:
            device, other = await world.bound(), await world.bound("card")
            device.stop_reading()
            server = world.backend.server
            assert server is not None
            for _ in range(600):  # more than the kernel's buffers take
                server.send(1, record(b"x" * 40_000, to="peer"))
            await eventually(lambda: world.refused == {"slow-reader": 1})
            await other.echo()

    run(scenario())


def test_a_long_answer_that_waits_for_the_reader_arrives_whole(home: Path) -> None:
    """An export is larger than any buffer here: `drain` tells the backend when to go on."""
    lines = 1500

    async def scenario() -> None:
        limits: dict[str, Any] = {"write_high_water_bytes": 65_536, "write_limit_bytes": 4 << 20}
        async with World(home, **limits) as world:
            device, other = await world.bound("operator"), await world.bound("card")
            server = world.backend.server
            assert server is not None

            async def export() -> bool:
                for _ in range(lines):
                    server.send(1, record(b"x" * 40_000, to="peer"))
                    if not await server.drain(1):
                        return False
                return True

            task = asyncio.create_task(export())
            await asyncio.sleep(0.3)
            await other.echo()
            for _ in range(lines):
                await device.line()
            assert await task
            assert world.refused == {}

    run(scenario())


def test_waiting_for_a_reader_ends_when_it_goes(home: Path) -> None:
    async def scenario() -> None:
        async with World(home, write_high_water_bytes=65_536) as world:
            device = await world.bound()
            device.stop_reading()
            server = world.backend.server
            assert server is not None

            async def endless() -> None:
                while await server.drain(1):
                    server.send(1, record(b"x" * 40_000, to="peer"))

            task = asyncio.create_task(endless())
            await asyncio.sleep(0.3)
            device.vanish()
            await asyncio.wait_for(task, 5)

    run(scenario())


def test_a_full_link_slows_devices_down_and_loses_nothing(home: Path) -> None:
    lines = 300

    async def scenario() -> None:
        async with World(home, link_high_water_bytes=65_536) as world:
            devices = [await world.bound() for _ in range(4)]
            seen = len(world.backend.lines)
            world.backend.answers = False
            link = world.backend.transport()
            link.pause_reading()
            body = b"x" * 30_000
            writers = [
                asyncio.create_task(device.write_all([record(body)] * lines)) for device in devices
            ]
            await eventually(lambda: world.gateway.relay.link.write_paused, "a full link")
            await asyncio.sleep(0.5)
            held = world.gateway.relay.link.backlog_bytes
            assert held < 4 * 65_536 + (2 << 20), held
            link.resume_reading()
            await asyncio.gather(*writers)
            await eventually(lambda: len(world.backend.lines) - seen == 4 * lines)
            assert world.refused == {}

    run(scenario())
