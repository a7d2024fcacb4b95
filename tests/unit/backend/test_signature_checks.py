"""Signatures are verified by a process of their own; each caller hears of its own ones."""

import asyncio
import hashlib
import signal
import socket
import threading
from collections.abc import Callable, Iterator

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from adapters.backend import signature_checks, signature_process
from adapters.backend.signature_checks import Check, Done, SignatureChecks
from protocol.signature import software_signer

HEARD_S = 10
KEY = ec.generate_private_key(ec.SECP256R1())
POINT = KEY.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
SIGN = software_signer(KEY)


def check(number: int, *, right: bool = True) -> Check:
    message = b"payment %d" % number
    return Check(POINT, SIGN(message if right else b"another"), message)


class Heard:
    """What each caller was told."""

    def __init__(self) -> None:
        self.told: dict[int, list[bool]] = {}
        self._another = asyncio.Event()

    def done(self, number: int) -> Done:
        def hear(results: list[bool]) -> None:
            assert threading.current_thread() is threading.main_thread()
            self.told[number] = results
            self._another.set()
            if number == 5:
                raise RuntimeError("one that fails after its check")

        return hear

    async def all(self, count: int) -> None:
        async with asyncio.timeout(HEARD_S):
            while len(self.told) < count:
                await self._another.wait()
                self._another.clear()


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


@pytest.fixture
def checks(loop: asyncio.AbstractEventLoop) -> Iterator[SignatureChecks]:
    """With the process at work."""
    checks = SignatureChecks(loop)

    async def start() -> None:
        checks.start()
        await at_work(checks)

    loop.run_until_complete(start())
    yield checks
    loop.run_until_complete(asyncio.to_thread(checks.stop))


async def at_work(checks: SignatureChecks) -> None:
    for _ in range(HEARD_S * 100):
        if checks.at_work:
            return
        await asyncio.sleep(0.01)
    raise AssertionError("no process for signatures")


def ask(checks: SignatureChecks, heard: Heard, count: int) -> None:
    """Every third signature is wrong; every fourth caller has two, the second one wrong."""
    for number in range(count):
        asked = [check(number, right=number % 3 != 0)]
        if number % 4 == 0:
            asked.append(check(number, right=False))
        checks.submit(asked, heard.done(number))


def assert_right(heard: Heard, count: int) -> None:
    for number in range(count):
        more = [False] if number % 4 == 0 else []
        assert heard.told[number] == [number % 3 != 0, *more]


def here(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The questions that are answered in this process from now on."""
    answered: list[bytes] = []

    def answer(asked: bytes) -> int:
        answered.append(asked)
        return signature_process.answer(asked)

    monkeypatch.setattr(signature_checks, "answer", answer)
    return answered


@pytest.mark.parametrize("count", [1, 2, 40, 300])
def test_everybody_hears_of_the_own_signatures(
    loop: asyncio.AbstractEventLoop, checks: SignatureChecks, count: int
) -> None:
    heard = Heard()

    async def go() -> None:
        ask(checks, heard, count)
        await heard.all(count)

    loop.run_until_complete(go())
    assert_right(heard, count)


@pytest.mark.parametrize(("count", "is_here"), [(1, True), (40, False)])
def test_only_a_lone_one_is_verified_in_the_loop(
    loop: asyncio.AbstractEventLoop,
    checks: SignatureChecks,
    monkeypatch: pytest.MonkeyPatch,
    count: int,
    is_here: bool,
) -> None:
    answered, heard = here(monkeypatch), Heard()

    async def go() -> None:
        ask(checks, heard, count)
        await heard.all(count)

    loop.run_until_complete(go())
    assert bool(answered) is is_here


def test_the_process_may_have_enough_to_do(
    loop: asyncio.AbstractEventLoop, checks: SignatureChecks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signature_checks, "WAITING_MOST", 10)
    answered, heard = here(monkeypatch), Heard()

    async def go() -> None:
        ask(checks, heard, 20)
        await asyncio.sleep(0)  # those are with the process
        for number in range(20, 30):
            checks.submit([check(number)], heard.done(number))
        await heard.all(30)

    loop.run_until_complete(go())
    assert len(answered) == 10
    assert_right(heard, 20)


def test_what_a_killed_process_did_not_answer_is_verified_here_and_another_comes(
    loop: asyncio.AbstractEventLoop, checks: SignatureChecks
) -> None:
    heard, first = Heard(), checks._process._process
    assert first is not None

    async def go() -> None:
        first.send_signal(signal.SIGSTOP)
        ask(checks, heard, 40)
        await asyncio.sleep(0.05)
        assert not heard.told
        first.kill()
        await heard.all(40)
        assert not checks.at_work
        await at_work(checks)

    loop.run_until_complete(go())
    assert_right(heard, 40)
    assert checks._process._process is not first


def test_before_the_process_is_there_all_are_verified_here(
    loop: asyncio.AbstractEventLoop,
) -> None:
    checks, heard = SignatureChecks(loop), Heard()

    async def go() -> None:
        ask(checks, heard, 40)
        await heard.all(40)

    loop.run_until_complete(go())
    assert_right(heard, 40)


def test_what_carries_a_pin_is_verified_in_its_turn(loop: asyncio.AbstractEventLoop) -> None:
    heard = Heard()
    SignatureChecks(loop).at_once([check(1), check(2, right=False)], heard.done(1))
    assert heard.told == {1: [True, False]}


def test_the_end_ends_the_process(loop: asyncio.AbstractEventLoop) -> None:
    checks = SignatureChecks(loop)

    async def go() -> None:
        checks.start()
        await at_work(checks)
        await asyncio.to_thread(checks.stop)

    loop.run_until_complete(go())
    assert checks._process._process is not None
    assert checks._process._process.returncode == 0


def test_the_process_is_told_no_secret(
    loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[dict[str, str]] = []

    def popen(*_: object, env: dict[str, str], **__: object) -> None:
        given.append(env)
        raise OSError(2, "stop here")

    monkeypatch.setenv("TICKETRESTAURANT_TOKEN_PIN", "1234")
    monkeypatch.setattr("subprocess.Popen", popen)
    SignatureChecks(loop).start()
    assert given == [{}]


# The process's own part


@pytest.fixture
def asking() -> Iterator[socket.socket]:
    ours, theirs = socket.socketpair()
    thread = threading.Thread(target=signature_process.serve, args=(theirs,))
    thread.start()
    with ours, theirs:
        yield ours
        ours.shutdown(socket.SHUT_RDWR)
        thread.join(HEARD_S)
        assert not thread.is_alive()


def _question(point: bytes = POINT, change: Callable[[bytes], bytes] = bytes) -> bytes:
    message = b"a payment"
    return signature_process.question(
        point, change(SIGN(message)), hashlib.sha256(message).digest()
    )


def test_questions_may_arrive_in_pieces(asking: socket.socket) -> None:
    asked = _question() * 3
    for at in range(0, len(asked), 50):
        asking.sendall(asked[at : at + 50])
    answers = b""
    while len(answers) < 3:
        answers += asking.recv(3)
    assert answers == b"\1\1\1"


@pytest.mark.parametrize(
    "asked",
    [
        _question(bytes(65)),
        _question(b"\4" + bytes(64)),
        _question(b"\4" + b"\xff" * 64),
        _question(POINT[:-1] + bytes([POINT[-1] ^ 1])),
        _question(change=lambda signature: bytes(64)),
        _question(change=lambda signature: b"\xff" * 64),
        _question(change=lambda signature: signature[32:] + signature[:32]),
        _question()[:-1] + b"?",
    ],
)
def test_whatever_is_not_right_is_a_no_and_the_next_one_is_answered(
    asking: socket.socket, asked: bytes
) -> None:
    asking.sendall(asked + _question())
    answers = b""
    while len(answers) < 2:
        answers += asking.recv(2)
    assert answers == b"\0\1"
