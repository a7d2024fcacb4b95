"""The link to the backend: lost, found, impostors, silence."""

import asyncio
import json
from pathlib import Path

import pytest

from adapters.backend.link import serve_link
from adapters.tls import TlsFiles, client_context, server_context
from tests.integration.gateway.authority import Authority
from tests.integration.gateway.world import Device, World, eventually, hello, record, run


def test_without_a_backend_devices_hear_that_it_is_unavailable(home: Path) -> None:
    async def scenario() -> None:
        async with World(home, backend=False) as world:
            device = await world.connect()
            for _ in range(2):
                device.write(hello(device.id, "pos"))
                assert await device.error() == "unavailable"
            device.write(b"TR1 I STATUS backend - 0 e30\n")
            assert json.loads((await device.line()).payload) == {"link": "down"}
            await world.backend.start(world.home, world.backend_port)
            await world.linked()
            # It had no session, so it need not come again.
            await device.bind("pos")
            await device.echo()

    run(scenario())


def test_a_lost_backend_is_told_and_its_sessions_end_when_it_is_back(home: Path) -> None:
    async def scenario() -> None:
        async with World(home) as world:
            device, fresh = await world.bound(), await world.connect("card")
            await eventually(lambda: len(world.backend.opened) == 2)
            await world.backend.stop()
            assert await device.error() == "unavailable"
            device.write(record())
            assert await device.error() == "unavailable"
            assert sorted(world.backend.closed) == [1, 2]
            assert world.backend.downs == 1
            await world.backend.start(world.home, world.backend_port)
            await world.linked()
            assert await device.error() == "unavailable"
            await device.ended()
            await fresh.bind("card")
            await fresh.echo()
            assert set(world.backend.opened) == {2}
            assert sorted(world.backend.closed) == [1, 2]
            await (await world.bound()).echo()

    run(scenario())


def test_the_link_comes_back_again_and_again(home: Path) -> None:
    async def scenario() -> None:
        async with World(home, link_retry_max_s=0.2) as world:
            for n in range(1, 4):
                await world.backend.stop()
                await eventually(lambda: not world.gateway.relay.link.up)
                await world.backend.start(world.home, world.backend_port)
                await world.linked()
                assert world.gateway.relay.link.generation == n + 1
                await (await world.bound()).echo()

    run(scenario())


@pytest.mark.parametrize("tls_class", ["pos", "card", "website", "backend"])
def test_the_backend_takes_the_gateway_only(authority: Authority, tls_class: str) -> None:
    async def scenario() -> None:
        async with World(authority.home, backend=False) as world:
            await world.backend.start(world.home, world.backend_port)
            await world.linked()
            world.gateway.relay.link._cut("test")
            await eventually(lambda: world.backend.downs == 1)
            ups = world.backend.ups
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", world.backend_port, ssl=client_context(authority.files(tls_class)),
                server_hostname="backend.ticketrestaurant.internal",
            )  # fmt: skip
            writer.write(b"1 @OPEN pos 127.0.0.1:1\n1 " + record())
            with pytest.raises((OSError, asyncio.IncompleteReadError)):
                await asyncio.wait_for(reader.readexactly(1), 5)
            writer.transport.abort()
            await world.linked()
            assert world.backend.ups <= ups + 1
            assert world.backend.lines == []

    run(scenario())


def test_the_backend_takes_no_second_gateway(home: Path) -> None:
    async def scenario() -> None:
        async with World(home) as world:
            device = await world.bound()
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", world.backend_port,
                ssl=client_context(TlsFiles.of_server(home, "gateway")),
                server_hostname="backend.ticketrestaurant.internal",
            )  # fmt: skip
            writer.write(b"1 @CLOSE\n")
            with pytest.raises((OSError, asyncio.IncompleteReadError)):
                await asyncio.wait_for(reader.readexactly(1), 5)
            writer.transport.abort()
            await device.echo()
            assert (world.backend.ups, world.backend.downs) == (1, 0)

    run(scenario())


@pytest.mark.parametrize("tls_class", ["gateway", "pos", "website"])
def test_the_gateway_takes_no_other_server_for_the_backend(
    authority: Authority, tls_class: str
) -> None:
    async def scenario() -> None:
        async def pong(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"0 @PONG\n")
            await reader.read()
            writer.close()

        async with World(authority.home, backend=False) as world:
            impostor = await asyncio.start_server(
                pong,
                "127.0.0.1",
                world.backend_port,
                ssl=server_context(authority.files(tls_class)),
            )
            await eventually(lambda: "tls: CERTIFICATE_VERIFY_FAILED" in world.log.getvalue())
            assert not world.gateway.relay.link.up
            impostor.close()

    run(scenario())


def test_a_backend_that_says_nothing_is_cut(home: Path) -> None:
    async def scenario() -> None:
        async with World(home, link_ping_s=0.1, link_timeout_s=0.5) as world:
            device = await world.bound()
            world.backend.transport().pause_reading()
            assert await device.error() == "unavailable"
            assert '"why": "silent"' in world.log.getvalue()
            await world.linked()
            await (await world.bound()).echo()

    run(scenario())


def test_a_line_that_the_backend_fails_on_costs_its_own_connection_only(home: Path) -> None:
    async def scenario() -> None:
        async with World(home) as world:
            device, other = await world.bound(), await world.bound("card")
            world.backend.fails_on = b" C BOOM "
            device.write(record(verb="BOOM").replace(b" I ", b" C "))
            assert await device.error() == "internal"
            await device.ended()
            await eventually(lambda: world.backend.closed == [1])
            await other.echo()

    run(scenario())


@pytest.mark.parametrize("code", ["revoked-certificate", "session-replaced"])
def test_the_backend_can_drop_a_connection(home: Path, code: str) -> None:
    async def scenario() -> None:
        async with World(home) as world:
            device, other = await world.bound(), await world.bound("card")
            assert world.backend.server is not None
            world.backend.server.drop(1, code)
            assert await device.error() == code
            await device.ended()
            await eventually(lambda: world.backend.closed == [1])
            world.backend.server.send(1, record(to="peer"))
            await other.echo()

    run(scenario())


def test_a_busy_port_is_told(home: Path) -> None:
    async def scenario() -> None:
        async with World(home) as world:
            context = server_context(TlsFiles.of_server(home, "backend"))
            with pytest.raises(OSError):
                await serve_link(
                    "127.0.0.1", world.backend_port, context,
                    lambda *_: None, lambda *_: None, lambda _: None, lambda: None, lambda: None,
                )  # fmt: skip

    run(scenario())


def test_a_stopping_gateway_says_goodbye(home: Path) -> None:
    async def scenario() -> None:
        world = World(home)
        async with world:
            device = await world.bound()
            await world.gateway.stop()
            assert await device.error() == "unavailable"
            await device.ended()
            await eventually(lambda: world.backend.downs == 1)
            assert world.backend.closed == [1]
            context = client_context(TlsFiles.of_server(home, "pos"))
            with pytest.raises(OSError):
                await Device.connect(world.gateway.port, context)

    run(scenario())
