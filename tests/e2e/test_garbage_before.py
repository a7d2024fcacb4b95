"""Garbage before there is a session: `I ERROR` with a code, and nobody else notices anything."""

import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from protocol.encoding import b64, from_json, to_json
from protocol.handshake import Identity
from protocol.line import MAX_LINE, Line, encode, parse
from protocol.signature import software_signer
from tests.e2e.raw_line import RawLine, another_id
from tests.e2e.scene import SESSION, Scene, prove
from tests.unit.devices.authority import Authority

RECORD = encode(Line("C", "AUTHORIZE", "backend", SESSION, 0, b"x" * 64))


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    """A terminal of somebody else's authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    authority = Authority(tmp_path_factory.mktemp("foreign"))
    return Identity("pos", authority.leaf("pos", uuid4(), key.public_key()), software_signer(key))


# --- Before there is a session ---

CONTROL = [
    b"1 @DROP busy\n",
    b"0 @PONG\n",
    b"1 @BIND 01890000-0000-8000-8000-000000000001 pos\n",
]
AT_THE_DOOR: list[tuple[str, bytes, str]] = [
    ("nothing", b"\n", "malformed"),
    ("a web browser", b"GET / HTTP/1.1\r\n", "malformed"),
    ("zeros", bytes(64) + b"\n", "malformed"),
    ("no text", b"\xff\xfe\xfd\n", "not-utf8"),
    ("half a character", b"TR1 \xc3\x28\n", "not-utf8"),
    ("another version", b"TR2" + RECORD[3:], "malformed"),
    ("half a line", RECORD[:40] + b"\n", "malformed"),
    ("a record without a session", RECORD, "not-bound"),
    ("a call", RECORD.replace(b"backend", str(another_id()).encode()), "not-bound"),
    ("a line to a peer", RECORD.replace(b"backend", b"peer"), "not-bound"),
    *((f"the link's own word {n}", word, "malformed") for n, word in enumerate(CONTROL, 1)),
]


@pytest.mark.parametrize(("raw", "code"), [case[1:] for case in AT_THE_DOOR],
                         ids=[case[0] for case in AT_THE_DOOR])  # fmt: skip
def test_a_bad_line_is_refused_and_a_good_one_still_taken(
    scene: Scene, raw: bytes, code: str
) -> None:
    async def scenario() -> None:
        async with RawLine.connected(scene.device) as line:
            line.write(raw)
            assert (await line.heard()).code == code
            await line.shake_hands()
            assert await line.still_serves()

    scene.play(scenario())


@pytest.mark.parametrize("raw", [b"A" * (MAX_LINE + 1), b"A" * MAX_LINE + b"\n"])
def test_a_line_too_long_ends_the_connection(scene: Scene, raw: bytes) -> None:
    async def scenario() -> None:
        for open_it in (RawLine.connected, RawLine.in_session):
            async with open_it(scene.device) as line:
                line.write(raw)
                assert (await line.heard()).code == "line-too-long"
                assert await line.ended()

    scene.play(scenario())


# --- Handshakes ---


def hello(line: RawLine, **changes: Any) -> bytes:
    """M1 with members of its object changed (None: taken out) or its line's fields."""
    good = parse(line.initiator().hello())
    body = {**from_json(good.payload), **changes}
    return encode(good._replace(payload=to_json({k: v for k, v in body.items() if v is not None})))


def hello_line(line: RawLine, **fields: Any) -> bytes:
    """M1 with fields of its line changed."""
    return encode(parse(line.initiator().hello())._replace(**fields))


HELLOS: list[tuple[str, Callable[[RawLine], bytes], str]] = [
    ("no object", lambda line: hello_line(line, payload=b"[]"), "malformed"),
    ("no JSON", lambda line: hello_line(line, payload=os.urandom(100)), "malformed"),
    ("cut off", lambda line: hello_line(line, payload=hello(line)[80:120]), "malformed"),
    ("too large", lambda line: hello(line, nonce="A" * 2000), "malformed"),
    ("version 2", lambda line: hello(line, version=2), "unsupported-version"),
    ("another suite", lambda line: hello(line, suite="NULL"), "unsupported-suite"),
    ("a member more", lambda line: hello(line, more=1), "malformed"),
    ("a member less", lambda line: hello(line, nonce=None), "malformed"),
    ("our own role", lambda line: hello(line, role="backend"), "wrong-role"),
    ("an unknown role", lambda line: hello(line, role="emperor"), "wrong-role"),
    ("a role of another type", lambda line: hello(line, role=["pos"]), "wrong-role"),
    ("an all-zero key", lambda line: hello(line, ephemeral=b64(bytes(32))), "weak-key"),
    ("a short key", lambda line: hello(line, ephemeral=b64(bytes(31))), "malformed"),
    ("kind D", lambda line: hello_line(line, kind="D"), "out-of-turn"),
    ("sequence 1", lambda line: hello_line(line, sequence=1), "out-of-turn"),
    ("a whole session", lambda line: hello_line(line, session=SESSION), "wrong-session"),
    ("PROVE first", lambda line: prove(), "out-of-turn"),
]


@pytest.mark.parametrize(("make", "code"), [case[1:] for case in HELLOS],
                         ids=[case[0] for case in HELLOS])  # fmt: skip
def test_a_bad_hello_is_refused(scene: Scene, make: Callable[[RawLine], bytes], code: str) -> None:
    async def scenario() -> None:
        async with RawLine.connected(scene.device) as line:
            line.write(make(line))
            assert (await line.heard()).code == code
            assert await line.ended()

    scene.play(scenario())


def _twice(line: RawLine, _m2: Line) -> bytes:
    return line.initiator().hello()


def _other_session(line: RawLine, _m2: Line) -> bytes:
    return prove()


def _noise(line: RawLine, m2: Line) -> bytes:
    return prove(m2.session, os.urandom(900))


def _one_byte(line: RawLine, m2: Line) -> bytes:
    return prove(m2.session, b"x")


def _kind_d(line: RawLine, m2: Line) -> bytes:
    return prove(m2.session).replace(b" C ", b" D ")


PROOFS: list[tuple[str, Callable[[RawLine, Line], bytes], str]] = [
    ("HELLO again", _twice, "out-of-turn"),
    ("of another session", _other_session, "wrong-session"),
    ("noise", _noise, "bad-tag"),
    ("one byte", _one_byte, "bad-tag"),
    ("kind D", _kind_d, "out-of-turn"),
]


@pytest.mark.parametrize(("make", "code"), [case[1:] for case in PROOFS],
                         ids=[case[0] for case in PROOFS])  # fmt: skip
def test_a_bad_proof_is_refused(
    scene: Scene, make: Callable[[RawLine, Line], bytes], code: str
) -> None:
    async def scenario() -> None:
        async with RawLine.connected(scene.device) as line:
            line.write(line.initiator().hello())
            line.write(make(line, await line.line()))
            assert (await line.heard()).code == code
            assert await line.ended()

    scene.play(scenario())


def test_a_proof_heard_elsewhere_proves_nothing(scene: Scene) -> None:
    async def scenario() -> None:
        async with RawLine.connected(scene.device) as one, RawLine.connected(scene.device) as two:
            first, second = one.initiator(), two.initiator()
            one.write(first.hello())
            two.write(second.hello())
            heard, m2 = parse(first.prove(await one.line())), await two.line()
            two.write(encode(heard._replace(session=m2.session)))
            assert (await two.heard()).code == "bad-tag"
            assert await two.ended()

    scene.play(scenario())


def test_who_is_somebody_else_gets_no_session(scene: Scene, foreign: Identity) -> None:
    operator = scene.operator.identity
    cases = [
        ("of another authority", foreign, "untrusted-certificate"),
        ("an operator through the terminals' door", operator, "wrong-class"),
        ("an operator as a terminal", replace(operator, role="pos"), "wrong-role"),
        ("no chain", replace(operator, chain_der=[]), "untrusted-certificate"),
        ("half a certificate",
         replace(operator, chain_der=[each[:200] for each in operator.chain_der]),
         "untrusted-certificate"),
    ]  # fmt: skip

    async def scenario() -> None:
        for what, identity, code in cases:
            async with RawLine.connected(scene.device) as line:
                initiator = line.initiator(identity)
                line.write(initiator.hello())
                line.write(initiator.prove(await line.line()))
                assert (await line.heard()).code == code, what
                assert await line.ended()

    scene.play(scenario())
