"""Records open once, in order, unchanged, at the right end of the right session, or not at all."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol import record
from protocol.errors import RecordError
from protocol.line import MAX_LINE, Line, encode, parse
from protocol.record import MAX_AGE_MS, Session
from tests.unit.protocol.sessions import opened
from tests.vectors.material import NOW_MS

BODIES = st.binary(max_size=400)


def refused(session: Session, raw: bytes) -> str:
    with pytest.raises(RecordError) as caught:
        session.open(parse(raw))
    return caught.value.code


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.booleans(), BODIES), max_size=12))
def test_both_directions_in_any_interleaving(sent: list[tuple[bool, bytes]]) -> None:
    client, server = opened()
    for up, body in sent:
        sender, receiver = (client, server) if up else (server, client)
        assert receiver.open(parse(sender.seal("D", "MENU", "peer", body))) == body


@settings(max_examples=150, deadline=None)
@given(BODIES, st.integers(0, 10**6), st.integers(1, 255))
def test_no_byte_of_a_record_can_change(body: bytes, at: int, change: int) -> None:
    client, server = opened()
    line = parse(client.seal("C", "AUTHORIZE", "backend", body))
    payload = bytearray(line.payload)
    payload[at % len(payload)] ^= change
    assert refused(server, encode(line._replace(payload=bytes(payload)))) == "bad-tag"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"kind": "D"}, "bad-tag"),
        ({"verb": "REVERSE"}, "bad-tag"),
        ({"to": "peer"}, "bad-tag"),
        ({"session": "0" * 32}, "wrong-session"),
        ({"session": "-"}, "wrong-session"),
        ({"sequence": 1}, "bad-sequence"),
        ({"payload": b"x"}, "bad-tag"),
        ({"payload": bytes(16)}, "bad-tag"),
    ],
)
def test_no_field_of_a_record_can_change(changes: dict[str, Any], code: str) -> None:
    client, server = opened()
    line = parse(client.seal("C", "AUTHORIZE", "backend", b"{}"))
    assert refused(server, encode(line._replace(**changes))) == code


def test_a_record_cannot_be_cut() -> None:
    client, server = opened()
    line = parse(client.seal("C", "AUTHORIZE", "backend", b'{"id":1}'))
    assert refused(server, encode(line._replace(payload=line.payload[:-1]))) == "bad-tag"


def test_replay_gap_and_reordering_are_refused() -> None:
    client, server = opened()
    first, second, third = (client.seal("C", "MENU", "backend", b"{}") for _ in range(3))
    server.open(parse(first))
    assert refused(server, first) == "bad-sequence"
    client, server = opened()
    assert refused(server, second) == "bad-sequence"
    client, server = opened()
    server.open(parse(first))
    assert refused(server, third) == "bad-sequence"


def test_a_record_cannot_be_sent_back_to_its_maker() -> None:
    client, _ = opened()
    own = client.seal("C", "MENU", "peer", b"{}")
    client.seal("C", "MENU", "peer", b"{}")
    # At the client the next incoming record is number 1, so its own number 1 is reflected.
    reflected = client.seal("C", "MENU", "peer", b"{}").replace(b" 2 ", b" 1 ")
    assert refused(client, reflected) == "bad-tag"
    assert own


def test_after_a_bad_record_nothing_opens_but_the_error_can_be_told() -> None:
    client, server = opened()
    good = client.seal("C", "MENU", "backend", b"{}")
    line = parse(good)
    assert refused(server, encode(line._replace(payload=bytes(20)))) == "bad-tag"
    assert refused(server, good) == "session-over"
    assert server.is_over(NOW_MS)
    assert client.open(parse(server.seal("I", "ERROR", "peer", b"{}"))) == b"{}"


def test_a_line_of_another_session_harms_nobody() -> None:
    client, server = opened()
    foreign = encode(Line("C", "MENU", "backend", "0" * 32, 0, bytes(20)))
    assert refused(server, foreign) == "wrong-session"
    assert server.open(parse(client.seal("C", "MENU", "backend", b"{}"))) == b"{}"


def test_a_session_ends_by_age_and_by_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record, "MAX_RECORDS", 3)
    client, server = opened()
    assert not client.is_over(NOW_MS + MAX_AGE_MS - 1)
    assert client.is_over(NOW_MS + MAX_AGE_MS)
    for _ in range(3):
        server.open(parse(client.seal("C", "MENU", "backend", b"{}")))
    assert client.is_over(NOW_MS)
    assert server.is_over(NOW_MS)
    with pytest.raises(RecordError, match="session-over"):
        client.seal("C", "MENU", "backend", b"{}")


def test_the_longest_body_and_one_more() -> None:
    client, server = opened()
    header = len(client.seal("C", "MENU", "backend", b"")) - len("x" * 22) - 1
    server_free = (MAX_LINE - header - 1) // 4 * 3 - 16
    body = b"x" * server_free
    client, server = opened()
    raw = client.seal("C", "MENU", "backend", body)
    assert MAX_LINE - 4 < len(raw) <= MAX_LINE
    assert server.open(parse(raw)) == body
    with pytest.raises(RecordError, match="line-too-long"):
        client.seal("C", "MENU", "backend", body + b"xxx")
    # What was too long did not use up a number.
    assert server.open(parse(client.seal("C", "MENU", "backend", b"{}"))) == b"{}"
