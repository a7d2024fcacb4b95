"""A terminal may leave only so many notes of reversals that found nothing."""

import os
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID, uuid4

from adapters.backend.reversals import NOTES_MOST, NotesLeft, Reversals
from application.reverse import Reversal
from application.work import Work
from protocol.encoding import b64


class Terminal:
    def __init__(self) -> None:
        self.subject_id, self.who, self.outstanding = uuid4(), "pos:x", 0
        self.heard: list[str] = []

    def error(self, code: str, request: int, text: str = "") -> None:
        self.heard.append(code)

    def reply(self, kind: str, verb: str, body: dict[str, Any]) -> None:
        self.heard.append(body["state"])


def _at_once(job: Callable[[], Any], done: Callable[[Any], None]) -> bool:
    done(job())
    return True


def reversals(answer: Reversal) -> Reversals:
    lane = SimpleNamespace(healthy=True, submit=_at_once)

    def submit(work: Work, done: Callable[[Any], None]) -> bool:
        done(answer)
        return True

    return Reversals(cast(Any, lane), lambda pan: (b"d" * 32,), submit, uuid4())


def ask(made: Reversals, terminal: Terminal, times: int) -> None:
    for number in range(times):
        body = {
            "id": number,
            "counter": number + 1,
            "ms": 1,
            "contract_hash": b64(os.urandom(32)),
            "pan": "9840001234567892",
            "why": "no-answer",
        }
        made.received(cast(Any, terminal), cast(Any, body))


def test_a_terminal_that_takes_back_what_never_was_is_told_to_wait() -> None:
    nothing = Reversal(
        transaction_id=UUID(int=0), state="nothing-to-reverse", amount_cents=0, noted=True
    )
    made, thief, honest = reversals(nothing), Terminal(), Terminal()
    ask(made, thief, NOTES_MOST + 50)
    assert thief.heard[:NOTES_MOST] == ["nothing-to-reverse"] * NOTES_MOST
    assert "rate-limited" in thief.heard
    ask(made, honest, 1)
    assert honest.heard == ["nothing-to-reverse"]
    assert thief.outstanding == 0


def test_reversals_of_payments_that_were_cost_nothing() -> None:
    made, terminal = (
        reversals(Reversal(transaction_id=UUID(int=1), state="reversed", amount_cents=100)),
        Terminal(),
    )
    ask(made, terminal, NOTES_MOST + 50)
    assert set(terminal.heard) == {"reversed"}


def test_in_time_it_may_leave_some_again() -> None:
    now_s = [0.0]
    notes, terminal = NotesLeft(lambda: now_s[0]), uuid4()
    for _ in range(NOTES_MOST):
        notes.spend(terminal)
    assert notes.left(terminal) == 0
    now_s[0] = 10.0
    assert notes.left(terminal) == 10
    now_s[0] = 1e6
    assert notes.left(terminal) == NOTES_MOST
