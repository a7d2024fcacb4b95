"""Sessions of devices, operators and the website with the backend: handshake, records, dispatch.

Bad input gets `I ERROR` with a code and ends nothing but its own session.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol
from uuid import UUID

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from adapters.backend.hsm_lane import HsmLane
from application.ports import Unavailable
from protocol.certificates import ENROLLEE, ROLES_OF_TLS_CLASS, Trust
from protocol.encoding import to_json
from protocol.errors import (
    BUSY,
    EXPIRED_CERTIFICATE,
    INTERNAL,
    OUT_OF_TURN,
    REVOKED_CERTIFICATE,
    SESSION_OVER,
    TEXTS,
    TIMED_OUT,
    UNAVAILABLE,
    UNTRUSTED_CERTIFICATE,
    ProtocolError,
    RecordError,
)
from protocol.handshake import Identity, Responder
from protocol.line import Line, encode, parse
from protocol.record import Session

log = logging.getLogger(__name__)
HANDSHAKE_S = 10.0
RECORDED_S = 2.0
"""How long a certificate may take from the commit that records it until it is known here."""
_LOOK_S = 0.05
OUTSTANDING_MOST = 64
"""Requests that one session may have undecided at a time."""


class Link(Protocol):
    """The part of `adapters.backend.link.LinkServer` that sessions use."""

    def send(self, conn: int, line: bytes) -> None: ...

    def bind(self, conn: int, device_id: str, role: str) -> None: ...

    def drop(self, conn: int, code: str) -> None: ...

    async def drain(self, conn: int) -> bool: ...


class Peer:
    """An open session with one device. Lives in the event loop."""

    __slots__ = (
        "_link",
        "conn",
        "gone",
        "held_pins",
        "outstanding",
        "point",
        "role",
        "session",
        "subject_id",
        "who",
    )

    def __init__(self, link: Link, conn: int, session: Session) -> None:
        peer = session.peer
        self._link = link
        self.conn = conn
        self.session = session
        self.role = peer.role
        self.subject_id: UUID = peer.subject_id
        self.who = f"{peer.role}:{peer.subject_id}:{peer.kid}"
        self.point = peer.public_key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        self.outstanding = 0
        self.held_pins: dict[int, Any] = {}
        self.gone = False

    def send(self, kind: str, verb: str, body: bytes) -> None:
        """A record to the device; nothing once it is gone."""
        if not self.gone:
            self._link.send(self.conn, self.session.seal(kind, verb, "peer", body))

    def reply(self, kind: str, verb: str, body: Mapping[str, Any]) -> None:
        """`send` with a JSON body."""
        self.send(kind, verb, to_json(dict(body)))

    def error(self, code: str, re: int | None = None, text: str = "") -> None:
        """`I ERROR` in the session."""
        body: dict[str, Any] = {"code": code, "text": text or TEXTS.get(code, code)}
        if re is not None:
            body["re"] = re
        self.reply("I", "ERROR", body)


class Service(Protocol):
    """What handles the records of a role. ProtocolError is answered for it and ends nothing."""

    def opened(self, peer: Peer) -> None: ...

    def received(self, peer: Peer, line: Line, body: bytes) -> None: ...

    def closed(self, peer: Peer) -> None: ...


class Recorded(Protocol):
    """What the ledger says of certificates: `adapters.backend.revocations.Revocations`."""

    @property
    def complete(self) -> bool:
        """Whether enough is known to let anybody in."""

    def is_issued(self, serial: int) -> bool: ...

    def look_soon(self) -> None:
        """Somebody waits for what was stored just now."""


class _Connection:
    """A TLS connection at the gateway, before its session is open.

    `proven` is the session while it is unknown whether the ledger has the peer's certificate.
    """

    __slots__ = ("deadline", "peer", "proven", "responder", "tls_class")

    def __init__(self, tls_class: str, deadline: float) -> None:
        self.tls_class = tls_class
        self.deadline = deadline
        self.responder: Responder | None = None
        self.proven: Session | None = None
        self.peer: Peer | None = None


class Sessions:
    """All connections that the gateway told of, by its number for them."""

    def __init__(
        self,
        identity: Identity,
        trust: Trust,
        lane: HsmLane,
        services: Mapping[str, Service],
        ready: Callable[[Peer], Mapping[str, Any]],
        *,
        recorded: Recorded,
    ) -> None:
        """`services` by role; RENEW of any role goes to that of `enrollee`."""
        self._identity = identity
        self._trust = trust
        self._lane = lane
        self._services = services
        self._ready = ready
        self._recorded = recorded
        self._link: Link | None = None
        self._connections: dict[int, _Connection] = {}
        self._by_subject: dict[UUID, Peer] = {}
        self.by_session: dict[str, Peer] = {}

    def attach(self, link: Link) -> None:
        """Gives the link that answers go to."""
        self._link = link

    def use_identity(self, identity: Identity) -> None:
        """Who the backend is in handshakes that begin from now on; for any thread."""
        self._identity = identity

    @property
    def link(self) -> Link:
        """The link to the gateway."""
        assert self._link is not None
        return self._link

    async def drain(self, conn: int) -> bool:
        """Waits while a connection takes no more; False: it is gone."""
        return await self.link.drain(conn)

    def by_role(self) -> dict[str, int]:
        """How many sessions are open; for any thread."""
        found: dict[str, int] = dict.fromkeys(self._services, 0)
        for peer in list(self.by_session.values()):
            found[peer.role] = found.get(peer.role, 0) + 1
        return found

    def peer_of(self, subject_id: UUID) -> Peer | None:
        """The open session of a subject."""
        return self._by_subject.get(subject_id)

    def end_sessions_of(self, serials: frozenset[int]) -> None:
        """Ends every session that was opened with one of these certificates, or under one of these
        authorities: they are revoked."""
        for peer in list(self.by_session.values()):
            if not serials.isdisjoint(_serials(peer.session)):
                self._refuse(peer.conn, REVOKED_CERTIFICATE)

    def end_all(self) -> None:
        """Ends every session, so that all connect anew: the clock was put forward."""
        for peer in list(self.by_session.values()):
            self._refuse(peer.conn, SESSION_OVER)

    # What the link tells

    def on_open(self, conn: int, tls_class: str, address: str) -> None:
        """A device connected at the gateway."""
        loop = asyncio.get_running_loop()
        self._connections[conn] = _Connection(tls_class, loop.time() + HANDSHAKE_S)
        loop.call_later(HANDSHAKE_S, self._too_slow, conn)

    def on_close(self, conn: int) -> None:
        """It is gone."""
        connection = self._connections.pop(conn, None)
        if connection is not None and connection.peer is not None:
            self._forget(connection.peer)

    def on_line(self, conn: int, raw: bytes) -> None:
        """A line of it."""
        connection = self._connections.get(conn)
        if connection is None:
            return
        peer = connection.peer
        try:
            line = parse(raw)
            if peer is None:
                self._handshake(conn, connection, line)
                return
            if peer.session.is_over(time.time_ns() // 1_000_000):
                raise RecordError(SESSION_OVER)
            body = peer.session.open(line)
        except ProtocolError as error:
            self._refuse(conn, error.code)
            return
        self._dispatch(peer, line, body)

    def _dispatch(self, peer: Peer, line: Line, body: bytes) -> None:
        renews = line.verb == "RENEW"
        try:
            if peer.session.peer.expired and not renews:
                raise ProtocolError(EXPIRED_CERTIFICATE)
            self._services[ENROLLEE if renews else peer.role].received(peer, line, body)
        except ProtocolError as error:
            peer.error(error.code, getattr(error, "re", None), error.text)
        except Exception:
            log.exception("a %s %s", line.kind, line.verb)
            peer.error(INTERNAL)

    # Handshake; signing as the backend is a matter of the HSM, so it runs in its lane

    def _handshake(self, conn: int, connection: _Connection, line: Line) -> None:
        now_ms = time.time_ns() // 1_000_000
        if not self._recorded.complete:
            self._refuse(conn, UNAVAILABLE)
        elif line.verb == "HELLO" and connection.responder is None:
            responder = connection.responder = Responder(self._identity, self._trust, now_ms)
            if not self._lane.submit(
                lambda: responder.answer(line), lambda result: self._answered(conn, result)
            ):
                self._refuse(conn, BUSY)
        elif line.verb == "PROVE" and connection.responder is not None:
            allowed = (
                ROLES_OF_TLS_CLASS.get(connection.tls_class, frozenset()) & self._services.keys()
            )
            connection.proven = connection.responder.finish(line, allowed)
            connection.responder = None
            self._admit(conn, connection, asyncio.get_running_loop().time() + RECORDED_S)
        else:
            self._refuse(conn, OUT_OF_TURN)

    def _answered(self, conn: int, result: Any) -> None:
        if conn not in self._connections:
            return
        if isinstance(result, bytes):
            self.link.send(conn, result)
        elif isinstance(result, ProtocolError):
            self._refuse(conn, result.code)
        elif isinstance(result, Unavailable):
            self._refuse(conn, UNAVAILABLE)
        else:
            log.error("handshake failed: %s", type(result).__name__)
            self._refuse(conn, INTERNAL)

    def _admit(self, conn: int, connection: _Connection, deadline: float) -> None:
        """Opens the session once the ledger is known to have the certificate. One that it does not
        have was made and then not given to anybody: whoever shows it has it from elsewhere."""
        session = connection.proven
        if session is None or self._connections.get(conn) is not connection:
            return
        if any(map(self._trust.revoked, _serials(session))):
            self._refuse(conn, REVOKED_CERTIFICATE)  # since the handshake looked
        elif session.peer.role == ENROLLEE or self._recorded.is_issued(session.peer.serial):
            connection.proven = None
            self._open(conn, connection, session)
        elif (loop := asyncio.get_running_loop()).time() < deadline:
            self._recorded.look_soon()
            loop.call_later(_LOOK_S, self._admit, conn, connection, deadline)
        else:
            self._refuse(conn, UNTRUSTED_CERTIFICATE)

    def _open(self, conn: int, connection: _Connection, session: Session) -> None:
        """Binds the session. An older one of the same subject ends, its undecided requests too."""
        peer = Peer(self.link, conn, session)
        older = self._by_subject.get(peer.subject_id)
        if older is not None and peer.role in ("pos", "card", "website"):
            self._forget(older)
            self.link.drop(older.conn, "session-replaced")
        connection.peer = peer
        self._by_subject[peer.subject_id] = peer
        self.by_session[session.id] = peer
        self.link.bind(conn, str(peer.subject_id), peer.role)
        peer.reply("I", "READY", self._ready(peer))
        if not peer.session.peer.expired:
            self._services[peer.role].opened(peer)

    def _forget(self, peer: Peer) -> None:
        if peer.gone:
            return
        peer.gone = True
        peer.held_pins.clear()
        self.by_session.pop(peer.session.id, None)
        if self._by_subject.get(peer.subject_id) is peer:
            del self._by_subject[peer.subject_id]
        try:
            self._services[peer.role].closed(peer)
        except Exception:
            log.exception("the end of a session")

    def _too_slow(self, conn: int) -> None:
        connection = self._connections.get(conn)
        if connection is not None and connection.peer is None:
            self._refuse(conn, TIMED_OUT)

    def _refuse(self, conn: int, code: str) -> None:
        """Tells the offender why and ends its session; the others notice nothing."""
        connection = self._connections.get(conn)
        peer = connection.peer if connection else None
        if connection is not None:
            connection.proven = None
        if peer is not None and not peer.gone:
            peer.error(code)
            self._forget(peer)
        else:
            body = to_json({"code": code, "text": TEXTS.get(code, code)})
            self.link.send(conn, encode(Line("I", "ERROR", "peer", "-", 0, body)))
        self.link.drop(conn, code)


def _serials(session: Session) -> tuple[int, ...]:
    """Of the peer's certificate and of the authorities above it."""
    return (session.peer.serial, *session.peer.authorities)
