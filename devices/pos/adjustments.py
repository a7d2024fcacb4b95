"""Voids, refunds and tips of this terminal's payments, repeated until the backend answers.

The request is on disk before it is sent, and the same bytes are sent again, also by a later run:
the backend carries one name out once, so nothing is given back twice (TR-TPR 10.5a).
"""

import asyncio
import contextlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from devices.exchange import Body, NoAnswer, Refused, Unreachable
from devices.identity import Device
from devices.link import Backoff, Link
from devices.money import show_amount
from devices.pos.bills import Bill, Bills
from devices.pos.journal import Journal
from devices.wording import after_verdict
from protocol import errors
from protocol.adjustment import (
    REFUND,
    TIP,
    TYP_ADJUST,
    VOID,
    Adjustment,
    encode_adjustment,
    parse_adjustment,
)
from protocol.contract import sign_detached
from protocol.encoding import b64, unb64

log = logging.getLogger(__name__)
PATIENCE_S = 8.0
STATES: Final[Mapping[str, str]] = {VOID: "voided", REFUND: "refunded", TIP: "tipped"}
"""How bills call what was done."""
_LATER = (errors.UNAVAILABLE, errors.BUSY, errors.RATE_LIMITED, errors.TIMED_OUT, errors.INTERNAL)


@dataclass(frozen=True, slots=True)
class Adjusted:
    """How a change ended. `answered` is false where it is still being asked for."""

    action: str
    done: bool
    answered: bool
    code: str
    reason: str
    text: str
    amount_cents: int
    net_cents: int
    counter: int
    transaction: str
    would_pass_cents: int | None = None
    duplicate: bool = False


class Adjustments:
    """Asks for changes, and works off those of the journal that were not answered."""

    def __init__(self, device: Device, link: Link, journal: Journal, bills: Bills) -> None:
        self._device = device
        self._link = link
        self._journal = journal
        self._bills = bills
        self._asking: set[int] = set()  # counters whose answer somebody waits for
        self._work = asyncio.Event()
        self._progress = asyncio.Condition()
        self._backoff = Backoff(first_s=0.5, most_s=30.0)

    async def ask(
        self,
        action: str,
        transaction: UUID,
        amount_cents: int = 0,
        why: str = "",
        *,
        timeout_s: float = PATIENCE_S,
        drop_answer: bool = False,
    ) -> Adjusted:
        """Void, refund or tip, once. Raises JournalError; BodyError for what cannot be asked.

        `drop_answer` behaves as if the answer had been lost on its way (a simulation).
        """
        now_ms = self._link.now_ms()
        draft = Adjustment(action, amount_cents, 1, now_ms, self._device.id, transaction, why)
        encode_adjustment(draft)  # what cannot be asked costs no counter
        asked = draft._replace(counter=self._journal.reserve())
        raw = encode_adjustment(asked)
        self._asking.add(asked.counter)
        try:
            self._journal.ask(asked.counter, b64(raw))
            if drop_answer:
                with contextlib.suppress(Unreachable, NoAnswer, Refused):
                    await self._send(raw, asked, timeout_s)
                raise NoAnswer("no answer was heard")
            return await self._once(raw, asked, timeout_s)
        except (Unreachable, NoAnswer) as error:
            return self._unanswered(asked, "unavailable", f"Not answered yet: {error}.")
        except Refused as error:
            return self._unanswered(asked, error.code, f"Not answered yet: {error}.")
        finally:
            self._asking.discard(asked.counter)
            self._work.set()

    def waiting(self) -> int:
        """How many are still being asked for."""
        return len(self._journal.asked())

    async def finished(self, timeout_s: float) -> bool:
        """Whether none waits for its answer any more, within that time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s), self._progress:
                await self._progress.wait_for(lambda: not self.waiting())
        return not self.waiting()

    def try_now(self) -> None:
        """The backend can be reached again."""
        self._work.set()

    async def run(self) -> None:
        """Never ends; cancel it. Also asks for what an earlier run left behind."""
        while True:
            self._work.clear()
            if await self._ask_all():
                self._backoff.reset()
                await self._work.wait()
                continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._backoff.next_s()):
                    await self._work.wait()

    async def _ask_all(self) -> bool:
        """Whether all are answered that nobody else waits for."""
        for counter, text in self._journal.asked().items():
            if counter in self._asking:
                continue
            raw = unb64(text)
            try:
                await self._once(raw, parse_adjustment(raw), PATIENCE_S)
            except (Unreachable, NoAnswer, Refused):
                return False
        return True

    async def _once(self, raw: bytes, asked: Adjustment, timeout_s: float) -> Adjusted:
        """Its answer, written down. Raises Unreachable, NoAnswer, Refused for a later attempt."""
        try:
            body = await self._send(raw, asked, timeout_s)
            answer = _read(body, asked)
        except Refused as error:
            if error.code in _LATER:
                raise
            # A fault of the request itself: to repeat it would not help.
            log.warning("change %d was not accepted: %s", asked.counter, error.code)
            answer = _ended(asked, "96", error.code, str(error))
        self._bill(asked, STATES[asked.action] if answer.done else "refused", answer)
        self._journal.answered(asked.counter)
        async with self._progress:
            self._progress.notify_all()
        return answer

    async def _send(self, raw: bytes, asked: Adjustment, timeout_s: float) -> Body:
        backend = await self._link.backend(timeout_s)
        me = self._device
        signature = sign_detached(raw, TYP_ADJUST, me.serial, me.identity.sign)
        body = {"request": b64(raw), "signature": signature}
        return (await backend.ask("C", asked.action, body, timeout_s)).body

    def _unanswered(self, asked: Adjustment, reason: str, text: str) -> Adjusted:
        answer = _ended(asked, "91", reason, text, answered=False)
        self._bill(asked, "unanswered", answer)
        return answer

    def _bill(self, asked: Adjustment, state: str, answer: Adjusted) -> None:
        self._bills.add(
            Bill(
                counter=asked.counter,
                ms=asked.ms,
                state=state,
                amount_cents=answer.amount_cents or asked.amount_cents,
                card="",
                code=answer.code,
                reason=answer.reason,
                of=str(asked.transaction),
                action=asked.action,
            )
        )


def _read(body: Body, asked: Adjustment) -> Adjusted:
    """The answer to what was asked. Raises NoAnswer for what is none."""
    state, cents, net = body.get("state"), body.get("amount_cents"), body.get("net_cents")
    ours = body.get("transaction") == str(asked.transaction)
    if not ours or state not in ("done", "refused") or type(cents) is not int:
        raise NoAnswer("the answer was not understood")
    passes = body.get("would_pass_cents")
    return Adjusted(
        action=asked.action,
        done=state == "done",
        answered=True,
        code=str(body.get("code", "")),
        reason=str(body.get("reason", "")),
        text=str(body.get("text", "")),
        amount_cents=cents,
        net_cents=net if type(net) is int else 0,
        counter=asked.counter,
        transaction=str(asked.transaction),
        would_pass_cents=passes if type(passes) is int else None,
        duplicate=body.get("duplicate") is True,
    )


def _ended(
    asked: Adjustment, code: str, reason: str, text: str, *, answered: bool = True
) -> Adjusted:
    return Adjusted(
        action=asked.action,
        done=False,
        answered=answered,
        code=code,
        reason=reason,
        text=text,
        amount_cents=0,
        net_cents=0,
        counter=asked.counter,
        transaction=str(asked.transaction),
    )


def in_words(answer: Adjusted) -> str:
    """How it ended as a cashier reads it, in one line."""
    if answer.done:
        words = f"{STATES[answer.action].upper()} {show_amount(answer.amount_cents)}"
        return f"{words} · the payment is now worth {show_amount(answer.net_cents)}"
    if answer.answered:
        return f"REFUSED ({answer.code}): {after_verdict(answer.text)}"
    return f"{answer.text} The POS goes on asking; look at the bills before you ask again."
