"""Signatures of payments, verified by a process of their own (`signature_process`).

Verifying one takes as long as everything else that the event loop does for a payment. A lone one is
verified at once, where it is; and so are all while that process is not there or has enough to do.
"""

import asyncio
import hashlib
import logging
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from adapters.backend.own_process import OwnProcess
from adapters.backend.signature_process import QUESTION_BYTES, YES, answer, question

log = logging.getLogger(__name__)
WAITING_MOST: Final = 1024
"""Signatures that the process may still have to answer for; more are verified at once."""


class Check(NamedTuple):
    """Whether `signature` (64 raw bytes) over `message` is by the key of `point` (SEC 1)."""

    point: bytes
    signature: bytes
    message: bytes


Done = Callable[[list[bool]], None]
_Asked = tuple[list[bytes], Done]


class SignatureChecks:
    """Lives in the event loop, where `done` is called too."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: list[_Asked] = []
        self._asked: deque[_Asked] = deque()
        self._unanswered = 0
        self._answers = bytearray()
        self._process = OwnProcess(
            loop,
            "signatures",
            "adapters.backend.signature_process",
            self,
            environment={},  # it needs none, and ours may hold a secret
        )

    @property
    def at_work(self) -> bool:
        """Whether the process is there."""
        return self._process.at_work

    def start(self) -> None:
        """Starts the process; it answers from a moment later on. In the event loop."""
        self._process.start()

    def stop(self) -> None:
        """Ends the process. For another thread, while the event loop runs."""
        self._process.stop()

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
        if not self._process.at_work or alone or self._unanswered > WAITING_MOST:
            _tell_all(waiting)
            return
        self._asked.extend(waiting)
        self._unanswered += sum(len(questions) for questions, _ in waiting)
        self._process.write(b"".join(b"".join(questions) for questions, _ in waiting))

    # What the process tells

    def started(self) -> bytes:
        """It needs to know nothing."""
        return b""

    def heard(self, data: bytes) -> None:
        """Answers, a byte each."""
        self._process.works()
        answers = self._answers
        answers += data
        self._unanswered -= len(data)
        at = 0
        while self._asked and len(answers) - at >= (count := len(self._asked[0][0])):
            _, done = self._asked.popleft()
            _tell(done, [each == YES for each in answers[at : at + count]])
            at += count
        del answers[:at]

    def lost(self) -> None:
        """The process is gone: what it did not answer is verified here."""
        unanswered = list(self._asked)
        self._asked.clear()
        self._answers.clear()
        self._unanswered = 0
        _tell_all(unanswered)


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
