"""The part of the process that asks the HSM: what it is told, what it answers, when it ends."""

import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest

from adapters import hsm_process
from adapters.backend.card_questions import OPENED, Answer, Asked, Checked, Frames, Question, framed
from adapters.hsm.generations import Generations
from adapters.settings import Settings
from tests.integration.hsm.conftest import PIN

SOON_S = 15


@pytest.fixture
def settings(installed: Path) -> Settings:
    return Settings(home=installed, hsm_pin=PIN)


def test_it_is_told_of_the_hsm_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TICKETRESTAURANT_LEDGER_DSN", "password=dsn-in-env")
    monkeypatch.setenv("SOME_MAKERS_SETTING", "here")
    settings = Settings(home=tmp_path, hsm_pin=PIN, ledger_dsn="password=dsn")
    greeted = hsm_process.greeting(settings)
    assert PIN.encode() in greeted
    assert b"dsn" not in greeted
    assert "SOME_MAKERS_SETTING" in hsm_process.environment()
    assert "dsn-in-env" not in str(hsm_process.environment())


def test_it_does_not_outlive_a_backend_that_was_killed(settings: Settings) -> None:
    ours, theirs = socket.socketpair()
    with ours:
        started = subprocess.Popen(
            [sys.executable, "-m", "adapters.hsm_process"], stdin=theirs.fileno()
        )
        theirs.close()
        ours.sendall(hsm_process.greeting(settings))
        assert ours.recv(100)
    assert started.wait(SOON_S) == 0


def test_a_question_is_answered_under_its_generations() -> None:
    """A rotation in the backend is known with the next question."""
    generations, seen = Generations(), list[tuple[int, ...]]()

    def check(asked: Asked) -> Checked:
        seen.append(generations.all("K_CVV"))
        if len(seen) == 2:
            raise RuntimeError("of our own")
        return Checked(None, None)

    ours, theirs = socket.socketpair()
    service = hsm_process.Service(theirs)
    thread = threading.Thread(target=service.take, args=(Frames(),))
    thread.start()
    service.open(check, generations, 1)
    with ours, theirs:
        for number, generation in ((1, 1), (2, 2), (3, 1)):
            asked = framed(Question(number, (generation, 1, 1, 1), Asked("", None)))
            for at in range(0, len(asked), 7):
                ours.sendall(asked[at : at + 7])
        frames, answers = Frames(), list[Answer]()
        while len(answers) < 4:
            answers += [
                msgspec.msgpack.decode(each, type=Answer) for each in frames.take(ours.recv(5))
            ]
        ours.shutdown(socket.SHUT_RDWR)
        thread.join(SOON_S)
    assert [each.number for each in answers] == [OPENED, 1, 2, 3]
    assert seen == [(1,), (2, 1), (2, 1)]
    assert [each.checked is not None for each in answers[1:]] == [True, False, True]


def test_what_nobody_waits_for_any_more_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or a backlog would keep every later question from being in time, for ever."""
    monkeypatch.setattr(hsm_process, "ANSWERED_S", 0.2)
    asked, may_end = list[str](), threading.Event()

    def check(question: Asked) -> Checked:
        asked.append(question.track2)
        assert may_end.wait(SOON_S)
        return Checked(None, None)

    ours, theirs = socket.socketpair()
    service = hsm_process.Service(theirs)
    thread = threading.Thread(target=service.take, args=(Frames(),))
    thread.start()
    service.open(check, Generations(), 1)
    with ours, theirs:
        for number in (1, 2, 3):
            ours.sendall(framed(Question(number, (1, 1, 1, 1), Asked(f"{number}", None))))
        time.sleep(0.5)
        may_end.set()
        ours.sendall(framed(Question(4, (1, 1, 1, 1), Asked("4", None))))
        frames, numbers = Frames(), list[int]()
        while len(numbers) < 3:
            numbers += [
                msgspec.msgpack.decode(each, type=Answer).number
                for each in frames.take(ours.recv(100))
            ]
        ours.shutdown(socket.SHUT_RDWR)
        thread.join(SOON_S)
    assert numbers == [OPENED, 1, 4]
    assert asked == ["1", "4"]


def test_it_ends_with_the_backend_while_it_opens_an_hsm_that_hangs(
    monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    free = threading.Event()

    def hang(_: Settings) -> SimpleNamespace:
        assert free.wait(SOON_S)
        return SimpleNamespace(generations=Generations())

    monkeypatch.setattr("adapters.hsm_choice.open_token", hang)
    monkeypatch.setattr(hsm_process.Service, "open", lambda *_: None)
    ours, theirs = socket.socketpair()
    thread = threading.Thread(target=hsm_process.main, args=(theirs,))
    thread.start()
    ours.sendall(hsm_process.greeting(settings))
    time.sleep(0.2)
    assert thread.is_alive()
    ours.close()
    thread.join(SOON_S / 2)
    assert not thread.is_alive()
    free.set()
    theirs.close()
