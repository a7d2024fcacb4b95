"""What becomes of refills without anybody asking: cards charged, lines credited, money sent back.

Everything here can be done twice without harm, so a backend that was killed goes on where the
ledger says that it was. Lives in the event loop; reading and asking happen in threads.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Any
from uuid import UUID, uuid4

from adapters.backend.carrying_out import Answer, CarryingOut
from adapters.backend.operator_ports import Denied
from adapters.backend.refill_steps import ReadAhead, Steps
from application.command import Origin
from application.credit_refill import (
    CreditLines,
    GiveBackLines,
    Step,
    TakeBackLines,
    step_origin,
    taken_lines,
)
from application.payment_processor import (
    Charge,
    Processor,
    ProcessorFailed,
    RecordCharge,
    RecordRefund,
    Refund,
    RefundLookedFor,
)
from application.ports import Clock, Unavailable
from application.read import Read
from application.refill import Terms
from application.states import States
from domain.aggregates import refill as refills
from domain.aggregates.refill import Refill, RefillCredited, RefillOrdered
from domain.event import Event
from domain.refill_lines import RefillLine

log = logging.getLogger(__name__)
LOOK_EVERY_S = 20.0
"""How often what is not done yet is looked at again; a command about a refill wakes it at once."""
POLL_AFTER_S = 60.0
"""A charge that is pending for so long is asked for: its webhook may be lost."""
START_AGAIN_S = 1.0
_NOBODY = UUID(int=0)
AT_ONCE = 4
"""Refills that are credited or taken back at a time; each waits for one step of the engine's."""
ASKING_AT_ONCE = 2
"""Refills of which the processor is asked at a time; one that hangs holds a thread."""


ReadStream = Callable[[UUID], Sequence[Event]]
"""The events of one stream, read in a thread of its own. Raises Unavailable."""


class RefillWork:
    """A part of the backend. `listed` gives all refills of the directory, in a thread."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        clock: Clock,
        issuer_id: UUID,
        terms: Terms,
        processor: Processor | None,
        read: ReadStream,
        read_ahead: ReadAhead,
        listed: Callable[[], Iterable[Refill]],
        schedule_changed: Callable[[UUID], None] = lambda _: None,
    ) -> None:
        self._loop, self._clock, self._issuer_id = loop, clock, issuer_id
        self.terms, self.processor = terms, processor
        self._read, self._read_ahead, self._listed = read, read_ahead, listed
        self.schedule_changed = schedule_changed
        self._open: set[UUID] = set()
        self._busy: set[UUID] = set()
        self._again: set[UUID] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._places = asyncio.Semaphore(AT_ONCE)
        self._asking_places = asyncio.Semaphore(ASKING_AT_ONCE)
        self._asked_us: dict[UUID, int] = {}
        self.trouble: dict[UUID, str] = {}
        """Why the processor could not be asked, by refill."""
        self._woken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._works: CarryingOut | None = None

    @property
    def processor_name(self) -> str:
        """Empty where no card can be charged."""
        return self.processor.name if self.processor is not None else ""

    def attach(self, works: CarryingOut) -> None:
        """Gives the way to the engine."""
        self._works = works

    @property
    def works(self) -> CarryingOut:
        """The way to the engine."""
        assert self._works is not None
        return self._works

    def start(self) -> None:
        """Takes up what was not done when the last backend ended."""
        self._task = self._loop.create_task(self._run())

    def stop(self) -> None:
        """Ends; called from another thread."""
        self._loop.call_soon_threadsafe(self._end)

    def _end(self) -> None:
        for task in (self._task, *self._tasks):
            if task is not None:
                task.cancel()

    def wake(self, refill_id: UUID) -> None:
        """Something happened to a refill."""
        self._open.add(refill_id)
        if refill_id in self._busy:
            self._again.add(refill_id)
        self._woken.set()

    async def _run(self) -> None:
        taken_up = False
        while True:
            self._woken.clear()
            taken_up = taken_up or await self._took_up()
            for refill_id in self._open - self._busy:
                self._begin(refill_id)
            try:
                async with asyncio.timeout(LOOK_EVERY_S if taken_up else START_AGAIN_S):
                    await self._woken.wait()
            except TimeoutError:
                pass

    def _begin(self, refill_id: UUID) -> None:
        """Beside the others: no refill waits for a processor that does not answer another."""
        self._busy.add(refill_id)
        task = self._loop.create_task(self._forward(refill_id))
        self._tasks.add(task)

        def ended(task: "asyncio.Task[None]") -> None:
            self._tasks.discard(task)
            self._busy.discard(refill_id)
            if refill_id in self._again:
                self._again.discard(refill_id)
                self.wake(refill_id)

        task.add_done_callback(ended)

    async def _took_up(self) -> bool:
        def at_work() -> set[UUID]:
            return {refill.id for refill in self._listed() if refill.at_work}

        try:
            # Before the engine took the shard nobody knows where the log ends, and a list that is
            # behind it looks complete.
            await self._state(_NOBODY)
            self._open |= await asyncio.to_thread(at_work)
        except (Unavailable, Denied):
            return False
        if self._open:
            log.info("%d refills go on", len(self._open))
        return True

    async def _forward(self, refill_id: UUID) -> None:
        """Does what can be done for it now; forgets it where nothing is left to do."""
        try:
            refill = await self._state(refill_id)
            while refill is not None and (moved := await self._step(refill)) is not None:
                refill = moved
        except (Unavailable, Denied, ProcessorFailed) as error:
            said = error.code if isinstance(error, Denied) else str(error)
            if self.trouble.get(refill_id) != said:
                log.warning("refill %s waits: %s", refill_id, said)
            self.trouble[refill_id] = said
            return
        except Exception:
            log.exception("refill %s", refill_id)
            return
        self.trouble.pop(refill_id, None)
        if refill is None or not refill.at_work:
            self._open.discard(refill_id)
            self._asked_us.pop(refill_id, None)

    async def _step(self, refill: Refill) -> Refill | None:
        """The refill after the next thing that was done, None where nothing was."""
        if refill.giving_back:
            async with self._places:
                return await self._give_back(refill)
        if refill.status == refills.APPROVED:
            async with self._places:
                return await self._credit(refill)
        if refill.takes_back:
            async with self._places:
                return await self._take_back(refill)
        if not refill.at_work or self.processor is None:
            return None
        async with self._asking_places:
            # That may have taken a while: what was cancelled meanwhile is not charged.
            current = await self._state(refill.id)
            if current is None or current.version != refill.version:
                return current
            if refill.status == refills.AWAITING_PAYMENT:
                return await self._pay(refill, self.processor)
            return await self._refund(refill, self.processor)

    async def _credit(self, refill: Refill) -> Refill | None:
        lines = ordered_lines(await asyncio.to_thread(self._read, refill.id))
        return await self._in_steps(refill, "credit", CreditLines, lines)

    async def _take_back(self, refill: Refill) -> Refill | None:
        events = await asyncio.to_thread(self._read, refill.id)
        credited = (event for event in events if isinstance(event, RefillCredited))
        lines = [line for event in credited for line in event.lines]
        return await self._in_steps(refill, "take-back", TakeBackLines, lines)

    async def _give_back(self, refill: Refill) -> Refill | None:
        lines = taken_lines(refill, await asyncio.to_thread(self._read, refill.id))
        return await self._in_steps(refill, "give-back", GiveBackLines, lines)

    async def _in_steps(
        self, refill: Refill, what: str, step: type[Step], lines: Sequence[RefillLine]
    ) -> Refill | None:
        current: Refill | None = refill
        async with Steps(lines, self._read_ahead) as steps:
            while current is not None and (place := step.place_of(current)) >= 0:
                some, ahead = await steps.at(place)
                current = await self.works.later(
                    step(
                        self._origin(refill, what, place),
                        self.works.deadline_us(),
                        refill_id=refill.id,
                        place=place,
                        lines=some,
                        ahead=ahead,
                    )
                )
        return current

    def _origin(self, refill: Refill, what: str, place: int) -> Origin:
        now_ms = self._clock.now_us() // 1000
        return step_origin(refill, what, place, now_ms, self._issuer_id)

    async def _pay(self, refill: Refill, processor: Processor) -> Refill | None:
        """Charges the card; later asks what became of it, where the processor did not say."""
        now_us = self._clock.now_us()
        asked_us = self._asked_us.get(refill.id)
        if asked_us is None:
            # After a restart the charge may exist already, older than the processor remembers
            # that it was asked.
            charge = await asyncio.to_thread(processor.find, refill.id)
            if charge is None:
                charge = await asyncio.to_thread(
                    processor.charge, refill.id, refill.due_cents, refill.payment_method
                )
        elif now_us - asked_us < POLL_AFTER_S * 1_000_000:
            return None
        else:
            charge = await asyncio.to_thread(processor.find, refill.id)
        self._asked_us[refill.id] = now_us
        if charge is None:
            return None
        await self._record(refill.id, processor, charge)
        after = await self._state(refill.id)
        return after if after is not None and after.version > refill.version else None

    async def _refund(self, refill: Refill, processor: Processor) -> Refill | None:
        """Sends back what is due, and records it. What was sent before and not recorded is only
        recorded: also after a chargeback, when nothing is sent any more."""
        origin, deadline_us = self._asking(f"system:{processor.name}"), self.works.deadline_us
        sent = await asyncio.to_thread(processor.refunds, refill.id, refill.reference)
        found = next(
            (each for each in sent if each.reference not in refill.refund_references), None
        )
        if found is None and refill.refund_in_doubt:
            await self.works.carry_out(RefundLookedFor(origin, deadline_us(), refill_id=refill.id))
            return await self._state(refill.id)
        if found is None:
            cents = refill.refund_by_processor_cents
            made = await asyncio.to_thread(processor.refund, refill.id, refill.reference, cents)
            found = Refund(reference=made, amount_cents=cents)
        await self.works.carry_out(
            RecordRefund(
                origin,
                deadline_us(),
                refill_id=refill.id,
                processor=processor.name,
                reference=found.reference,
                amount_cents=found.amount_cents,
            )
        )
        return await self._state(refill.id)

    async def poll(self, refill_id: UUID) -> Answer:
        """Asks the processor now, whatever it told before. Raises Denied."""
        processor = self._needed()
        try:
            charge = await asyncio.to_thread(processor.find, refill_id)
        except ProcessorFailed as error:
            raise Denied("processor-unavailable", f"{error} Try again later.") from None
        if charge is None:
            raise Denied("no-such-charge", "The processor knows no charge for that refill.")
        answer = await self._record(refill_id, processor, charge)
        self.wake(refill_id)
        return answer

    async def resend(self, refill_id: UUID) -> Answer:
        """Has the processor send its last webhook about a refill again. Raises Denied."""
        processor = self._needed()
        try:
            await asyncio.to_thread(processor.resend, refill_id)
        except ProcessorFailed as error:
            raise Denied("not-resent", str(error)) from None
        return {"id": str(refill_id), "resent": True}

    def _needed(self) -> Processor:
        if self.processor is None:
            raise Denied("no-processor", "No payment processor is set up.")
        return self.processor

    async def _record(self, refill_id: UUID, processor: Processor, charge: Charge) -> Answer:
        return await self.works.carry_out(
            RecordCharge(
                self._asking(f"system:{processor.name}"),
                self.works.deadline_us(),
                refill_id=refill_id,
                processor=processor.name,
                charge=charge,
            )
        )

    def _asking(self, actor: str) -> Origin:
        now_ms = self._clock.now_us() // 1000
        return Origin(command_id=uuid4(), issued_ms=now_ms, actor=actor, issuer_id=self._issuer_id)

    async def _state(self, refill_id: UUID) -> Refill | None:
        def look(states: States, _: int) -> Refill | None:
            return states.get(refill_id, Refill)

        found: Any = await self.works.through_engine(
            Read(refill_id, look, self.works.deadline_us())
        )
        return found if isinstance(found, Refill) else None


def ordered_lines(events: Sequence[Event]) -> Sequence[RefillLine]:
    """The lines of an order; of a refill from before there were orders, what it credited."""
    for event in events:
        if isinstance(event, (RefillOrdered, RefillCredited)):
            return event.lines
    return ()
