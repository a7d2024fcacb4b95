"""Open sessions between the parties of the vectors, for the tests."""

from typing import Any

from protocol.handshake import Identity, Initiator, Responder
from protocol.line import parse
from protocol.record import Session
from protocol.signature import Sign
from tests.vectors.material import NOW_MS, fixed, party, trust


def remembered(identity: Identity) -> Identity:
    """The same identity, which makes each signature only once: the tests repeat themselves."""
    made: dict[bytes, bytes] = {}
    inner: Sign = identity.sign

    def sign(message: bytes) -> bytes:
        if message not in made:
            made[message] = inner(message)
        return made[message]

    return Identity(identity.role, identity.chain_der, sign)


POS = remembered(party("pos").identity)
BACKEND = remembered(party("backend").identity)


def initiator(**changes: Any) -> Initiator:
    """A POS that calls the backend, always with the same fresh values."""
    known: dict[str, Any] = {"random": fixed("test initiator"), **changes}
    return Initiator(POS, trust(), "backend", "backend", NOW_MS, **known)


def responder(**changes: Any) -> Responder:
    """The backend, always with the same fresh values."""
    known: dict[str, Any] = {"random": fixed("test responder"), **changes}
    return Responder(BACKEND, trust(), NOW_MS, **known)


def messages() -> tuple[bytes, bytes, bytes, bytes]:
    """M1 to M4 between those two."""
    first, second = initiator(), responder()
    m1 = first.hello()
    m2 = second.answer(parse(m1))
    m3 = first.prove(parse(m2))
    m4 = second.finish(parse(m3), {"pos"}).seal("I", "READY", "peer", b"{}")
    return m1, m2, m3, m4


def opened() -> tuple[Session, Session]:
    """The session at the POS and at the backend, READY done."""
    first, second = initiator(), responder()
    m2 = second.answer(parse(first.hello()))
    server = second.finish(parse(first.prove(parse(m2))), {"pos"})
    client, _ = first.ready(parse(server.seal("I", "READY", "peer", b"{}")))
    return client, server
