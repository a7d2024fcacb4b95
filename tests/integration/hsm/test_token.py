"""The token is one for all threads, fails closed when removed, and serves on when it returns."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from adapters.hsm.keys import Hsm
from adapters.hsm.provision import open_token, provision
from adapters.hsm.token import REOPEN_PAUSE_S, HsmRefused, HsmUnavailable, Token
from application.ports import Unavailable
from tests.integration.hsm.conftest import PIN


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A state folder of its own, for a test that takes its token away."""
    provision(tmp_path, PIN)
    return tmp_path


@pytest.fixture
def own(home: Path) -> Iterator[Token]:
    token = open_token(home, PIN)
    yield token
    token.close()


def take_away(home: Path) -> None:
    (home / "hsm" / "tokens").rename(home / "away")


def bring_back(home: Path) -> None:
    (home / "away").rename(home / "hsm" / "tokens")


def heartbeats_until(token: Token, alive: bool, within_s: float) -> float:
    """How long until a heartbeat of twice a second says that; fails after `within_s`."""
    begin = time.monotonic()
    while time.monotonic() - begin < within_s:
        try:
            token.heartbeat()
            answers = True
        except HsmUnavailable:
            answers = False
        if answers == alive:
            return time.monotonic() - begin
        time.sleep(0.05)
    raise AssertionError(f"still {'gone' if alive else 'there'} after {within_s} s")


def test_a_removal_is_noticed_by_the_next_heartbeat_and_by_every_operation(
    home: Path, own: Token
) -> None:
    hsm = Hsm(own)
    hsm.heartbeat()
    take_away(home)
    assert heartbeats_until(own, alive=False, within_s=1) < 0.2
    with pytest.raises(Unavailable):
        hsm.seal_data_key(1, 1, b"", b"secret")
    with pytest.raises(Unavailable):
        hsm.sign_identity(b"message")
    bring_back(home)


def test_each_operation_itself_notices_a_removal(home: Path, own: Token) -> None:
    hsm = Hsm(own)
    sealed = hsm.seal_data_key(1, 1, b"", b"secret")
    operations: list[Callable[[], bytes]] = [
        lambda: hsm.open_data_key(1, 1, b"", sealed),
        lambda: hsm.seal_data_key(1, 1, b"", b"secret"),
        lambda: hsm.index("pan", "1"),
        lambda: hsm.sign_log(b""),
        lambda: hsm.sign_identity(b""),
    ]
    for operation in operations:
        operation()
        take_away(home)
        time.sleep(REOPEN_PAUSE_S)
        with pytest.raises(HsmUnavailable):
            operation()
        bring_back(home)
        heartbeats_until(own, alive=True, within_s=1)


def test_after_its_return_the_same_keys_serve_again(home: Path, own: Token) -> None:
    hsm = Hsm(own)
    sealed = hsm.seal_data_key(1, 1, b"", b"secret")
    for absence_s in (0.0, 0.3):
        take_away(home)
        heartbeats_until(own, alive=False, within_s=1)
        time.sleep(absence_s)
        bring_back(home)
        heartbeats_until(own, alive=True, within_s=1)
        assert hsm.open_data_key(1, 1, b"", sealed) == b"secret"


def test_an_emptied_folder_is_a_removal_too(home: Path, own: Token) -> None:
    take_away(home)
    (home / "hsm" / "tokens").mkdir()  # as when the file system of the tokens is unmounted
    heartbeats_until(own, alive=False, within_s=1)
    time.sleep(REOPEN_PAUSE_S)
    with pytest.raises(HsmUnavailable):
        own.heartbeat()
    (home / "hsm" / "tokens").rmdir()
    bring_back(home)
    heartbeats_until(own, alive=True, within_s=1)


def test_the_whole_folder_can_go_and_return(home: Path, own: Token) -> None:
    (home / "hsm").rename(home / "gone")
    heartbeats_until(own, alive=False, within_s=1)
    time.sleep(REOPEN_PAUSE_S)
    with pytest.raises(HsmUnavailable):
        own.heartbeat()
    (home / "gone").rename(home / "hsm")
    heartbeats_until(own, alive=True, within_s=1)


def test_an_absence_that_nobody_saw_is_none(home: Path, own: Token) -> None:
    take_away(home)
    bring_back(home)
    own.heartbeat()


def test_a_single_key_that_is_gone_fails_closed_and_returns(home: Path, own: Token) -> None:
    hsm = Hsm(own)
    hsm.sign_log(b"")
    objects = list((home / "hsm" / "tokens").rglob("*.object"))
    for path in objects:  # which one is the log key cannot be seen from outside
        if path.name != "token.object":
            path.rename(path.with_suffix(".away"))
    with pytest.raises(HsmUnavailable):
        hsm.sign_log(b"")
    for path in objects:
        if path.name != "token.object":
            path.with_suffix(".away").rename(path)
    time.sleep(REOPEN_PAUSE_S)
    hsm.sign_log(b"")


def test_a_start_without_token_is_refused_and_a_later_one_works(home: Path) -> None:
    take_away(home)
    with pytest.raises(HsmUnavailable):
        open_token(home, PIN)
    bring_back(home)
    open_token(home, PIN).heartbeat()


def test_another_token_in_its_place_is_not_taken_for_it(
    home: Path, own: Token, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = tmp_path_factory.mktemp("other")
    provision(other, PIN)
    open_token(home, PIN).close()
    take_away(home)
    (other / "hsm" / "tokens").rename(home / "hsm" / "tokens")
    time.sleep(REOPEN_PAUSE_S)
    with pytest.raises(HsmUnavailable):
        own.heartbeat()
    (home / "hsm" / "tokens").rename(other / "back")
    bring_back(home)
    heartbeats_until(own, alive=True, within_s=1)


def test_a_wrong_pin_is_tried_once(home: Path) -> None:
    with pytest.raises(HsmUnavailable, match="PIN"):
        open_token(home, "wrong")
    open_token(home, PIN).heartbeat()


def test_a_pin_that_was_changed_meanwhile_is_not_tried_again(home: Path) -> None:
    token = open_token(home, PIN, writable=True)
    token.run(lambda keys: keys.pkcs11.set_pin(PIN, "another PIN"))
    for _ in range(3):
        take_away(home)
        with pytest.raises(HsmUnavailable):
            token.heartbeat()
        bring_back(home)
        time.sleep(REOPEN_PAUSE_S)
        with pytest.raises(HsmUnavailable, match="PIN"):
            token.heartbeat()
    open_token(home, "another PIN").heartbeat()


def test_eight_threads_share_it(token: Token) -> None:
    hsm = Hsm(token)
    sealed = hsm.seal_data_key(1, 1, b"", b"secret")
    expected = hsm.index("pan", "1")
    until = time.monotonic() + 3
    done = [0] * 8
    wrong: list[object] = []

    def work(place: int) -> None:
        while time.monotonic() < until:
            try:
                assert hsm.index("pan", "1") == expected
                assert hsm.open_data_key(1, 1, b"", sealed) == b"secret"
                assert len(hsm.sign_identity(b"message")) == 64
                with pytest.raises(HsmRefused):
                    hsm.open_data_key(1, 2, b"", sealed)
                done[place] += 1
            except BaseException as error:
                wrong.append(error)
                return

    threads = [threading.Thread(target=work, args=(place,)) for place in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert wrong == []
    assert min(done) > 10


def test_threads_see_either_an_answer_or_unavailable_while_it_comes_and_goes(
    home: Path, own: Token
) -> None:
    hsm = Hsm(own)
    expected = hsm.index("pan", "1")
    stop = threading.Event()
    wrong: list[object] = []
    answered = [0, 0]

    def work() -> None:
        while not stop.is_set():
            try:
                if hsm.index("pan", "1") != expected:
                    wrong.append("another digest")
                answered[0] += 1
            except HsmUnavailable:
                answered[1] += 1
                time.sleep(0.01)
            except BaseException as error:
                wrong.append(error)
                return

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for _ in range(8):
        time.sleep(0.1)
        take_away(home)
        time.sleep(0.1)
        bring_back(home)
    time.sleep(REOPEN_PAUSE_S)
    heartbeats_until(own, alive=True, within_s=1)
    stop.set()
    for thread in threads:
        thread.join(timeout=30)
    assert wrong == []
    assert min(answered) > 0


def test_two_tokens_of_one_process_do_not_disturb_each_other(home: Path, own: Token) -> None:
    second = open_token(home, PIN)
    for _ in range(3):
        own.heartbeat()
        second.heartbeat()


def test_a_child_process_must_make_its_own(token: Token) -> None:
    child = os.fork()
    if child == 0:
        try:
            token.heartbeat()
        except RuntimeError:
            os._exit(7)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    token.heartbeat()


def test_a_child_process_can_make_its_own(installed: Path, token: Token) -> None:
    expected = Hsm(token).index("pan", "1")
    child = os.fork()
    if child == 0:
        status = 1
        try:
            status = 7 if Hsm(open_token(installed, PIN)).index("pan", "1") == expected else 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    token.heartbeat()
