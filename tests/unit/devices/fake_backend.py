"""Gateway and backend in one, in the test's own process: real TLS, real sessions, no ledger.

It remembers every opened body in `seen`, and verifies signatures, PIN blocks and sealed tracks.
"""

import asyncio
import contextlib
import time
from dataclasses import dataclass, field
from typing import Any, Self
from uuid import UUID

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from protocol.contract import (
    TYP_CARD,
    TYP_POS,
    Contract,
    card_reference,
    contract_hash,
    parse_contract,
    verify_detached,
)
from protocol.encoding import b64, from_json, to_json, unb64
from protocol.handshake import Responder
from protocol.line import Line, parse
from protocol.line import encode as encode_line
from protocol.pin import open_pin
from protocol.record import Session
from protocol.sealed_track import open_track
from tests.unit.devices.authority import SHOP, Authority

Body = dict[str, Any]
MENU = [
    {"item": "1", "name": "Quiche", "price_cents": 850},
    {"item": "2", "name": "Café crème", "price_cents": 350},
]


@dataclass
class Connection:
    """One device that is connected."""

    writer: asyncio.StreamWriter
    session: Session | None = None
    responder: Responder | None = None
    peers: dict[str, "Connection"] = field(default_factory=dict)
    pin: Body | None = None

    def send(self, kind: str, verb: str, body: Body) -> None:
        assert self.session is not None
        self.writer.write(self.session.seal(kind, verb, "peer", to_json(body)))


class FakeBackend:
    """Answers as it was told (`balance_cents`, `silent`, `error`, `down`, `frozen` …)."""

    def __init__(self, authority: Authority) -> None:
        self.authority = authority
        self.balance_cents = 2_000
        self.pin = "4711"
        self.silent = False
        self.frozen = False
        self.down = False
        self.error = ""
        self.ready: Body = {}
        self.decision: Body = {}
        self.deaf_to_reversals = 0
        self.seen: list[tuple[str, Body]] = []
        self.relayed = 0
        self.decided: dict[tuple[UUID, int], Body] = {}  # by terminal and counter
        self.reversed: list[int] = []
        self.adjusted: dict[str, Body] = {}  # by request
        self.connections: list[Connection] = []
        self._identity, self._trust = authority.backend()

    async def __aenter__(self) -> Self:
        await self.start(0)
        return self

    async def start(self, port: int) -> None:
        self._server = await asyncio.start_server(
            self._serve, "127.0.0.1", port, ssl=self.authority.server_tls(), limit=65536
        )
        self.authority.port = self._server.sockets[0].getsockname()[1]

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def stop(self) -> None:
        self._server.close()
        for connection in self.connections:
            connection.writer.transport.abort()
        await asyncio.sleep(0)

    def bodies(self, verb: str) -> list[Body]:
        return [body for seen, body in self.seen if seen == verb]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = Connection(writer)
        self.connections.append(connection)
        with contextlib.suppress(OSError, asyncio.CancelledError):
            while raw := await reader.readline():
                self._line(connection, raw, parse(raw))
        for session, other in connection.peers.items():
            other.peers.pop(session, None)
            _notice(other, "no-such-peer", session=session)
        self.connections.remove(connection)
        writer.close()

    def _line(self, one: Connection, raw: bytes, line: Line) -> None:
        if self.frozen:
            return
        if self.down:
            _notice(one, "unavailable")
        elif line.session == "-":
            one.writer.write(encode_line(Line("I", "STATUS", "peer", "-", 0, b'{"link":"up"}')))
        elif line.to == "backend":
            self._to_backend(one, line)
        else:
            self._to_peer(one, raw, line)

    def _to_backend(self, one: Connection, line: Line) -> None:
        if line.verb == "HELLO":
            one.responder = Responder(self._identity, self._trust, _now_ms())
            one.writer.write(one.responder.answer(line))
        elif line.verb == "PROVE":
            assert one.responder is not None
            one.session = one.responder.finish(line, {"pos", "card", "operator"})
            key = self.authority.pin_key.public_key()
            der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
            chain = [b64(each) for each in self.authority.pin_chain()]
            ready = {"time_ms": _now_ms(), "limits": {}, "pin_key": b64(der)}
            ready |= {"pin_certificate": chain, **self.ready}
            one.send("I", "READY", ready)
        else:
            assert one.session is not None
            body = from_json(one.session.open(line))
            self.seen.append((line.verb, body))
            getattr(self, "_" + line.verb.lower().replace("-", "_"))(one, body)

    def _to_peer(self, one: Connection, raw: bytes, line: Line) -> None:
        self.relayed += 1
        other = one.peers.get(line.session) or one.peers.get(line.session[:16])
        if other is None and line.verb == "HELLO":
            other = self._of(UUID(line.to))
        if other is None:
            _notice(one, "no-such-peer", session=line.session)
            return
        one.peers[line.session] = other
        other.peers[line.session] = one
        other.writer.write(raw)

    def _of(self, device: UUID) -> Connection | None:
        for connection in self.connections:
            if connection.session and connection.session.peer.subject_id == device:
                return connection
        return None

    # Verbs

    def _menu(self, one: Connection, body: Body) -> None:
        menu = {"shop": str(SHOP), "shop_name": "Chez Marie", "version": 3, "items": MENU}
        one.send("D", "MENU", {"re": body["id"], **menu})

    def _balance(self, one: Connection, body: Body) -> None:
        one.send("D", "BALANCE", {
            "re": body["id"], "balance_cents": self.balance_cents, "currency": "USD",
            "spent_today_cents": 0, "daily_limit_cents": None,
        })  # fmt: skip

    def _history(self, one: Connection, body: Body) -> None:
        one.send("D", "HISTORY", {"re": body["id"], "rows": [{"n": 1}], "more": True})
        one.send("D", "HISTORY", {"re": body["id"], "rows": [{"n": 2}]})

    def _present_pin(self, one: Connection, body: Body) -> None:
        one.pin = body

    def _authorize(self, one: Connection, body: Body) -> None:
        if self.error:
            error = {"re": body["id"], "code": self.error, "text": "no"}
            one.send("I", "ERROR", error)
            return
        assert one.session is not None
        peer = one.session.peer
        raw = unb64(body["contract"])
        verify_detached(raw, body["signature"], TYP_POS, peer.public_key, peer.kid)
        contract = parse_contract(raw)
        track, salt = self._card(body, raw)
        assert card_reference(salt, track[1:17]) == contract.card
        named = (contract.terminal, contract.counter)
        decision = self.decided.get(named)
        if decision is None:
            decision = self._decide(one, contract, body["pin"])
            self.decided[named] = {**decision, "hash": b64(contract_hash(raw))}
        else:
            decision = {**decision, "duplicate": True}
        decision = {n: v for n, v in decision.items() if n != "hash"} | self.decision
        if self.silent:
            return
        one.send("I", "DECISION", {"re": body["id"], **decision})
        phone = self._of(UUID(body["card_id"])) if "card_id" in body else None
        if phone is not None:
            more = {"shop_name": "Chez Marie", "balance_cents": self.balance_cents}
            phone.send("I", "DECISION", {**decision, **more})

    def _card(self, body: Body, raw: bytes) -> tuple[str, bytes]:
        """Track 2 and salt."""
        if "track2" in body:
            return body["track2"], unb64(body["salt"])
        assert "salt" not in body
        phone = self._of(UUID(body["card_id"]))
        assert phone is not None
        assert phone.session is not None
        peer = phone.session.peer
        verify_detached(raw, body["consent"], TYP_CARD, peer.public_key, peer.kid)
        return open_track(body["track"], raw, phone.session.export)

    def _decide(self, one: Connection, contract: Contract, pin: bool) -> Body:
        code, passes = "00", None
        if pin and not self._pin_right(one, contract):
            code = "55"
        elif contract.amount_cents > self.balance_cents:
            code, passes = "51", self.balance_cents
        else:
            self.balance_cents -= contract.amount_cents
        return {
            "counter": contract.counter, "ms": contract.ms,
            "transaction": str(UUID(int=contract.counter)), "approved": code == "00", "code": code,
            "reason": {"00": "approved", "55": "wrong-pin"}.get(code, "balance"),
            "amount_cents": contract.amount_cents, "would_pass_cents": passes,
            "text": {"00": "Approved.", "55": "Refused: wrong PIN."}.get(
                code, "Refused: not enough money on the card."
            ),
            "decided_ms": _now_ms(), "duplicate": False,
        }  # fmt: skip

    def _pin_right(self, one: Connection, contract: Contract) -> bool:
        body, session = one.pin, one.session
        assert body is not None
        assert session is not None
        assert (body["counter"], body["ms"]) == (contract.counter, contract.ms)
        clear = open_pin(
            body["ephemeral"], body["block"], self.authority.pin_key,
            session.t4, contract.counter, contract.ms,
        )  # fmt: skip
        return clear[2 : 2 + clear[1]].decode() == self.pin

    def _reverse(self, one: Connection, body: Body) -> None:
        if self.deaf_to_reversals:
            self.deaf_to_reversals -= 1
            return
        assert one.session is not None
        found = self.decided.get((one.session.peer.subject_id, body["counter"]))
        state, cents = "nothing-to-reverse", 0
        if found and found["approved"] and body["counter"] not in self.reversed:
            assert body["contract_hash"] == found["hash"]
            state, cents = "reversed", found["amount_cents"]
            self.balance_cents += cents
            self.reversed.append(body["counter"])
        answer = {"re": body["id"], "state": state, "transaction": "", "amount_cents": cents}
        one.send("I", "STATUS", answer)

    def _adjust(self, one: Connection, body: Body) -> None:
        """As the backend would: the same bytes are carried out once."""
        asked = from_json(unb64(body["request"]))
        if self.error:
            one.send("I", "ERROR", {"re": body["id"], "code": self.error, "text": "no"})
            return
        duplicate = body["request"] in self.adjusted
        self.adjusted[body["request"]] = asked
        if self.silent:
            return
        one.send("I", "STATUS", {
            "re": body["id"], "state": "done", "transaction": asked["transaction"], "code": "00",
            "reason": "approved", "text": "Done.", "amount_cents": asked["amount_cents"],
            "net_cents": 0, "would_pass_cents": None, "duplicate": duplicate,
        })  # fmt: skip

    _void = _refund = _tip = _adjust


def _notice(one: Connection, code: str, **more: str) -> None:
    body = to_json({"code": code, "text": code, **more})
    one.writer.write(encode_line(Line("I", "ERROR", "peer", "-", 0, body)))


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
