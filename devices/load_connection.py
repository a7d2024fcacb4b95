"""One connection of the load: handshake once, then one authorization after the other.

Bodies are written from templates; the tests hold them against `protocol.contract`.
"""

import asyncio
import json
import os
import time
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

from cryptography.hazmat.primitives.asymmetric import ec

from devices.identity import GATEWAY_NAME, Device
from devices.magstripe import Stripe
from devices.personalisation import CardData
from devices.pos.payment import CONTRACT_LIFE_MS, read_pin_key
from protocol.contract import (
    SALT_BYTES,
    TYP_CARD,
    TYP_POS,
    card_reference,
    items_hash,
    sign_detached,
)
from protocol.encoding import b64, b64_bytes
from protocol.errors import ProtocolError
from protocol.handshake import Initiator
from protocol.line import MAX_LINE, parse
from protocol.pin import seal_pin
from protocol.record import Session
from protocol.sealed_track import seal_track

_CONNECT_TIMEOUT_S = 20.0
_NO_ITEMS = b64(items_hash([]))
_CODE = b'"code":"'


@dataclass(frozen=True, slots=True)
class Terminal:
    """A terminal's identity and its counters, shared by the connections that use it."""

    device: Device
    counters: Iterator[int]


class Connection(asyncio.Protocol):
    """TLS, handshake, lines. `opened` gets each line after READY."""

    def __init__(self, device: Device) -> None:
        self.device = device
        self.session: Session | None = None
        self.ready: dict[str, Any] = {}
        self.losses = 0
        self._initiator: Initiator | None = None
        self._transport: asyncio.Transport | None = None
        self._partial = b""
        self._open: asyncio.Future[None] | None = None
        self._lost = asyncio.Event()
        self._lost.set()

    async def connect(self) -> None:
        """Raises OSError (also for a refused handshake) and TimeoutError."""
        loop = asyncio.get_running_loop()
        self._open = loop.create_future()
        self._partial = b""
        host, port = self.device.gateway
        try:
            async with asyncio.timeout(_CONNECT_TIMEOUT_S):
                await loop.create_connection(
                    lambda: self, host, port, ssl=self.device.tls, server_hostname=GATEWAY_NAME
                )
                await self._open
        finally:
            self._open.cancel()

    async def lost(self) -> None:
        """Returns when there is no connection."""
        await self._lost.wait()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def start(self) -> None:
        """Called when the connection is to be used."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._lost.clear()
        me = self.device
        now_ms = time.time_ns() // 1_000_000
        self._initiator = Initiator(me.identity, me.trust, "backend", "backend", now_ms)
        self._transport.write(self._initiator.hello())

    def connection_lost(self, exc: Exception | None) -> None:
        self.losses += 1
        self.session = None
        self._transport = None
        self._fail("the connection was lost")
        self._lost.set()

    def data_received(self, data: bytes) -> None:
        if self._partial:
            data = self._partial + data
        *lines, self._partial = data.split(b"\n")
        for raw in lines:
            if self.session is not None:
                self.opened(raw)
            else:
                self._shake_hands(raw)
        if len(self._partial) > MAX_LINE:
            self.close()

    def opened(self, raw: bytes) -> None:
        """A line of the open session."""

    def _shake_hands(self, raw: bytes) -> None:
        assert self._initiator is not None
        assert self._transport is not None
        try:
            line = parse(raw)
            if line.verb == "READY":
                self.session, self.ready = self._initiator.ready(line)
                if self._open is not None and not self._open.done():
                    self._open.set_result(None)
            else:
                self._transport.write(self._initiator.prove(line))
        except ProtocolError as error:
            self._fail(str(error))
            self.close()

    def _fail(self, reason: str) -> None:
        if self._open is not None and not self._open.done():
            self._open.set_exception(ConnectionError(reason))


class CardConnection(Connection):
    """A phone that is connected, so that its track can be sealed and its decision delivered."""

    def __init__(self, device: Device, data: CardData) -> None:
        super().__init__(device)
        self._data = data

    def reference(self, salt: bytes) -> bytes:
        return card_reference(salt, self._data.pan)

    def consent(self, contract: bytes, salt: bytes) -> str:
        """The members of AUTHORIZE that a phone adds. Its session must be open."""
        session, me = self.session, self.device
        assert session is not None
        track = seal_track(self._data.track2, salt, contract, session.id, session.export)
        signature = sign_detached(contract, TYP_CARD, me.serial, me.identity.sign)
        return f'"card_id":"{me.id}","consent":"{signature}","track":{json.dumps(track)}'


class TerminalConnection(Connection):
    """A closed loop of authorizations over one connection."""

    def __init__(
        self,
        terminal: Terminal,
        *,
        tracks: Iterator[Stripe] | None,
        phones: Iterator[CardConnection] | None,
        pin: str,
        amount_cents: int,
        keep_answers: bool,
    ) -> None:
        super().__init__(terminal.device)
        self.waiting = False
        self.answers: list[dict[str, Any]] = []
        self._counters = terminal.counters
        self._tracks = tracks
        self._phones = phones
        self._pin = pin
        self._amount_cents = amount_cents
        self._keep_answers = keep_answers
        self._pin_key: ec.EllipticCurvePublicKey | None = None
        self._running = False
        self._sent_s = 0.0
        self._number = 0
        self._prepared: deque[bytes] = deque()
        self._began: Session | None = None
        self._tail = ""
        me = self.device
        jws = sign_detached(b"", TYP_POS, me.serial, me.identity.sign)
        self._jws_head = jws.partition("..")[0].encode("ascii")
        self.forget()

    def forget(self) -> None:
        """Counts from here."""
        self.latencies_s: list[float] = []
        self.codes: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self.losses = 0

    def prepare(self, payments: int) -> None:
        """Makes and signs payments with stripes before the load begins; each is sealed when it is
        sent. What carries a PIN or a phone's consent is made on the way."""
        self._begin()
        if self._tracks is not None and not self._pin:
            self._prepared = deque(self._stripe_body(next(self._tracks)) for _ in range(payments))

    def start(self) -> None:
        if self._began is not self.session:
            self._begin()
        self._running = True
        self._ask()

    def _begin(self) -> None:
        """What stays the same for a session; what was prepared for another is of no use in it."""
        session = self._began = self.session
        assert session is not None
        me, t4 = self.device, b64(session.t4)
        self._tail = f'"session":"{t4}","shop":"{me.shop}","terminal":"{me.id}"}}'
        if self._pin:
            self._pin_key = read_pin_key(self.ready, me.trust, time.time_ns() // 1_000_000)
        self._prepared.clear()

    def stop(self) -> None:
        """No more questions."""
        self._running = False

    def connection_lost(self, exc: Exception | None) -> None:
        self.waiting = False
        super().connection_lost(exc)

    def opened(self, raw: bytes) -> None:
        now_s = time.perf_counter()
        assert self.session is not None
        try:
            line = parse(raw)
            body = line.payload if line.session == "-" else self.session.open(line)
        except ProtocolError as error:
            self.errors[error.code] += 1
            self.close()
            return
        code = _code(body)
        if line.verb == "DECISION":
            self.codes[code] += 1
            self.latencies_s.append(now_s - self._sent_s)
            if self._keep_answers:
                self.answers.append(json.loads(body))
        else:
            self.errors[code] += 1
            if line.session == "-":  # the sequence is broken: nothing more comes of this session
                self.close()
                return
        self.waiting = False
        if self._running:
            self._ask()

    def _ask(self) -> None:
        session = self.session
        assert session is not None
        if self._prepared:
            raw = session.seal("C", "AUTHORIZE", "backend", self._prepared.popleft())
        elif self._phones is not None:
            raw = self._ask_by_phone(next(self._phones), session)
        else:
            assert self._tracks is not None
            raw = self._ask_by_stripe(next(self._tracks), session)
        if raw and self._transport is not None:
            self.waiting = True
            self._sent_s = time.perf_counter()
            self._transport.write(raw)

    def _ask_by_stripe(self, stripe: Stripe, session: Session) -> bytes:
        if self._pin_key is None:
            return session.seal("C", "AUTHORIZE", "backend", self._stripe_body(stripe))
        counter, ms = self._now()
        sealed = seal_pin(self._pin, stripe.pan, self._pin_key, session.t4, counter, ms)
        self._number += 1
        block = {"id": self._number, "counter": counter, "ms": ms, **sealed}
        first = session.seal("C", "PRESENT-PIN", "backend", json.dumps(block).encode())
        body = self._stripe_body(stripe, (counter, ms))
        return first + session.seal("C", "AUTHORIZE", "backend", body)

    def _stripe_body(self, stripe: Stripe, moment: tuple[int, int] | None = None) -> bytes:
        salt = os.urandom(SALT_BYTES)
        contract = self._contract(card_reference(salt, stripe.pan), *(moment or self._now()))
        return self._body(contract, f'"salt":"{b64(salt)}","track2":"{stripe.track2}"')

    def _ask_by_phone(self, phone: CardConnection, session: Session) -> bytes:
        if phone.session is None:  # it is just coming back
            asyncio.get_running_loop().call_later(0.05, self._ask_again)
            return b""
        salt = os.urandom(SALT_BYTES)
        contract = self._contract(phone.reference(salt), *self._now())
        body = self._body(contract, phone.consent(contract, salt))
        return session.seal("C", "AUTHORIZE", "backend", body)

    def _now(self) -> tuple[int, int]:
        """The next counter, and the moment in milliseconds."""
        return next(self._counters), time.time_ns() // 1_000_000

    def _ask_again(self) -> None:
        if self._running and self.session is not None and not self.waiting:
            self._ask()

    def _contract(self, card: bytes, counter: int, ms: int) -> bytes:
        # The bytes that `encode_contract` would make, without its check of its own work.
        return (
            f'{{"amount_cents":{self._amount_cents},"card":"{b64(card)}","counter":{counter},'
            f'"currency":"USD","expires_ms":{ms + CONTRACT_LIFE_MS},"items":"{_NO_ITEMS}",'
            f'"ms":{ms},{self._tail}'
        ).encode("ascii")

    def _body(self, contract: bytes, card: str) -> bytes:
        # As `sign_detached`, which would encode header and contract once more.
        encoded = b64_bytes(contract)
        signature = b64(self.device.identity.sign(self._jws_head + b"." + encoded))
        self._number += 1
        pin = "true" if self._pin_key is not None else "false"
        return (
            f'{{"contract":"{encoded.decode()}","id":{self._number},"pin":{pin},'
            f'"signature":"{self._jws_head.decode()}..{signature}",{card}}}'
        ).encode("ascii")


def _code(body: bytes) -> str:
    at = body.find(_CODE) + len(_CODE)
    return body[at : body.find(b'"', at)].decode("ascii", "replace")
