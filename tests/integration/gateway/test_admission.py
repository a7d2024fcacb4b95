"""Who gets in: certificates, classes, TLS versions, addresses, programs, numbers."""

import asyncio
import socket
import ssl
from pathlib import Path
from typing import Any

import pytest

from adapters.gateway.filters import certificate_fingerprint
from adapters.tls import TlsFiles, client_context, server_context, server_name
from tests.integration.gateway.authority import Authority
from tests.integration.gateway.world import Device, World, eventually, hello, run


@pytest.mark.parametrize("role", ["pos", "card", "website", "operator", "auditor"])
def test_a_device_of_each_role_reaches_the_backend(home: Path, role: str) -> None:
    async def scenario() -> None:
        async with World(home) as world:
            device = await world.bound(role)
            await device.echo()
            tls_class = "website" if role in ("operator", "auditor") else role
            ((seen, address),) = world.backend.opened.values()
            assert seen == tls_class
            assert address.startswith("127.0.0.1:")

    run(scenario())


@pytest.mark.parametrize("tls_class", ["gateway", "backend"])
def test_our_own_servers_are_no_devices(home: Path, tls_class: str) -> None:
    async def scenario() -> None:
        async with World(home) as world:
            device = await world.connect(tls_class)
            assert await device.error() == "wrong-class"
            assert await device.ended() == b""
            assert world.backend.opened == {}

    run(scenario())


@pytest.mark.parametrize(
    ("common", "dns"), [("pos", "card"), ("pos", "nonsense"), ("nonsense", "nonsense")]
)
def test_a_certificate_whose_names_disagree_has_no_class(
    authority: Authority, common: str, dns: str
) -> None:
    files = authority.issue("odd", common=common, dns=dns)

    async def scenario() -> None:
        async with World(authority.home) as world:
            device = await Device.connect(world.gateway.port, client_context(files))
            assert await device.error() == "wrong-class"
            device.close()

    run(scenario())


@pytest.mark.parametrize(
    ("tls_class", "role"),
    [
        ("pos", "card"),
        ("pos", "operator"),
        ("card", "pos"),
        ("website", "pos"),
        ("card", "backend"),
    ],
)
def test_a_role_that_its_class_may_not_have_is_dropped(
    home: Path, tls_class: str, role: str
) -> None:
    async def scenario() -> None:
        async with World(home) as world:
            device = await world.connect(tls_class)
            device.write(hello(device.id, role))
            assert await device.error() == "wrong-class"
            await device.ended()
            await eventually(lambda: world.backend.closed == [1])

    run(scenario())


async def _use(port: int, context: ssl.SSLContext) -> None:
    device = await Device.connect(port, context)
    device.write(b"x\n")
    await device.line()


async def _refused(world: World, context: ssl.SSLContext, why: str) -> None:
    """TLS 1.3 tells a client only at its first read that it is not welcome."""
    with pytest.raises((OSError, asyncio.IncompleteReadError)):
        await _use(world.gateway.port, context)
    await eventually(lambda: world.refused.get(why) == 1, why)
    assert world.backend.opened == {}
    await (await world.bound()).echo()


def test_no_certificate_no_entry(authority: Authority) -> None:
    context = ssl.create_default_context(cafile=str(authority.files("pos").authority))

    async def scenario() -> None:
        async with World(authority.home) as world:
            await _refused(world, context, "no-certificate")

    run(scenario())


def test_a_certificate_of_a_foreign_authority_is_refused(
    authority: Authority, foreign: Authority
) -> None:
    files = foreign.files("pos")._replace(authority=authority.files("pos").authority)

    async def scenario() -> None:
        async with World(authority.home) as world:
            await _refused(world, client_context(files), "untrusted-certificate")

    run(scenario())


def test_an_expired_certificate_is_refused(authority: Authority) -> None:
    files = authority.issue("late", common="pos", dns="pos", days=-1)

    async def scenario() -> None:
        async with World(authority.home) as world:
            await _refused(world, client_context(files), "untrusted-certificate")

    run(scenario())


def test_tls_1_2_is_refused(authority: Authority) -> None:
    context = client_context(authority.files("pos"))
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.maximum_version = ssl.TLSVersion.TLSv1_2

    async def scenario() -> None:
        async with World(authority.home) as world:
            await _refused(world, context, "tls-version")

    run(scenario())


@pytest.mark.parametrize(
    "first_bytes",
    [
        b"TR1 C HELLO backend 0123456789abcdef 0 e30\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\xff\xff\x01",
        b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00",
        b"\x00" * 600,
    ],
)
def test_what_is_not_tls_is_cut(home: Path, first_bytes: bytes) -> None:
    async def scenario() -> None:
        async with World(home) as world:
            reader, writer = await asyncio.open_connection("127.0.0.1", world.gateway.port)
            writer.write(first_bytes)
            with pytest.raises((OSError, asyncio.IncompleteReadError)):
                await asyncio.wait_for(reader.readexactly(1), 5)
            writer.close()
            assert world.refused == {"not-tls": 1}
            await (await world.bound()).echo()

    run(scenario())


@pytest.mark.parametrize("first_bytes", [b"", b"\x16\x03", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc"])
def test_who_stops_in_the_middle_of_the_tls_handshake_is_cut(
    home: Path, first_bytes: bytes
) -> None:
    async def scenario() -> None:
        async with World(home, tls_timeout_s=0.3) as world:
            reader, writer = await asyncio.open_connection("127.0.0.1", world.gateway.port)
            writer.write(first_bytes)
            with pytest.raises((OSError, asyncio.IncompleteReadError)):
                await asyncio.wait_for(reader.readexactly(1), 5)
            writer.close()
            assert world.refused == {"tls-timeout": 1}
            await eventually(lambda: world.gateway.places_taken == 0)

    run(scenario())


@pytest.mark.parametrize(
    "lists",
    [
        {"deny_addresses": ("127.0.0.0/8",)},
        {"allow_addresses": ("192.0.2.0/24", "2001:db8::/32")},
        {"allow_addresses": ("127.0.0.1/32",), "deny_addresses": ("127.0.0.1/32",)},
    ],
)
def test_an_address_that_is_not_welcome_never_gets_to_tls(
    home: Path, lists: dict[str, Any]
) -> None:
    async def scenario() -> None:
        async with World(home, **lists) as world:
            with pytest.raises(OSError):
                await world.connect()
            assert world.refused == {"address": 1}

    run(scenario())


def test_a_denied_program_is_refused_by_its_client_hello(home: Path) -> None:
    async def scenario() -> None:
        async with World(home) as world:
            await world.bound()
            (connection,) = world.gateway.relay.connections.values()
            program = connection.fingerprint
        assert program.startswith("t13d")
        async with World(home, deny_fingerprints=(program,)) as world:
            with pytest.raises(OSError):
                await world.connect()
            assert world.refused == {"fingerprint": 1}
        async with World(home, allow_fingerprints=(program,)) as world:
            await world.bound()

    run(scenario())


def test_a_denied_certificate_is_refused_by_its_hash(authority: Authority) -> None:
    pem = authority.files("pos").certificate.read_text()
    print_of_pos = certificate_fingerprint(ssl.PEM_cert_to_DER_cert(pem)).upper()

    async def scenario() -> None:
        async with World(authority.home, deny_fingerprints=(print_of_pos,)) as world:
            device = await world.connect("pos")
            assert await device.error() == "forbidden"
            await (await world.bound("card")).echo()

    run(scenario())


def test_no_more_connections_than_allowed(home: Path) -> None:
    async def scenario() -> None:
        async with World(home, max_connections=2) as world:
            first, second = await world.bound(), await world.bound()
            with pytest.raises(OSError):
                await world.connect()
            assert world.refused == {"too-many-connections": 1}
            second.close()
            await eventually(lambda: world.gateway.places_taken == 1)
            await (await world.bound()).echo()
            await first.echo()

    run(scenario())


def test_a_device_talks_to_no_gateway_but_ours(authority: Authority) -> None:
    """A POS has a certificate of the same authority and may still not pose as the gateway."""
    impostor = server_context(authority.files("pos"))

    async def scenario() -> None:
        async def ignore(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.close()

        server = await asyncio.start_server(ignore, "127.0.0.1", 0, ssl=impostor)
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(ssl.SSLCertVerificationError):
            await Device.connect(port, client_context(authority.files("card")))
        server.close()

    run(scenario())


def test_a_connection_that_resets_at_once_leaves_no_trace(home: Path) -> None:
    async def scenario() -> None:
        async with World(home) as world:
            for _ in range(20):
                sock = socket.create_connection(("127.0.0.1", world.gateway.port))
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                sock.close()
            await eventually(lambda: world.refused.get("gone") == 20)
            assert world.gateway.places_taken == 0
            await (await world.bound()).echo()

    run(scenario())


def test_server_names_exist_for_our_classes_only() -> None:
    assert server_name("gateway") == "gateway.ticketrestaurant.internal"
    with pytest.raises(ValueError):
        server_name("localhost")


def test_missing_files_are_told(tmp_path: Path) -> None:
    with pytest.raises(OSError):
        client_context(TlsFiles.of_identity(tmp_path))
