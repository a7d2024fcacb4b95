"""Many threads on one token at a time: nothing crashes, every answer is right, also while it goes.

Without CKF_OS_LOCKING_OK (see `adapters/hsm/library.py`) the first of these fails at once.
"""

import hashlib
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from adapters.hsm.gate import PATIENCE_S, Gate, GateBusy
from adapters.hsm.keys import Hsm
from adapters.hsm.pin_verification import PinBlockInvalid, PinVerification
from adapters.hsm.provision import open_token, provision
from adapters.hsm.session import KeySession
from adapters.hsm.token import REOPEN_PAUSE_S, HsmRefused, HsmUnavailable, Token
from protocol.encoding import unb64
from protocol.pin import seal_pin
from tests.integration.hsm.conftest import PIN

THREADS = 12
OPERATIONS_LEAST = 20_000


class Mixed:
    """One round of everything that the backend asks of its token, each answer checked."""

    OPERATIONS = 9

    def __init__(self, token: Token) -> None:
        self._hsm = Hsm(token)
        self._pins = PinVerification(token)
        self._identity = self._hsm.identity_public_key()
        self._log = self._hsm.log_public_key()
        self._index = self._hsm.index("pan", "1")
        t4 = os.urandom(32)
        sealed = seal_pin("2846", "9840001234567897", self._pins.pin_public_key(), t4, 5, 7)
        self._block = unb64(sealed["ephemeral"]), unb64(sealed["block"]), t4, 5, 7
        self._reference = self._pins.set_pin(*self._block)

    def round(self) -> None:
        """AssertionError or InvalidSignature for a wrong answer."""
        hsm, number, message = self._hsm, int.from_bytes(os.urandom(4)), os.urandom(40)
        assert hsm.index("pan", "1") == self._index
        box = hsm.seal_data_key(1, number, b"", message)
        assert hsm.open_data_key(1, number, b"", box) == message
        with pytest.raises(HsmRefused):
            hsm.open_data_key(1, number + 1, b"", box)
        raw = hsm.sign_identity(message)
        signature = encode_dss_signature(int.from_bytes(raw[:32]), int.from_bytes(raw[32:]))
        digest = hashlib.sha256(message).digest()
        self._identity.verify(signature, digest, ec.ECDSA(Prehashed(SHA256())))
        self._log.verify(hsm.sign_log(message), message)
        assert self._pins.verify_pin(*self._block, self._reference)
        ephemeral, block, t4, counter, ms = self._block
        with pytest.raises(PinBlockInvalid):
            self._pins.set_pin(ephemeral, block[:-1] + bytes([block[-1] ^ 1]), t4, counter, ms)


def together(work: Callable[[], object], threads: int = THREADS) -> list[BaseException]:
    """Runs it in all threads at once; what they raised."""
    wrong: list[BaseException] = []

    def guarded() -> None:
        try:
            work()
        except BaseException as error:
            wrong.append(error)

    running = [threading.Thread(target=guarded) for _ in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join(timeout=120)
    assert not any(thread.is_alive() for thread in running)
    return wrong


@pytest.mark.timeout(180)
def test_tens_of_thousands_of_mixed_operations_in_twelve_threads_are_all_right(
    token: Token,
) -> None:
    mixed = Mixed(token)
    rounds = OPERATIONS_LEAST // (Mixed.OPERATIONS * THREADS) + 1

    def work() -> None:
        for _ in range(rounds):
            mixed.round()

    assert token.overlaps
    assert together(work) == []


def test_calls_overlap_when_the_token_is_slow(token: Token) -> None:
    def slow(keys: KeySession) -> bytes:
        time.sleep(0.2)
        return keys.hmac("K_INDEX/1", b"")

    begin = time.monotonic()
    assert together(lambda: token.run(slow), threads=8) == []
    assert time.monotonic() - begin < 1.0, "eight calls of 0.2 s waited for each other"


def test_a_module_that_is_not_to_be_trusted_is_called_by_one_thread_at_a_time(
    installed: Path,
) -> None:
    token = open_token(installed, PIN, overlap=False)
    inside, most = [0], [0]

    def watched(keys: KeySession) -> bytes:
        inside[0] += 1
        most[0] = max(most[0], inside[0])
        time.sleep(0.02)
        inside[0] -= 1
        return keys.hmac("K_INDEX/1", b"")

    assert not token.overlaps
    assert together(lambda: token.run(watched), threads=6) == []
    assert most == [1]
    token.close()


@pytest.mark.timeout(120)
def test_under_load_a_token_that_comes_and_goes_gives_right_answers_or_none(
    tmp_path: Path,
) -> None:
    provision(tmp_path, PIN)
    token = open_token(tmp_path, PIN)
    mixed = Mixed(token)
    stop = threading.Event()
    answered, refused = [0], [0]

    def work() -> None:
        while not stop.is_set():
            try:
                mixed.round()
                answered[0] += 1
            except HsmUnavailable:
                refused[0] += 1
                time.sleep(0.01)

    def come_and_go() -> None:
        tokens, away = tmp_path / "hsm" / "tokens", tmp_path / "away"
        for _ in range(10):
            time.sleep(0.15)
            tokens.rename(away)
            time.sleep(0.15)
            away.rename(tokens)
            time.sleep(REOPEN_PAUSE_S)
        stop.set()

    mover = threading.Thread(target=come_and_go)
    mover.start()
    wrong = together(work, threads=8)
    mover.join()
    assert wrong == []
    assert answered[0] > 20
    assert refused[0] > 10
    mixed.round()
    token.close()


def test_a_call_that_hangs_stops_neither_the_others_nor_their_refusal(tmp_path: Path) -> None:
    provision(tmp_path, PIN)
    token = open_token(tmp_path, PIN)
    free, hangs = threading.Event(), threading.Event()

    def hang(keys: KeySession) -> bytes:
        hangs.set()
        free.wait(30)
        return keys.hmac("K_INDEX/1", b"")

    answers: list[object] = []

    def hanging() -> None:
        try:
            answers.append(token.run(hang))
        except HsmUnavailable as error:
            answers.append(error)

    thread = threading.Thread(target=hanging)
    thread.start()
    assert hangs.wait(5)
    token.heartbeat()  # another session answers
    tokens, away = tmp_path / "hsm" / "tokens", tmp_path / "away"
    tokens.rename(away)
    begin = time.monotonic()
    with pytest.raises(HsmUnavailable):  # the module cannot start anew under the call
        token.heartbeat()
    assert time.monotonic() - begin < 2 * PATIENCE_S
    away.rename(tokens)
    free.set()
    thread.join(10)
    assert len(answers) == 1
    time.sleep(REOPEN_PAUSE_S)
    token.heartbeat()
    token.close()


def test_who_wants_to_be_alone_goes_before_new_calls_and_nobody_waits_for_ever() -> None:
    gate = Gate()
    entered = threading.Event()
    order: list[str] = []

    def alone() -> None:
        with gate.alone():
            order.append("alone")

    with gate.call():
        waiting = threading.Thread(target=alone)
        waiting.start()
        time.sleep(0.05)
        late = threading.Thread(target=lambda: _enter(gate, order, entered))
        late.start()
        time.sleep(0.05)
        assert order == []
    waiting.join(5)
    late.join(5)
    assert order == ["alone", "call"]
    with gate.call():
        wrong: list[BaseException] = together(alone, threads=1)
    assert [type(each) for each in wrong] == [GateBusy]
    with gate.call(), gate.call():
        pass


def _enter(gate: Gate, order: list[str], entered: threading.Event) -> None:
    with gate.call():
        order.append("call")
        entered.set()
