"""Taking back payments whose decision was not heard: repeated until the backend acknowledges.

A reversal has no clock limit and may overtake its authorization; the backend refuses that one then.
"""

import asyncio
import contextlib
import logging
from collections.abc import Collection

from devices.exchange import Body, NoAnswer, Refused, Unreachable
from devices.link import Backoff, Link
from devices.pos.bills import Bill, Bills
from devices.pos.journal import Journal, Pending
from protocol import errors

log = logging.getLogger(__name__)
PATIENCE_S = 8.0
_STATES = ("reversed", "nothing-to-reverse")
_LATER = (errors.UNAVAILABLE, errors.BUSY, errors.RATE_LIMITED, errors.TIMED_OUT, errors.INTERNAL)


class Reversals:
    """Works off the journal's pending payments, except those that still wait for their decision."""

    def __init__(self, link: Link, journal: Journal, bills: Bills) -> None:
        self._link = link
        self._journal = journal
        self._bills = bills
        self._awaited: set[int] = set()  # counters whose decision may still come
        self._why: dict[int, str] = {}
        self._work = asyncio.Event()
        self._service_is_back = asyncio.Event()
        self._progress = asyncio.Condition()
        self._states: dict[int, str] = {}
        self.patience_s = PATIENCE_S
        self._backoff = Backoff(first_s=0.5, most_s=30.0)

    def begin(self, pending: Pending) -> None:
        """A payment is about to be asked for. Raises JournalError."""
        self._awaited.add(pending.counter)
        try:
            self._journal.begin(pending)
        except BaseException:
            self._awaited.discard(pending.counter)
            raise

    def decided(self, counter: int) -> None:
        """Its decision was heard and written down: nothing is left to reverse."""
        self._journal.settle(counter)
        self._awaited.discard(counter)
        self.try_now()

    def keep(self, counters: Collection[int]) -> None:
        """Payments that were approved together stand: in one write, so all of them or none."""
        self._journal.settle(*counters)
        self._awaited.difference_update(counters)
        self.try_now()

    def try_now(self) -> None:
        """The backend answers again: what waits for its next attempt need not wait longer."""
        self._service_is_back.set()

    def unheard(self, counter: int, why: str) -> None:
        """Its decision did not come: from now on it is reversed."""
        self._why[counter] = why
        self._awaited.discard(counter)
        self._work.set()

    def waiting(self) -> list[Pending]:
        """The payments that are to be reversed."""
        return [p for p in self._journal.pending() if p.counter not in self._awaited]

    async def acknowledged(self, counter: int, timeout_s: float) -> str:
        """How the reversal of that payment ended: reversed, nothing-to-reverse, or pending."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s), self._progress:
                await self._progress.wait_for(lambda: counter in self._states)
        return self._states.get(counter, "pending")

    async def finished(self, timeout_s: float) -> bool:
        """Whether nothing waits to be reversed any more, within that time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s), self._progress:
                await self._progress.wait_for(lambda: not self.waiting())
        return not self.waiting()

    async def run(self) -> None:
        """Never ends; cancel it. Also reverses what an earlier run left behind."""
        while True:
            self._work.clear()
            self._service_is_back.clear()
            if await self._reverse_all():
                self._backoff.reset()
                await self._work.wait()
                continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._backoff.next_s()):
                    await self._service_is_back.wait()
                    self._backoff.reset()

    async def _reverse_all(self) -> bool:
        """Whether all are acknowledged. One that is refused for a fault of its own does not hold up
        the others; where the backend itself does not work, they wait with it."""
        all_done = True
        for pending in self.waiting():
            try:
                all_done &= await self._reverse(pending)
            except (Unreachable, NoAnswer):
                return False
            except Refused as error:
                log.warning("reversal %d was not accepted: %s", pending.counter, error.code)
                if error.code in _LATER:
                    return False
                all_done = False
        return all_done

    async def _reverse(self, pending: Pending) -> bool:
        backend = await self._link.backend(self.patience_s)
        why = self._why.get(pending.counter, "restarted")
        answer = await backend.ask("C", "REVERSE", _body(pending, why), self.patience_s)
        state = str(answer.body.get("state"))
        if answer.verb != "STATUS" or state not in _STATES:
            log.warning("reversal %d got an answer that is none", pending.counter)
            return False
        await self._finish(pending, state, str(answer.body.get("transaction", "")))
        return True

    async def _finish(self, pending: Pending, state: str, transaction: str) -> None:
        self._bills.add(
            Bill(
                counter=pending.counter,
                ms=pending.ms,
                state=state,
                amount_cents=pending.amount_cents,
                card=pending.card_shown,
                reason=self._why.pop(pending.counter, "restarted"),
                transaction=transaction,
            )
        )
        self._journal.settle(pending.counter)
        async with self._progress:
            self._states[pending.counter] = state
            self._progress.notify_all()


def _body(pending: Pending, why: str) -> Body:
    card = (
        {"card_id": pending.card_id}
        if pending.card_id
        else {"pan": pending.pan, "salt": pending.salt}
    )
    return {
        "counter": pending.counter,
        "ms": pending.ms,
        "contract_hash": pending.contract_hash,
        "why": why,
        **card,
    }
