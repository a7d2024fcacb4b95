"""Who gets a session: whose certificate is on record, and is not revoked when it opens."""

import asyncio
import time
from typing import Any, cast

import pytest
from cryptography import x509

from adapters.backend import sessions as under_test
from adapters.backend.sessions import Sessions
from protocol.certificates import Trust
from protocol.handshake import Initiator
from protocol.line import parse
from tests.unit.backend.operator_double import LaneDouble
from tests.vectors.material import NOW_MS, der, party, root

CONN = 5


class Link:
    """Keeps what was sent and who was dropped."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.dropped = ""
        self.bound = ""

    def send(self, conn: int, line: bytes) -> None:
        self.lines.append(line)

    def bind(self, conn: int, device_id: str, role: str) -> None:
        self.bound = role

    def drop(self, conn: int, code: str) -> None:
        self.dropped = code


class RecordedDouble:
    """The ledger's word on certificates."""

    complete = True

    def __init__(self) -> None:
        self.serials: set[int] = set()
        self.revoked: set[int] = set()
        self.asked = 0

    def is_issued(self, serial: int) -> bool:
        return serial in self.serials

    def is_revoked(self, serial: int) -> bool:
        return serial in self.revoked

    def look_soon(self) -> None:
        self.asked += 1


class Service:
    def opened(self, peer: Any) -> None: ...

    def closed(self, peer: Any) -> None: ...


class Scene:
    """A POS and the backend's sessions; `prove` sends the POS's last message."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        clock = type("Clock", (), {"time_ns": staticmethod(lambda: NOW_MS * 1_000_000)})
        monkeypatch.setattr(under_test, "time", clock)
        self.link, self.recorded = Link(), RecordedDouble()
        trust = Trust(der(root()), revoked=self.recorded.is_revoked)
        self.sessions = Sessions(
            party("backend").identity,
            trust,
            cast(Any, LaneDouble()),
            {"pos": cast(Any, Service())},
            lambda peer: {},
            recorded=self.recorded,
        )
        self.sessions.attach(cast(Any, self.link))
        pos = party("pos")
        self.initiator = Initiator(pos.identity, Trust(der(root())), "backend", "backend", NOW_MS)
        leaf, issuing = (parse_serial(each) for each in pos.chain)
        self.serial, self.issuing = leaf, issuing

    def prove(self) -> None:
        self.sessions.on_open(CONN, "pos", "127.0.0.1")
        self.sessions.on_line(CONN, self.initiator.hello())
        self.sessions.on_line(CONN, self.initiator.prove(parse(self.link.lines[-1])))

    def is_open(self) -> bool:
        return bool(self.sessions.by_session)


def parse_serial(certificate: bytes) -> int:
    return x509.load_der_x509_certificate(certificate).serial_number


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Scene:
    return Scene(monkeypatch)


def test_a_certificate_on_record_opens_a_session(scene: Scene) -> None:
    async def scenario() -> None:
        scene.recorded.serials.add(scene.serial)
        scene.prove()
        assert scene.is_open()
        assert (scene.link.bound, scene.recorded.asked) == ("pos", 0)

    asyncio.run(scenario())


def test_one_that_the_ledger_never_had_opens_none(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(under_test, "RECORDED_S", 0.2)

    async def scenario() -> None:
        scene.prove()
        await until(lambda: bool(scene.link.dropped))
        assert scene.link.dropped == "untrusted-certificate"
        assert not scene.is_open()
        assert scene.recorded.asked

    asyncio.run(scenario())


def test_one_that_was_recorded_a_moment_ago_is_waited_for(scene: Scene) -> None:
    async def scenario() -> None:
        scene.prove()
        assert not scene.is_open()
        scene.recorded.serials.add(scene.serial)
        await until(scene.is_open)
        assert not scene.link.dropped

    asyncio.run(scenario())


def test_who_goes_while_it_is_looked_up_gets_nothing(scene: Scene) -> None:
    async def scenario() -> None:
        scene.prove()
        scene.sessions.on_close(CONN)
        scene.recorded.serials.add(scene.serial)
        await asyncio.sleep(0.15)
        assert not scene.is_open()

    asyncio.run(scenario())


def test_a_revocation_during_the_handshake_counts(scene: Scene) -> None:
    async def scenario() -> None:
        scene.prove()
        scene.recorded.serials.add(scene.serial)
        scene.recorded.revoked.add(scene.issuing)
        await until(lambda: bool(scene.link.dropped))
        assert scene.link.dropped == "revoked-certificate"

    asyncio.run(scenario())


@pytest.mark.parametrize("which", ["serial", "issuing"])
def test_sessions_end_with_their_certificate_and_with_its_authority(
    scene: Scene, which: str
) -> None:
    async def scenario() -> None:
        scene.recorded.serials.add(scene.serial)
        scene.prove()
        scene.sessions.end_sessions_of(frozenset({12345}))
        assert scene.is_open()
        scene.sessions.end_sessions_of(frozenset({getattr(scene, which)}))
        assert not scene.is_open()
        assert scene.link.dropped == "revoked-certificate"

    asyncio.run(scenario())


async def until(true: Any) -> None:
    deadline = time.monotonic() + 5
    while not true():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)
