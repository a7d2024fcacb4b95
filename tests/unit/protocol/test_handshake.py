"""The handshake succeeds only between the two that meant each other, with every byte intact."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.certificates import ENROLLEE, ROLES, ROLES_OF_TLS_CLASS
from protocol.errors import HandshakeError, LineError, PeerError, ProtocolError, RecordError
from protocol.handshake import Identity, Initiator, Responder
from protocol.line import Line, encode, error_line, parse
from protocol.record import Session
from tests.unit.protocol.sessions import (
    BACKEND,
    POS,
    initiator,
    messages,
    opened,
    responder,
)
from tests.vectors.material import NOW_MS, fixed, holder, party, signer, trust
from tests.vectors.stranger import Self

M1, M2, M3, M4 = messages()
PIECES = st.integers(0, 10**6)


def whole_handshake(m1: bytes, m2: bytes, m3: bytes, m4: bytes) -> None:
    """Feeds these lines to fresh ends; raises unless both come to an open session."""
    first, second = initiator(), responder()
    first.hello()
    second.answer(parse(m1))
    first.prove(parse(m2))
    second.finish(parse(m3), {"pos"})
    first.ready(parse(m4))


def test_both_ends_agree() -> None:
    whole_handshake(M1, M2, M3, M4)
    client, server = opened()
    assert client.t4 == server.t4
    assert (client.pin, client.export) == (server.pin, server.export)
    assert client.peer.role == "backend"
    assert server.peer.subject_id == trust().verify(POS.chain_der, NOW_MS).subject_id
    assert "pos" in repr(server)
    assert server.export.hex() not in repr(server)


def test_two_handshakes_share_nothing() -> None:
    def one() -> Any:
        first = Initiator(POS, trust(), "backend", "backend", NOW_MS)
        second = Responder(BACKEND, trust(), NOW_MS)
        m3 = first.prove(parse(second.answer(parse(first.hello()))))
        return second.finish(parse(m3), {"pos"})

    left, right = one(), one()
    for name in ("id", "t4", "pin", "export"):
        assert getattr(left, name) != getattr(right, name)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 3), PIECES, st.integers(1, 255))
def test_any_changed_byte_on_the_way_ends_the_handshake(which: int, at: int, change: int) -> None:
    lines = [M1, M2, M3, M4]
    raw = bytearray(lines[which])
    raw[at % (len(raw) - 1)] ^= change
    lines[which] = bytes(raw)
    _ends_for_both(which, lines)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 3), PIECES, st.integers(0, 255))
def test_any_changed_byte_of_a_payload_ends_the_handshake(which: int, at: int, value: int) -> None:
    lines = [M1, M2, M3, M4]
    line = parse(lines[which])
    payload = bytearray(line.payload)
    if payload[at % len(payload)] == value:
        value ^= 1
    payload[at % len(payload)] = value
    lines[which] = encode(line._replace(payload=bytes(payload)))
    _ends_for_both(which, lines)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 3), PIECES)
def test_a_cut_message_ends_the_handshake(which: int, at: int) -> None:
    lines = [M1, M2, M3, M4]
    lines[which] = lines[which][: at % (len(lines[which]) - 1)]
    _ends_for_both(which, lines)


def _ends_for_both(which: int, lines: list[bytes]) -> None:
    """With one message changed on the way, the end that reads it (or, for M1, the other end
    that reads the answer) refuses; a session never comes to be at both."""
    first, second = initiator(), responder()
    first.hello()
    codes = {
        "malformed", "not-utf8", "out-of-turn", "wrong-session", "wrong-role", "wrong-peer",
        "weak-key", "bad-tag", "bad-sequence", "unsupported-version", "unsupported-suite",
    }  # fmt: skip

    def run() -> None:
        if which == 0:
            first.prove(parse(second.answer(parse(lines[0]))))
        second.answer(parse(M1))
        first.prove(parse(lines[1]))
        second.finish(parse(lines[2]), {"pos"})
        first.ready(parse(lines[3]))

    with pytest.raises(ProtocolError) as caught:
        run()
    assert caught.value.code in codes


def test_messages_come_once_and_in_order() -> None:
    for wrong in (M2, M3, M4):
        with pytest.raises(HandshakeError, match="out-of-turn"):
            responder().answer(parse(wrong))
    second = responder()
    second.answer(parse(M1))
    with pytest.raises(HandshakeError, match="out-of-turn"):
        second.answer(parse(M1))
    with pytest.raises(HandshakeError, match="out-of-turn"):
        second.finish(parse(M3), {"pos"})
    with pytest.raises(HandshakeError, match="out-of-turn"):
        initiator().prove(parse(M2))
    first = initiator()
    first.hello()
    with pytest.raises(HandshakeError, match="out-of-turn"):
        first.hello()


def test_a_refused_message_cannot_be_tried_again() -> None:
    second = responder()
    second.answer(parse(M1))
    with pytest.raises(HandshakeError, match="out-of-turn"):
        second.finish(parse(M1), {"pos"})
    with pytest.raises(HandshakeError, match="out-of-turn"):
        second.finish(parse(M3), {"pos"})


def test_a_recorded_handshake_is_worthless() -> None:
    later = Responder(BACKEND, trust(), NOW_MS)
    later.answer(parse(M1))
    with pytest.raises(HandshakeError, match="wrong-session"):
        later.finish(parse(M3), {"pos"})
    # Even if the responder took the same name again:
    third = Responder(
        BACKEND, trust(), NOW_MS, random=_named(fixed("test responder").name, "another")
    )
    third.answer(parse(M1))
    with pytest.raises(HandshakeError, match="bad-tag"):
        third.finish(parse(M3), {"pos"})


def _named(name: bytes, vector: str) -> Any:
    return replace(fixed(vector), name=name)


def test_the_tls_class_decides_which_roles_may_come() -> None:
    for tls_class, roles in ROLES_OF_TLS_CLASS.items():
        second = responder()
        second.answer(parse(M1))
        if "pos" in roles:
            assert second.finish(parse(M3), roles).peer.role == "pos"
        else:
            with pytest.raises(HandshakeError, match="wrong-class"):
                second.finish(parse(M3), roles)
        assert roles <= ROLES | {ENROLLEE}, tls_class


def test_an_enrolled_device_cannot_pose_as_the_backend() -> None:
    pos = party("card")
    thief = Self("backend", pos.chain, signer("card"), bytes(range(32)), bytes(32), bytes(8))
    first = initiator()
    with pytest.raises(HandshakeError, match="wrong-role"):
        first.prove(parse(thief.answer(first.hello(), {})))


def test_the_backend_is_not_taken_for_a_terminal() -> None:
    first = Initiator(party("card").identity, trust(), party("pos").subject_id, "pos", NOW_MS)
    backend = party("backend")
    m2 = Self(
        "backend", backend.chain, signer("backend"), bytes(range(32)), bytes(32), bytes(8)
    ).answer(first.hello(), {})
    with pytest.raises(HandshakeError, match="wrong-role"):
        first.prove(parse(m2))


def test_another_terminal_is_not_the_one_that_was_called() -> None:
    card, called, other = party("card"), party("pos"), holder("other pos", "pos")
    first = Initiator(card.identity, trust(), called.subject_id, "pos", NOW_MS)
    second = Responder(other.identity, trust(), NOW_MS)
    with pytest.raises(HandshakeError, match="wrong-peer"):
        first.prove(parse(second.answer(parse(first.hello()))))


def test_a_terminal_admits_cards_only() -> None:
    pos, operator = party("pos"), party("operator")
    first = Initiator(operator.identity, trust(), pos.subject_id, "pos", NOW_MS)
    second = Responder(pos.identity, trust(), NOW_MS)
    m3 = first.prove(parse(second.answer(parse(first.hello()))))
    assert second.claimed_role == "operator"
    with pytest.raises(HandshakeError, match="wrong-class"):
        second.finish(parse(m3), {"card"})


def test_two_of_one_role_never_talk() -> None:
    pos, other = party("pos"), holder("other pos", "pos")
    first = Initiator(other.identity, trust(), pos.subject_id, "pos", NOW_MS)
    with pytest.raises(HandshakeError, match="wrong-role"):
        Responder(pos.identity, trust(), NOW_MS).answer(parse(first.hello()))


def test_identities_cannot_be_misbound() -> None:
    """Somebody in the middle passes M1 and M2 on, and puts its own name to M3: it lacks the
    keys, so it cannot seal any proof; and with keys of its own, M2 is not for it."""
    thief = party("card")
    first = Self("pos", thief.chain, signer("card"), bytes(range(32)), bytes(32), bytes(8))
    first.hello("backend")
    second = responder()
    second.answer(parse(M1))
    m3 = first.prove(M2, "backend")
    with pytest.raises(HandshakeError, match="bad-tag"):
        second.finish(parse(m3), ROLES)


def test_revocation_and_expiry_are_seen_by_both_ends() -> None:
    pos, backend = (trust().verify(each.chain_der, NOW_MS) for each in (POS, BACKEND))
    first = Initiator(POS, trust(backend.serial), "backend", "backend", NOW_MS)
    with pytest.raises(HandshakeError, match="revoked-certificate"):
        first.prove(parse(responder().answer(parse(first.hello()))))
    second = Responder(BACKEND, trust(pos.serial), NOW_MS, random=fixed("test responder"))
    second.answer(parse(M1))
    with pytest.raises(HandshakeError, match="revoked-certificate"):
        second.finish(parse(M3), {"pos"})
    late = Responder(
        BACKEND, trust(), NOW_MS + 10 * 366 * 86_400_000, random=fixed("test responder")
    )
    late.answer(parse(M1))
    with pytest.raises(HandshakeError, match="expired-certificate"):
        late.finish(parse(M3), {"pos"})


def test_an_error_line_instead_of_an_answer_is_told() -> None:
    first = initiator()
    first.hello()
    with pytest.raises(PeerError) as caught:
        first.prove(parse(error_line("unavailable")))
    assert caught.value.code == "unavailable"
    first = initiator()
    first.hello()
    first.prove(parse(M2))
    with pytest.raises(PeerError, match="revoked-certificate"):
        first.ready(parse(error_line("revoked-certificate")))


def _renamed(session: Session) -> bytes:
    return session.seal("I", "READY", "backend", b"{}").replace(b"backend", b"peer")


@pytest.mark.parametrize(
    ("make", "error", "code"),
    [
        (lambda s: s.seal("D", "READY", "peer", b"{}"), HandshakeError, "out-of-turn"),
        (lambda s: s.seal("I", "STATUS", "peer", b"{}"), HandshakeError, "out-of-turn"),
        (lambda s: s.seal("I", "READY", "peer", b"[]"), HandshakeError, "bad-body"),
        (_renamed, RecordError, "bad-tag"),
    ],
)
def test_ready_must_be_ready_and_json(
    make: Callable[[Session], bytes], error: type[ProtocolError], code: str
) -> None:
    first, second = initiator(), responder()
    m3 = first.prove(parse(second.answer(parse(first.hello()))))
    server = second.finish(parse(m3), {"pos"})
    with pytest.raises(error, match=code):
        first.ready(parse(make(server)))


def test_ready_must_be_the_very_first_record() -> None:
    first, second = initiator(), responder()
    m3 = first.prove(parse(second.answer(parse(first.hello()))))
    server = second.finish(parse(m3), {"pos"})
    server.seal("I", "READY", "peer", b"{}")
    with pytest.raises(HandshakeError, match="out-of-turn"):
        first.ready(parse(server.seal("I", "READY", "peer", b"{}")))


def test_an_identity_with_a_foreign_key_is_refused() -> None:
    """The right certificate, the wrong private key."""
    false = Identity("pos", POS.chain_der, signer("other"))
    first = Initiator(false, trust(), "backend", "backend", NOW_MS)
    second = responder()
    m3 = first.prove(parse(second.answer(parse(first.hello()))))
    with pytest.raises(HandshakeError, match="bad-signature"):
        second.finish(parse(m3), {"pos"})


@settings(max_examples=100, deadline=None)
@given(st.binary(min_size=1, max_size=200))
def test_garbage_in_a_handshake_line_is_refused(payload: bytes) -> None:
    line = Line("C", "HELLO", "backend", "0" * 16, 0, payload)
    with pytest.raises((HandshakeError, LineError)):
        responder().answer(line)
    first = initiator()
    first.hello()
    with pytest.raises((HandshakeError, LineError)):
        first.prove(Line("D", "HELLO", "peer", first.offer + "0" * 16, 0, payload))


def test_a_stranger_can_call_and_be_called() -> None:
    """The second implementation, written from the document, against this one."""
    backend, pos = party("backend"), party("pos")
    caller = Self("pos", pos.chain, signer("pos"), bytes(range(32)), bytes(32), bytes(8))
    second = responder()
    m1 = caller.hello("backend")
    m3 = caller.prove(second.answer(parse(m1)), "backend")
    server = second.finish(parse(m3), {"pos"})
    ready = server.seal("I", "READY", "peer", b'{"time_ms":1}')
    assert caller.open("responder", ready) == b'{"time_ms":1}'
    for body in (b'{"id":1}', b'{"id":2}'):
        assert server.open(parse(caller.seal("initiator", "C", "MENU", "backend", body))) == body

    called = Self(
        "backend", backend.chain, signer("backend"), bytes(range(32)), bytes(32), bytes(8)
    )
    first = initiator()
    called.finish(first.prove(parse(called.answer(first.hello(), {}))))
    client, _ = first.ready(parse(called.seal("responder", "I", "READY", "peer", b"{}")))
    assert called.open("initiator", client.seal("C", "MENU", "backend", b"{}")) == b"{}"
