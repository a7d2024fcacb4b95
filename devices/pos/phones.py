"""Cards that call this POS through the gateway: their sessions, the menu, the queue of orders.

What they say is end to end between card and POS; the backend sees nothing of it (TR-TPR).
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from uuid import UUID

from devices.exchange import Exchange, Message, NoAnswer, Refused, Unreachable
from devices.identity import Device
from devices.link import Link
from devices.menu import Menu, MenuError, OrderLine, check_prices, read_lines, total_cents
from devices.money import MAX_AMOUNT_CENTS
from protocol import errors
from protocol.encoding import to_json, unb64
from protocol.errors import TEXTS, ProtocolError
from protocol.handshake import Responder
from protocol.line import Line, encode

log = logging.getLogger(__name__)
MOST_CALLERS = 64
MOST_ORDERS = 20
_HANDSHAKE_S = 10.0
_IDLE_S = 600.0
_ROLES = frozenset({"card"})


@dataclass(frozen=True, slots=True, eq=False)
class PhoneOrder:
    """An order that waits for the cashier. `number` is for people, `wire_id` is the card's."""

    number: int
    lines: tuple[OrderLine, ...]
    amount_cents: int
    card: bytes
    wire_id: int
    exchange: Exchange
    tip_cents: int = 0


class Phones:
    """Answers callers and keeps their orders until the cashier takes or refuses them."""

    def __init__(self, device: Device, link: Link, menu: Callable[[], Awaitable[Menu]]) -> None:
        self.orders: dict[int, PhoneOrder] = {}
        self.arrived: asyncio.Queue[PhoneOrder] = asyncio.Queue()
        self._device = device
        self._link = link
        self._menu = menu
        self._numbers = 0
        self._half_open: dict[str, tuple[Responder, float]] = {}
        self._callers: dict[str, tuple[Exchange, asyncio.Task[None]]] = {}
        link.on_line = self.take
        link.on_error = self._gone

    def take(self, line: Line) -> None:
        """A line from some card. What is wrong with it ends that card's session, nothing else."""
        try:
            if line.verb == "HELLO":
                self._hello(line)
            elif line.verb == "PROVE":
                self._prove(line)
            elif line.session in self._callers:
                self._receive(line)
        except ProtocolError as error:
            log.info("a card's call failed: %s", error.code)
            self._decline(line.session, error)
        except Unreachable:
            pass  # the connection went while answering

    def _gone(self, session_id: str, code: str, _text: str) -> None:
        """The gateway says that a caller is not there any more."""
        self._half_open.pop(session_id, None)
        if session_id in self._callers:
            self._end(session_id, code)

    def _decline(self, session_id: str, error: ProtocolError) -> None:
        """Says no to a call. There are no keys yet, so it can only be said in clear."""
        body = to_json({"code": error.code, "text": error.text})
        with contextlib.suppress(Unreachable):
            self._link.write(encode(Line("I", "ERROR", "peer", session_id, 0, body)))

    def hang_up(self) -> None:
        """The connection is gone, and with it every caller and every order."""
        self._half_open.clear()
        for session_id in list(self._callers):
            self._end(session_id, "the connection was lost")

    def take_order(self, number: int) -> PhoneOrder | None:
        """Removes the order from the queue: it is being dealt with."""
        return self.orders.pop(number, None)

    def refuse(self, order: PhoneOrder, text: str) -> None:
        """Tells the card no. Raises Unreachable."""
        _error(order.exchange, order.wire_id, errors.REFUSED, text)

    def _hello(self, line: Line) -> None:
        now = time.monotonic()
        self._half_open = {s: h for s, h in self._half_open.items() if h[1] > now}
        if len(self._half_open) + len(self._callers) >= MOST_CALLERS:
            raise ProtocolError(errors.BUSY)
        me = self._device
        responder = Responder(me.identity, me.trust, self._link.now_ms())
        self._link.write(responder.answer(line))
        self._half_open[responder.session_id] = (responder, now + _HANDSHAKE_S)

    def _prove(self, line: Line) -> None:
        responder, _ = self._half_open.pop(line.session, (None, 0.0))
        if responder is None:
            raise ProtocolError(errors.OUT_OF_TURN)
        session = responder.finish(line, _ROLES)
        exchange = Exchange(session, "peer", self._link.write)
        exchange.post(
            "I",
            "READY",
            {
                "time_ms": self._link.now_ms(),
                "shop": str(self._device.shop),
                "shop_name": self._device.shop_name,
            },
        )
        serving = asyncio.create_task(self._serve(exchange), name="caller")
        self._callers[session.id] = (exchange, serving)

    def _receive(self, line: Line) -> None:
        exchange, _ = self._callers[line.session]
        try:
            exchange.receive(line)
        except ProtocolError as error:
            exchange.post("I", "ERROR", {"code": error.code, "text": error.text})
            self._end(line.session, error.code)

    def _end(self, session_id: str, reason: str) -> None:
        exchange, serving = self._callers.pop(session_id)
        exchange.end(reason)
        serving.cancel()
        for number, order in list(self.orders.items()):
            if order.exchange is exchange:
                del self.orders[number]

    async def _serve(self, exchange: Exchange) -> None:
        """Answers one caller, until it is silent for long."""
        try:
            while True:
                async with asyncio.timeout(_IDLE_S):
                    message = await exchange.next_message()
                await self._answer(exchange, message)
        except (TimeoutError, Unreachable):
            if exchange.session.id in self._callers:
                self._end(exchange.session.id, "idle")

    async def _answer(self, exchange: Exchange, message: Message) -> None:
        number = message.body.get("id")
        if type(number) is not int:
            return
        try:
            match message.kind, message.verb:
                case "C", "MENU":
                    exchange.post("D", "MENU", {"re": number, **(await self._menu()).body()})
                case "D", "ORDER":
                    await self._order(exchange, message, number)
                case _:
                    _error(exchange, number, errors.UNKNOWN_VERB, TEXTS[errors.UNKNOWN_VERB])
        except MenuError as error:
            _error(exchange, number, errors.BAD_BODY, str(error))
        except (Refused, NoAnswer, Unreachable):
            _error(exchange, number, errors.UNAVAILABLE, "The shop's menu cannot be read now.")

    async def _order(self, exchange: Exchange, message: Message, number: int) -> None:
        lines = read_lines(message.body.get("items"))
        check_prices(await self._menu(), lines)
        if any(order.exchange is exchange for order in self.orders.values()):
            raise MenuError("an order of this phone is already waiting")
        if len(self.orders) >= MOST_ORDERS:
            _error(exchange, number, errors.BUSY, "Too many orders wait here. Try again soon.")
            return
        self._numbers += 1
        card = _reference(message.body.get("card"))
        tip_cents = _tip(message.body.get("tip_cents", 0))
        order = PhoneOrder(
            self._numbers, lines, total_cents(lines), card, number, exchange, tip_cents
        )
        self.orders[order.number] = order
        self.arrived.put_nowait(order)


def caller_of(order: PhoneOrder) -> UUID:
    """The card that ordered, as its certificate says."""
    return order.exchange.session.peer.subject_id


def _reference(value: object) -> bytes:
    try:
        reference = unb64(value) if type(value) is str else b""
    except ValueError:
        reference = b""
    if len(reference) != 32:
        raise MenuError("the order names no card")
    return reference


def _tip(value: object) -> int:
    if type(value) is not int or not 0 <= value <= MAX_AMOUNT_CENTS:
        raise MenuError("the tip of the order is no amount")
    return value


def _error(exchange: Exchange, re: int, code: str, text: str) -> None:
    exchange.post("I", "ERROR", {"re": re, "code": code, "text": text})
