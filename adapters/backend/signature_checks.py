"""Signatures of payments, verified by a process of their own (`signature_process`).

Verifying one takes as long as everything else that the event loop does for a payment. A lone one is
verified at once, where it is; and so are all while that process is not there or has enough to do.
"""

import asyncio
import hashlib
import logging
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, cast

from adapters.backend.signature_process import QUESTION_BYTES, YES, answer, question

log = logging.getLogger(__name__)
WAITING_MOST: Final = 1024
"""Signatures that the process may still have to answer for; more are verified at once."""
_AGAIN_S: Final = 1.0
_STOP_S: Final = 5.0


class Check(NamedTuple):
    """Whether `signature` (64 raw bytes) over `message` is by the key of `point` (SEC 1)."""

    point: bytes
    signature: bytes
    message: bytes


Done = Callable[[list[bool]], None]
_Asked = tuple[list[bytes], Done]


class SignatureChecks(asyncio.Protocol):
    """Lives in the event loop, where `done` is called too."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: list[_Asked] = []
        self._asked: deque[_Asked] = deque()
        self._unanswered = 0
        self._answers = bytearray()
        self._process: subprocess.Popen[bytes] | None = None
        self._transport: asyncio.WriteTransport | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._stopping = False

    @property
    def at_work(self) -> bool:
        """Whether the process is there."""
        return self._transport is not None

    def start(self) -> None:
        """Starts the process; it answers from a moment later on. In the event loop."""
        ours, theirs = socket.socketpair()
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "adapters.backend.signature_process"],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                env={},  # it needs none, and ours may hold a secret
            )
        except OSError as error:
            ours.close()
            log.error("no process for signatures: %s", error.strerror)
            self._loop.call_later(_AGAIN_S, self._start_again)
            return
        finally:
            theirs.close()
        self._connecting = self._loop.create_task(self._connect(ours))

    async def _connect(self, ours: socket.socket) -> None:
        await self._loop.create_connection(lambda: self, sock=ours)

    def stop(self) -> None:
        """Ends the process. For another thread, while the event loop runs."""
        self._stopping = True
        self._loop.call_soon_threadsafe(self._close)
        if self._process is not None:
            try:
                self._process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def _close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def submit(self, checks: Sequence[Check], done: Done) -> None:
        """Has checks made; `done` is given what became of each."""
        self._waiting.append(([_question(check) for check in checks], done))
        if len(self._waiting) == 1:
            self._loop.call_soon(self._go)

    def at_once(self, checks: Sequence[Check], done: Done) -> None:
        """The same without waiting for others."""
        _tell(done, [_answer(_question(check)) for check in checks])

    def _go(self) -> None:
        """Everything that came in one turn of the loop."""
        waiting, self._waiting = self._waiting, []
        alone = len(waiting) == 1 and not self._unanswered
        if self._transport is None or alone or self._unanswered > WAITING_MOST:
            _tell_all(waiting)
            return
        self._asked.extend(waiting)
        self._unanswered += sum(len(questions) for questions, _ in waiting)
        self._transport.write(b"".join(b"".join(questions) for questions, _ in waiting))

    # What the connection tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The process can be asked."""
        self._transport = cast(asyncio.WriteTransport, transport)
        if self._stopping:
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        """Answers, a byte each."""
        answers = self._answers
        answers += data
        self._unanswered -= len(data)
        at = 0
        while self._asked and len(answers) - at >= (count := len(self._asked[0][0])):
            _, done = self._asked.popleft()
            _tell(done, [each == YES for each in answers[at : at + count]])
            at += count
        del answers[:at]

    def connection_lost(self, _error: Exception | None) -> None:
        """The process is gone: what it did not answer is verified here."""
        self._transport = None
        unanswered = list(self._asked)
        self._asked.clear()
        self._answers.clear()
        self._unanswered = 0
        if not self._stopping:
            log.error("the process for signatures is gone: %d are verified here", len(unanswered))
            self._loop.call_later(_AGAIN_S, self._start_again)
        _tell_all(unanswered)

    def _start_again(self) -> None:
        if self._process is not None:
            self._process.poll()
        if not self._stopping:
            self.start()


def _question(check: Check) -> bytes:
    asked = question(check.point, check.signature, hashlib.sha256(check.message).digest())
    assert len(asked) == QUESTION_BYTES, "the next answers would be another's"
    return asked


def _answer(asked: bytes) -> bool:
    return answer(asked) == YES


def _tell_all(asked: list[_Asked]) -> None:
    for questions, done in asked:
        _tell(done, [_answer(each) for each in questions])


def _tell(done: Done, results: list[bool]) -> None:
    try:
        done(results)
    except Exception:
        log.exception("after a signature")
