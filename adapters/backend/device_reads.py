"""What a terminal or a phone may read of itself: the menu, the balance, the history."""

import asyncio
from collections.abc import Callable
from typing import Any
from uuid import UUID

from adapters.backend.lot_lists import expires_next
from adapters.backend.sessions import Peer
from adapters.clock import system_now_us
from application.read import Read
from application.states import States
from application.work import Failed, Work
from domain.aggregates.account import Account, business_date
from domain.aggregates.card import Card
from domain.aggregates.programme import Programme, in_force, programme_id
from domain.aggregates.shop import Shop
from domain.aggregates.terminal import Terminal
from domain.local_time import local_date
from domain.terms import LEGAL_DAY_CENTS
from protocol import bodies, messages
from protocol.errors import NOT_FOUND, UNAVAILABLE
from protocol.line import Line

DEADLINE_US = 5_000_000
Submit = Callable[[Work, Callable[[Any], None]], bool]
Rows = Callable[[UUID], list[dict[str, Any]]]


class DeviceReads:
    """`history` gives the cardholder's own transactions, `alerts` what he is asked about them;
    both newest first, in a thread."""

    def __init__(
        self,
        submit: Submit,
        history: Rows,
        alerts: Rows,
        now_us: Callable[[], int] = system_now_us,
    ) -> None:
        self._now_us = now_us
        self._submit = submit
        self._of_verb = {"HISTORY": history, "ALERTS": alerts}
        self._tasks: set[asyncio.Task[None]] = set()

    def received(self, peer: Peer, line: Line, body: bytes) -> None:
        """C MENU of a terminal; C BALANCE, C HISTORY, C ALERTS of a phone."""
        request = bodies.read(body, messages.Ask)["id"]
        if line.verb == "MENU":
            self._read(peer, request, "MENU", _menu)
        elif line.verb == "BALANCE":
            self._read(peer, request, "BALANCE", _balance)
        else:
            sending = self._send_rows(peer, request, line.verb)
            task = asyncio.get_running_loop().create_task(sending)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _read(
        self,
        peer: Peer,
        request: int,
        verb: str,
        look: Callable[[States, UUID, int], dict[str, Any] | None],
    ) -> None:
        subject = peer.subject_id

        def done(answer: dict[str, Any] | Failed | None) -> None:
            if isinstance(answer, Failed):
                peer.error(UNAVAILABLE, request)
            elif answer is None:
                peer.error(NOT_FOUND, request)
            else:
                peer.reply("D", verb, {"re": request, **answer})

        work = Read(
            subject,
            lambda states, now_us: look(states, subject, now_us),
            self._now_us() + DEADLINE_US,
        )
        if not self._submit(work, done):
            peer.error(UNAVAILABLE, request)

    async def _send_rows(self, peer: Peer, request: int, verb: str) -> None:
        try:
            rows = await asyncio.to_thread(self._of_verb[verb], peer.subject_id)
        except Exception:
            peer.error(UNAVAILABLE, request)
            return
        peer.reply("D", verb, {"re": request, "rows": rows[:100]})


def _menu(states: States, terminal_id: UUID, now_us: int) -> dict[str, Any] | None:
    terminal = states.get(terminal_id, Terminal)
    shop = states.get(terminal.shop_id, Shop) if terminal else None
    if shop is None:
        return None
    return {
        "shop": str(shop.id),
        "shop_name": shop.name,
        "version": shop.menu_version,
        "items": [
            {"item": line.item, "name": line.name, "price_cents": line.price_cents}
            for line in shop.menu
        ],
    }


def _balance(states: States, card_id: UUID, now_us: int) -> dict[str, Any] | None:
    card = states.get(card_id, Card)
    account = states.get(card.account_id, Account) if card else None
    if account is None:
        return None
    today = business_date(account, local_date(now_us, account.timezone))
    programme = states.get(programme_id(account.company_id), Programme)
    per_day = in_force(programme, now_us).terms.per_day_cents
    return {
        "balance_cents": account.available_cents(today),
        "currency": account.currency,
        "spent_today_cents": account.spent_on_date(today),
        "daily_limit_cents": min(account.daily_limit_cents, per_day or LEGAL_DAY_CENTS),
        **expires_next(account, today),
    }
