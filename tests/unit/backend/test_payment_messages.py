"""The fast reader of AUTHORIZE refuses whatever the protocol's strict one refuses."""

import json
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.backend import payment_messages
from adapters.backend.payment_messages import read_authorize, to_phone, to_pos
from application.authorize import Decision
from protocol import bodies, messages
from protocol.contract import Contract
from protocol.errors import BodyError

STRIPE: dict[str, Any] = {
    "id": 7, "contract": "YQ", "signature": "a..b", "pin": True, "salt": "YQ",
    "track2": ";9840001234567892=29127250100112345678?",
}  # fmt: skip
PHONE: dict[str, Any] = {
    "id": 8, "contract": "YQ", "signature": "a..b", "pin": False, "consent": "c..d",
    "card_id": "01a20ada-2c00-8007-8000-000000000002",
    "track": {"box": "YQ", "nonce": "YQ", "session": "0123456789abcdef" * 2},
}  # fmt: skip
WITHOUT_END = json.dumps(STRIPE)[:-1].encode()

BAD = {
    "a key twice": WITHOUT_END + b',"pin":false}',
    "a key twice, one in disguise": WITHOUT_END + b',"p\\u0069n":false}',
    "a key twice in the track": json.dumps(PHONE).replace('"box"', '"box":"YQ","box"').encode(),
    "a key twice in something unknown": WITHOUT_END + b',"x":{"a":1,"a":2}}',
    "an id of 29 digits": json.dumps(STRIPE | {"id": int("9" * 29)}).encode(),
    "an id of more than 64 bits": json.dumps(STRIPE | {"id": 1 << 63}).encode(),
    "a large number in something unknown": WITHOUT_END + b',"x":' + b"9" * 29 + b"}",
    "lists in lists": WITHOUT_END + b',"x":' + b"[" * 20_000 + b"]" * 20_000 + b"}",
    "lists in lists for an id": b'{"id":' + b"[" * 20_000,
    "objects in objects": WITHOUT_END + b',"x":' + b'{"a":' * 20_000 + b"1" + b"}" * 20_001,
    "no UTF-8 in something unknown": WITHOUT_END + b',"x":"\xff"}',
    "half a surrogate": WITHOUT_END + b',"x":"\\ud800"}',
    "a track of another type": json.dumps(PHONE | {"track": {"box": 7}}).encode(),
}


@pytest.mark.parametrize("body", BAD.values(), ids=list(BAD))
def test_what_the_protocol_forbids_is_a_bad_body(body: bytes) -> None:
    with pytest.raises(BodyError) as refused:
        read_authorize(body)
    assert refused.value.code == "bad-body"


@pytest.mark.parametrize("body", [STRIPE, PHONE, STRIPE | {"new": [1, {"a": None}]}])
def test_good_ones_are_read(body: dict[str, Any]) -> None:
    assert read_authorize(json.dumps(body).encode()).id == body["id"]


@pytest.mark.parametrize("body", [STRIPE, PHONE])
def test_usual_ones_do_without_the_strict_reader(
    body: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(payment_messages, "bodies", None)
    read_authorize(json.dumps(body, separators=(",", ":")).encode())


_MEMBERS = st.sampled_from([*STRIPE, *PHONE, "x", "p\\u0069n"])
_VALUES = st.sampled_from(
    [
        '"YQ"',
        '":"',
        "7",
        "1.0",
        "1e2",
        "true",
        "null",
        "[]",
        "{}",
        '{"box":"a","box":"b"}',
        "9" * 21,
    ]
)


@given(st.sampled_from([STRIPE, PHONE]), st.lists(st.tuples(_MEMBERS, _VALUES), max_size=3))
def test_nothing_passes_here_that_the_strict_reader_refuses(
    good: dict[str, Any], more: list[tuple[str, str]]
) -> None:
    body = "".join([json.dumps(good)[:-1], *(f',"{key}":{value}' for key, value in more), "}"])
    try:
        read_authorize(body.encode())
    except BodyError:
        return
    bodies.read(body.encode(), messages.Authorize)


def test_a_moment_is_told_in_milliseconds_never_too_early() -> None:
    no = Decision(
        transaction_id=UUID(int=1), approved=False, code="61", reason="daily-limit", text="",
        amount_cents=5, would_pass_cents=0, decided_us=1, passes_at_us=1_795_586_400_000_001,
    )  # fmt: skip
    contract = Contract(
        amount_cents=5, card=b"", counter=1, currency="USD", expires_ms=2, items=b"", ms=1,
        session=b"", shop=UUID(int=2), terminal=UUID(int=3),
    )  # fmt: skip
    for body in (to_pos(7, contract, no), to_phone(contract, no)):
        told = bodies.read(body, messages.Decision)
        assert told["passes_at_ms"] == 1_795_586_400_001
