"""The virtual card: reads a shop's menu, orders, and signs only what it ordered (TR-CFS).

The phone speaks with the terminal and with the backend over one connection, in two sessions. The
decision it shows is the backend's own, never what the POS says.
"""

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self
from uuid import UUID

from devices.card.call import Calls
from devices.durable import FolderLock
from devices.exchange import Body, Exchange, Message, NoAnswer
from devices.identity import Device
from devices.link import Link
from devices.menu import Menu, OrderLine, choose, lines_body, read_menu, total_cents
from devices.money import show_amount
from devices.personalisation import load_card
from devices.wording import after_verdict
from protocol.adjustment import TYP_DISPUTE, DisputeRequest, encode_dispute
from protocol.certificates import Peer
from protocol.contract import (
    SALT_BYTES,
    TYP_CARD,
    TYP_POS,
    Contract,
    card_reference,
    items_hash,
    parse_contract,
    sign_detached,
    verify_detached,
)
from protocol.encoding import b64, unb64
from protocol.errors import BAD_CONTRACT, BodyError
from protocol.sealed_track import seal_track

ANSWER_TIMEOUT_S = 8.0
CASHIER_TIMEOUT_S = 180.0
_CONNECT_PATIENCE_S = 10.0
_CLOCK_TOLERANCE_MS = 300_000
_LONGEST_LIFE_MS = 600_000


UNDECIDED = ("91", "96")


class NotWhatWasOrdered(Exception):
    """The terminal's contract differs from the order: the card does not sign it."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What the backend decided, as the phone shows it. Amounts in cents."""

    approved: bool
    code: str
    reason: str
    text: str
    amount_cents: int
    would_pass_cents: int | None
    passes_at_ms: int | None
    balance_cents: int | None
    shop_name: str
    transaction: str


@dataclass(frozen=True, slots=True)
class _Wish:
    """An order as the card made it: what a contract must say to be signed."""

    menu: Menu
    lines: tuple[OrderLine, ...]
    salt: bytes
    reference: bytes
    tip_cents: int


class VirtualCard:
    """One card on one phone. Use as `async with VirtualCard(device) as card`; raises InUse."""

    def __init__(
        self,
        device: Device,
        *,
        answer_timeout_s: float = ANSWER_TIMEOUT_S,
        cashier_timeout_s: float = CASHIER_TIMEOUT_S,
    ) -> None:
        self.device = device
        self.link = Link(device)
        self._data = load_card(device)
        self._calls = Calls(self.link)
        self._lock = FolderLock(device.folder)
        self._answer_timeout_s = answer_timeout_s
        self._cashier_timeout_s = cashier_timeout_s

    async def __aenter__(self) -> Self:
        self._lock.__enter__()
        await self.link.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.link.__aexit__()
        self._lock.__exit__()

    async def balance(self) -> Body:
        """The account's balance and limit, in cents. Raises Unreachable, NoAnswer, Refused."""
        backend = await self._backend()
        answer = await backend.ask("C", "BALANCE", {}, self._answer_timeout_s)
        return _without_re(answer.body)

    async def history(self) -> list[Body]:
        """The account's movements. Raises Unreachable, NoAnswer, Refused."""
        backend = await self._backend()
        rows: list[Body] = []
        async for message in backend.answers("C", "HISTORY", {}, self._answer_timeout_s):
            found = message.body.get("rows")
            rows += [row for row in found if isinstance(row, dict)] if type(found) is list else []
        return rows

    async def alerts(self) -> list[Body]:
        """Payments that looked unusual, newest first. Raises Unreachable, NoAnswer, Refused."""
        backend = await self._backend()
        rows: list[Body] = []
        async for message in backend.answers("C", "ALERTS", {}, self._answer_timeout_s):
            found = message.body.get("rows")
            rows += [row for row in found if isinstance(row, dict)] if type(found) is list else []
        return rows

    async def answer(self, alert: UUID, *, mine: bool) -> Body:
        """Says whether it was the cardholder. Raises Unreachable, NoAnswer, Refused."""
        backend = await self._backend()
        told = {"alert": str(alert), "mine": mine}
        answer = await backend.ask("C", "ANSWER", told, self._answer_timeout_s)
        result = answer.body.get("result")
        return result if isinstance(result, dict) else {}

    async def menu(self, terminal: UUID) -> Menu:
        """The menu of the shop that the terminal stands in.

        Raises Unreachable, NoAnswer, Refused, ProtocolError, MenuError.
        """
        return await self._menu(await self._calls.to(terminal))

    async def order(
        self, terminal: UUID, wanted: Sequence[tuple[str, int]], *, tip_cents: int = 0
    ) -> Decision:
        """Orders (item or name, quantity) pairs, waits for the cashier, pays, waits for the
        backend's decision. `tip_cents`: the highest tip that the shop may add afterwards.

        Raises Refused (the shop said no), NotWhatWasOrdered, NoAnswer (no decision was heard: the
        history tells), Unreachable, ProtocolError, MenuError.
        """
        pos = await self._calls.to(terminal)
        wish = self._wish(await self._menu(pos), wanted, tip_cents)
        number = pos.next_id()
        pos.expect(number)
        order = {"id": number, "items": lines_body(wish.lines), "card": b64(wish.reference)}
        order |= {"tip_cents": tip_cents} if tip_cents else {}
        pos.post("D", "ORDER", order)
        offer = await pos.asked(number, self._cashier_timeout_s)
        try:
            raw, contract = _check_offer(offer, wish, pos.session.peer, self.link.now_ms())
        except NotWhatWasOrdered as error:
            pos.post("I", "ERROR", {"re": number, "code": BAD_CONTRACT, "text": str(error)})
            raise
        backend = await self._backend()
        pos.post("D", "CONSENT", {"re": number, **self._consent(backend, raw, wish)})
        return await self._decision(backend, contract)

    async def dispute(
        self, transaction: UUID, text: str, *, amount_cents: int = 0, document: bytes = b""
    ) -> Body:
        """Contests a payment of the account, or tells how its dispute stands.

        `amount_cents` 0: all that is left of it; `document`: SHA-256 of what can be shown. Raises
        Unreachable, NoAnswer, Refused; BodyError for what cannot be said.
        """
        me = self.device
        asked = DisputeRequest(amount_cents, me.id, document, self.link.now_ms(), text, transaction)
        raw = encode_dispute(asked)
        signature = sign_detached(raw, TYP_DISPUTE, me.serial, me.identity.sign)
        backend = await self._backend()
        body = {"request": b64(raw), "signature": signature}
        answer = await backend.ask("C", "DISPUTE", body, self._answer_timeout_s)
        return _without_re(answer.body)

    def _wish(self, menu: Menu, wanted: Sequence[tuple[str, int]], tip_cents: int) -> _Wish:
        salt = os.urandom(SALT_BYTES)
        reference = card_reference(salt, self._data.pan)
        return _Wish(menu, choose(menu, wanted), salt, reference, tip_cents)

    def _consent(self, backend: Exchange, contract: bytes, wish: _Wish) -> Body:
        """The cardholder's signature, and the track that only the backend can open."""
        session, me = backend.session, self.device
        return {
            "consent": sign_detached(contract, TYP_CARD, me.serial, me.identity.sign),
            "track": seal_track(self._data.track2, wish.salt, contract, session.id, session.export),
            "card_id": str(me.id),
        }

    async def _menu(self, pos: Exchange) -> Menu:
        answer = await pos.ask("C", "MENU", {}, self._answer_timeout_s)
        return read_menu(answer.body)

    async def _decision(self, backend: Exchange, contract: Contract) -> Decision:
        """The backend's word on this contract; older news on the same session is passed over."""
        wanted = (contract.counter, contract.ms, contract.amount_cents)
        try:
            async with asyncio.timeout(self._answer_timeout_s * 2):
                while True:
                    message = await backend.next_message()
                    body = message.body
                    found = (body.get("counter"), body.get("ms"), body.get("amount_cents"))
                    if message.verb == "DECISION" and found == wanted:
                        return _read_decision(body)
        except TimeoutError:
            raise NoAnswer("no decision was heard; the history will tell") from None

    async def _backend(self) -> Exchange:
        return await self.link.backend(_CONNECT_PATIENCE_S)


def _check_offer(
    offer: Message, wish: _Wish, terminal: Peer, now_ms: int
) -> tuple[bytes, Contract]:
    """The contract, byte for byte as signed by the terminal; raises NotWhatWasOrdered unless it
    says exactly what was ordered, here and now."""
    try:
        raw = unb64(_text(offer.body, "contract"))
        signature = _text(offer.body, "signature")
        verify_detached(raw, signature, TYP_POS, terminal.public_key, terminal.kid)
        contract = parse_contract(raw)
    except (ValueError, BodyError):
        raise NotWhatWasOrdered("the terminal sent no valid contract") from None
    total = total_cents(wish.lines)
    checks = (
        (contract.amount_cents == total, f"the amount is not {show_amount(total)}"),
        (contract.tip_cents == wish.tip_cents, f"the tip is not {show_amount(wish.tip_cents)}"),
        (contract.items == items_hash(lines_body(wish.lines)), "the items are not those ordered"),
        (contract.card == wish.reference, "it is for another card"),
        (contract.terminal == terminal.subject_id, "it is from another terminal"),
        (contract.shop == wish.menu.shop, "it is from another shop"),
        (abs(contract.ms - now_ms) <= _CLOCK_TOLERANCE_MS, "its time is wrong"),
        (contract.expires_ms - contract.ms <= _LONGEST_LIFE_MS, "it stays valid for too long"),
        (contract.expires_ms > now_ms, "it has expired"),
    )
    for passed, why in checks:
        if not passed:
            raise NotWhatWasOrdered(f"not signed: {why}")
    return raw, contract


def _read_decision(body: Body) -> Decision:
    return Decision(
        approved=body.get("approved") is True,
        code=str(body.get("code", "")),
        reason=str(body.get("reason", "")),
        text=str(body.get("text", "")),
        amount_cents=body["amount_cents"],
        would_pass_cents=_whole(body.get("would_pass_cents")),
        passes_at_ms=_whole(body.get("passes_at_ms")),
        balance_cents=_whole(body.get("balance_cents")),
        shop_name=str(body.get("shop_name", "")),
        transaction=str(body.get("transaction", "")),
    )


def in_words(decision: Decision) -> str:
    """The decision as the cardholder reads it, in one line."""
    amount = show_amount(decision.amount_cents)
    verdict = "NOT DECIDED" if decision.code in UNDECIDED else "REFUSED"
    words = f"APPROVED {amount}" if decision.approved else f"{verdict} {amount} ({decision.code})"
    if decision.shop_name:
        words += f" at {decision.shop_name}"
    if not decision.approved:
        words += f": {after_verdict(decision.text)}"
    if decision.balance_cents is not None:
        when = "balance after" if decision.approved else "balance"
        words += f" · {when}: {show_amount(decision.balance_cents)}"
    return words


def _text(body: Body, name: str) -> str:
    value = body.get(name)
    if type(value) is not str:
        raise ValueError(f"no {name}")
    return value


def _whole(value: Any) -> int | None:
    return value if type(value) is int else None


def _without_re(body: Body) -> Body:
    return {name: value for name, value in body.items() if name != "re"}
