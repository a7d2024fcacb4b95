"""The process that asks the HSM about stripes and PINs for the backend, many calls at a time.

It is started by the backend (`adapters.backend.card_checks`), has a login of its own at the same
token, and knows what one call is about and no more: no ledger, no database, no device. Its standard
input is a socket; it ends when the other side closes it. Beside the composition root, as it opens
the HSM that the settings choose.
"""

import logging
import os
import queue
import resource
import signal
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any, Final

import msgspec

from adapters import hsm_choice
from adapters.backend.card_questions import (
    KEYS,
    OPENED,
    PIN_REFUSED,
    Answer,
    Asked,
    Checked,
    Frames,
    Question,
    framed,
)
from adapters.backend.cryptography_checks import HsmChecks
from adapters.backend.hsm_lane import ANSWERED_S
from adapters.hsm.generations import Generations
from adapters.hsm.keys import Hsm
from adapters.hsm.softhsm import environment_of_others
from adapters.hsm.token import PinRefused
from adapters.settings import PREFIX, Settings, SettingsError
from application.ports import Unavailable
from protocol.errors import BodyError

log = logging.getLogger(__name__)
NO_HSM: Final = 4
"""The status with which it ends where the HSM is not there; another one may find it."""
_AT_ONCE: Final = 65_536


def greeting(settings: Settings) -> bytes:
    """What the process is told first: it opens the same HSM as the backend, and nothing else."""
    chosen: dict[str, Any] = {"home": settings.home, "pkcs11_module": settings.pkcs11_module}
    for each in fields(settings):
        if each.name.startswith("hsm_"):
            chosen[each.name] = getattr(settings, each.name)
    return framed(msgspec.to_builtins(chosen, enc_hook=str))


def environment() -> dict[str, str]:
    """What it is started with: a maker's module may need any of it, but our own settings, among
    them passwords of databases, are not for it."""
    return {
        name: value
        for name, value in environment_of_others().items()
        if not name.startswith(PREFIX)
    }


def _settings(greeted: bytes) -> Settings:
    found: Settings = msgspec.msgpack.decode(greeted, type=Settings, dec_hook=_decoded)
    return found


def _decoded(kind: type, value: Any) -> Any:
    assert kind is Path
    return Path(value)


class Service:
    """Takes questions as they come, and answers them in threads of its own."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._questions: queue.SimpleQueue[tuple[float, bytes]] = queue.SimpleQueue()
        self._writing = threading.Lock()
        self._read = msgspec.msgpack.Decoder(Question).decode

    def open(
        self, check: Callable[[Asked], Checked], generations: Generations, threads: int
    ) -> None:
        """The HSM is open: says so, and begins to answer by `check`, under the generations that
        each question names."""
        self._check = check
        self._generations = generations
        for place in range(threads):
            threading.Thread(target=self._run, name=f"hsm-{place}", daemon=True).start()
        self._send(Answer(OPENED, 0.0))

    def take(self, frames: Frames) -> None:
        """Until the other side closes; `frames` may hold the beginning of a question."""
        while chunk := self._connection.recv(_AT_ONCE):
            now_s = time.monotonic()
            for each in frames.take(chunk):
                self._questions.put((now_s, each))

    def _run(self) -> None:
        generations = self._generations
        while True:
            since_s, asked = self._questions.get()
            started_s = time.monotonic()
            if started_s - since_s > ANSWERED_S:
                continue  # who asked was told so; the next one may still be in time
            question = self._read(asked)
            for name, generation in zip(KEYS, question.generations, strict=True):
                generations.use(name, max(generation, generations.newest(name)))
            checked, refused = self._checked(question.asked)
            took_s = time.monotonic() - started_s
            self._send(Answer(question.number, took_s, checked, refused))

    def _checked(self, asked: Asked) -> tuple[Checked | None, tuple[str, str] | None]:
        try:
            return self._check(asked), None
        except BodyError as error:
            return None, (error.code, error.text)
        except Unavailable:
            return None, None
        except Exception as error:
            log.error("checking a card failed: %s", type(error).__name__)
            return None, None

    def _send(self, answer: Answer) -> None:
        message = framed(answer)
        with self._writing:
            try:
                self._connection.sendall(message)
            except OSError:
                pass  # the backend is gone, and so are we in a moment


def main(connection: socket.socket) -> None:
    """Until the other side closes, also while the HSM is being opened: a module may hang."""
    frames = Frames()
    greeted: list[bytes] = []
    while not greeted:
        chunk = connection.recv(_AT_ONCE)
        if not chunk:
            return
        greeted = frames.take(chunk)
    service = Service(connection)
    threading.Thread(target=_open, args=(service, greeted[0]), daemon=True).start()
    service.take(frames)


def _open(service: Service, greeted: bytes) -> None:
    """Ends the process with the status that says why, where the HSM does not open."""
    try:
        settings = _settings(greeted)
        token = hsm_choice.open_token(settings)
    except PinRefused as error:
        log.error("%s", error)
        os._exit(PIN_REFUSED)
    except Exception as error:
        known = isinstance(error, SettingsError | Unavailable)
        log.error("the HSM cannot be opened: %s", error if known else type(error).__name__)
        os._exit(NO_HSM)
    service.open(HsmChecks(Hsm(token)).check, token.generations, hsm_choice.threads(settings))


if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # it ends with the backend
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # it would hold a login and card numbers
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    with socket.socket(fileno=0) as standard_input:
        try:
            main(standard_input)
        except ConnectionError:
            pass
    os._exit(0)  # whatever its threads still wait for
