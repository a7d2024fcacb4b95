"""A device that breaks the rules: raw lines over a real TLS connection to the real gateway."""

import asyncio
import contextlib
import hashlib
import itertools
import json
import os
import time
from collections.abc import AsyncIterator
from typing import Any, NamedTuple, Self
from uuid import UUID

from devices.identity import GATEWAY_NAME, Device
from devices.pos.payment import CONTRACT_LIFE_MS
from protocol.contract import TYP_POS, card_reference, items_hash, sign_detached
from protocol.encoding import b64, to_json
from protocol.handshake import Identity, Initiator
from protocol.line import Line, parse
from protocol.record import Session
from tests.e2e.town import Card

PATIENCE_S = 8.0
Body = dict[str, Any]


class Heard(NamedTuple):
    """One line that came back. `sealed`: it was a record of the session."""

    line: Line
    body: Body
    sealed: bool

    @property
    def code(self) -> str:
        """Of an `I ERROR`."""
        assert (self.line.kind, self.line.verb) == ("I", "ERROR"), (self.line.verb, self.body)
        return str(self.body["code"])


class RawLine:
    """One connection of the TLS class that `device` has; `shake_hands` opens a session."""

    def __init__(
        self, device: Device, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.device = device
        self._reader = reader
        self._writer = writer
        self._session: Session | None = None
        self._ids = itertools.count(1)

    @classmethod
    @contextlib.asynccontextmanager
    async def connected(cls, device: Device) -> AsyncIterator[Self]:
        """After TLS, before anything was said."""
        host, port = device.gateway
        reader, writer = await asyncio.open_connection(
            host, port, ssl=device.tls, server_hostname=GATEWAY_NAME, limit=1 << 18
        )
        try:
            yield cls(device, reader, writer)
        finally:
            writer.transport.abort()

    @classmethod
    @contextlib.asynccontextmanager
    async def in_session(cls, device: Device) -> AsyncIterator[Self]:
        """After READY."""
        async with cls.connected(device) as line:
            await line.shake_hands()
            yield line

    def initiator(self, identity: Identity | None = None) -> Initiator:
        """A handshake as the device, or as somebody else."""
        me = self.device
        now_ms = time.time_ns() // 1_000_000
        return Initiator(identity or me.identity, me.trust, "backend", "backend", now_ms)

    async def shake_hands(self) -> None:
        """As an honest device."""
        initiator = self.initiator()
        self.write(initiator.hello())
        self.write(initiator.prove(await self.line()))
        self._session, _ = initiator.ready(await self.line())

    @property
    def session(self) -> Session:
        """The open session."""
        assert self._session is not None
        return self._session

    def write(self, raw: bytes) -> None:
        """Anything."""
        self._writer.write(raw)

    def seal(self, verb: str, body: Body | bytes, kind: str = "C", to: str = "backend") -> bytes:
        """The next record of the session; not sent yet."""
        raw = body if isinstance(body, bytes) else to_json(body)
        return self.session.seal(kind, verb, to, raw)

    def next_id(self) -> int:
        """For a request."""
        return next(self._ids)

    def menu(self) -> bytes:
        """An honest request that every terminal may make; not sent yet."""
        return self.seal("MENU", {"id": self.next_id()})

    async def line(self) -> Line:
        """The next line, as it is."""
        async with asyncio.timeout(PATIENCE_S):
            return parse(await self._reader.readuntil(b"\n"))

    async def heard(self) -> Heard:
        """The next line, opened if it is sealed."""
        line = await self.line()
        if line.session == "-":
            return Heard(line, json.loads(line.payload), False)
        return Heard(line, json.loads(self.session.open(line)), True)

    async def ended(self) -> bool:
        """Whether nothing more comes because the other side closed; lines before are dropped."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                while await self._reader.readline():
                    pass
        except TimeoutError:
            return False
        except OSError:
            pass
        return True

    async def still_serves(self) -> bool:
        """Whether an honest request is still answered in this session."""
        self.write(self.menu())
        return (await self.heard()).line.verb == "MENU"

    # Payments

    def contract(self, card: Card, salt: bytes, **changes: Any) -> bytes:
        """The bytes of a contract, with members changed for the worse."""
        ms = time.time_ns() // 1_000_000
        return to_json(
            {
                "amount_cents": 100,
                "card": b64(card_reference(salt, card.stripe.pan)),
                "counter": int.from_bytes(os.urandom(6)) + 1,
                "currency": "USD",
                "expires_ms": ms + CONTRACT_LIFE_MS,
                "items": b64(items_hash([])),
                "ms": ms,
                "session": b64(self.session.t4),
                "shop": str(self.device.shop),
                "terminal": str(self.device.id),
                **changes,
            }
        )

    def sign(self, contract: bytes, typ: str = TYP_POS, kid: str | None = None) -> str:
        """The terminal's signature over the contract, or over whatever it is."""
        me = self.device
        return sign_detached(contract, typ, kid or me.serial, me.identity.sign)

    def authorize(self, card: Card, terms: Body | None = None, **changes: Any) -> bytes:
        """C AUTHORIZE with members of its contract (`terms`) and of its body changed (None: left
        out); not sent yet."""
        salt = os.urandom(16)
        raw = self.contract(card, salt, **(terms or {}))
        body = {
            "id": self.next_id(),
            "contract": b64(raw),
            "signature": self.sign(raw),
            "salt": b64(salt),
            "pin": False,
            "track2": card.stripe.track2,
            **changes,
        }
        return self.seal("AUTHORIZE", {k: v for k, v in body.items() if v is not None})

    def by_phone(self, card: Card, session: str) -> bytes:
        """C AUTHORIZE of a virtual card with a session of that id, as far as form goes."""
        track = {"session": session, "nonce": b64(os.urandom(12)), "box": b64(os.urandom(76))}
        return self.authorize(
            card, salt=None, track2=None, consent="a..b", card_id=str(card.id), track=track
        )

    def reverse(self, card: Card, **changes: Any) -> bytes:
        """C REVERSE of a payment that never was, with members changed; not sent yet."""
        return self.seal(
            "REVERSE",
            {
                "id": self.next_id(),
                "counter": int.from_bytes(os.urandom(6)) + 1,
                "ms": time.time_ns() // 1_000_000,
                "contract_hash": b64(hashlib.sha256(os.urandom(8)).digest()),
                "why": "no-answer",
                "pan": card.stripe.pan,
                "salt": b64(os.urandom(16)),
                **changes,
            },
        )


def another_id() -> UUID:
    """A terminal that is not there."""
    return UUID(int=(8 << 76) | (2 << 62) | int.from_bytes(os.urandom(6)))
