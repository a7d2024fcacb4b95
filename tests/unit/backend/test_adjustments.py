"""Signed requests of devices: only what that device signed, for that verb, reaches the engine."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID, uuid4

import pytest

from adapters.backend.adjustments import Adjustments
from adapters.backend.contests import Contests
from adapters.backend.sessions import OUTSTANDING_MOST
from application.adjust import Adjust, Adjustment
from application.contest import Contest
from application.work import UNAVAILABLE, Work
from domain.answers import refusal
from protocol.adjustment import TYP_ADJUST
from protocol.certificates import Trust
from protocol.detached import sign_detached
from protocol.encoding import b64, from_json, to_json
from protocol.line import Line
from tests.unit.protocol.test_vectors import FILES, NOW_MS, ROOT, chain
from tests.vectors.material import party, signer

FILE = FILES["adjustment.json"]


AHEAD_US = NOW_MS * 1000 + 400 * 86_400_000_000


def ahead_us() -> int:
    """A sandbox's clock, far ahead of the machine's."""
    return AHEAD_US


class Device:
    """A peer with a session, and what it hears."""

    def __init__(self, role: str) -> None:
        self.certificate = Trust(ROOT).verify(chain(role), NOW_MS)
        self.session = SimpleNamespace(peer=self.certificate)
        self.subject_id, self.who, self.outstanding = self.certificate.subject_id, "x", 0
        self.heard: list[Any] = []

    def error(self, code: str, request: int, text: str = "") -> None:
        self.heard.append(code)

    def reply(self, kind: str, verb: str, body: dict[str, Any]) -> None:
        self.heard.append(body)


class Engine:
    """Takes works, and answers the next one as told."""

    def __init__(self, answer: Any = None) -> None:
        self.answer = answer
        self.works: list[Any] = []
        self.full = False

    def submit(self, work: Work, done: Callable[[Any], None]) -> bool:
        if self.full:
            return False
        self.works.append(work)
        done(self.answer)
        return True


def signed(request: bytes, signature: str) -> bytes:
    return to_json({"id": 3, "request": b64(request), "signature": signature})


def refund(device: Device, engine: Engine, verb: str = "REFUND", **changes: Any) -> None:
    asked = {**from_json(FILE["adjustment"].encode()), **changes}
    raw = to_json(asked)
    jws = FILE["adjustment_signature"]
    if changes:
        jws = sign_detached(raw, TYP_ADJUST, party("pos").kid, signer("pos"))
    _send(device, engine, verb, raw, jws)


def _send(device: Device, engine: Engine, verb: str, raw: bytes, jws: str) -> None:
    line = Line("C", verb, "backend", "s", 1, b"")
    Adjustments(engine.submit, uuid4(), ahead_us).received(
        cast(Any, device), line, signed(raw, jws)
    )
    assert device.outstanding in (0, OUTSTANDING_MOST)


def test_what_the_terminal_signed_goes_to_the_engine_and_its_answer_back() -> None:
    device = Device("pos")
    payment = UUID(from_json(FILE["adjustment"].encode())["transaction"])
    engine = Engine(
        Adjustment(
            transaction_id=payment, action="REFUND", done=True, code="00", reason="approved",
            text="Refunded.", amount_cents=450, net_cents=800,
        )
    )  # fmt: skip
    refund(device, engine)
    (work,) = engine.works
    assert isinstance(work, Adjust)
    assert work.ask.signed.request == FILE["adjustment"].encode()
    assert work.ask.amount_cents == 450
    assert work.deadline_us > AHEAD_US, "the engine's clock says when it is too late"
    (told,) = device.heard
    assert (told["state"], told["net_cents"], told["transaction"]) == ("done", 800, str(payment))


@pytest.mark.parametrize(
    ("verb", "changes", "code"),
    [
        ("VOID", {}, "bad-body"),
        ("REFUND", {"terminal": str(uuid4())}, "wrong-peer"),
        ("REFUND", {"amount_cents": 0}, "bad-body"),
        ("REFUND", {"more": 1}, "bad-body"),
    ],
)
def test_what_no_honest_terminal_sends_is_refused(
    verb: str, changes: dict[str, Any], code: str
) -> None:
    device, engine = Device("pos"), Engine()
    refund(device, engine, verb, **changes)
    assert (device.heard, engine.works) == ([code], [])


def test_bytes_that_were_changed_or_signed_for_something_else_are_refused() -> None:
    engine = Engine()
    raw, jws = FILE["adjustment"].encode(), FILE["adjustment_signature"]
    contract = FILES["contract.json"]
    for request, signature, code in (
        (raw.replace(b"450", b"950"), jws, "bad-signature"),
        (raw, contract["pos_signature"], "wrong-signer"),
        (raw, FILE["dispute_signature"], "wrong-signer"),
        (raw, "", "bad-signature"),
    ):
        device = Device("pos")
        _send(device, engine, "REFUND", request, signature)
        assert device.heard == [code]
    assert engine.works == []


@pytest.mark.parametrize("answer", [UNAVAILABLE, None])
def test_an_engine_that_cannot_decide_is_told_as_such(answer: Any) -> None:
    device, engine = Device("pos"), Engine(answer)
    refund(device, engine)
    engine.full = True
    refund(device, engine)
    device.outstanding = OUTSTANDING_MOST
    refund(device, engine)
    assert device.heard == ["unavailable", "unavailable", "busy"]


def test_a_dispute_is_the_card_s_own_or_none() -> None:
    raw, jws = FILE["dispute"].encode(), FILE["dispute_signature"]
    device, engine = Device("card"), Engine(refusal("25", "unknown-transaction"))
    Contests(engine.submit, uuid4(), ahead_us).received(cast(Any, device), signed(raw, jws))
    assert isinstance(engine.works[0], Contest)
    assert engine.works[0].deadline_us > AHEAD_US
    assert (device.heard[0]["state"], device.heard[0]["code"]) == ("refused", "25")
    stranger = Device("card")
    stranger.subject_id = uuid4()
    Contests(engine.submit, uuid4(), ahead_us).received(cast(Any, stranger), signed(raw, jws))
    assert stranger.heard == ["wrong-peer"]
    assert len(engine.works) == 1
