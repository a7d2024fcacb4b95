"""What goes on by itself: charges, credits, refunds, schedules; also after an interruption."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import pytest

from adapters.backend.carrying_out import CarryingOut
from adapters.backend.operator_ports import Denied
from adapters.backend.refill_work import ASKING_AT_ONCE, RefillWork
from adapters.backend.schedule_watch import ScheduleWatch
from adapters.backend.webhooks import Webhooks
from adapters.processors import signature
from adapters.processors.sandbox import Sandbox
from application.decide_refill import CancelRefill, ConfirmPayment
from application.payment_processor import PAID, Charge, Processor, ProcessorFailed
from application.refill import Payment, Terms
from application.schedule import AddSchedule
from application.work import Work
from domain.aggregates import refill as refills
from domain.aggregates.refill import Refill
from domain.aggregates.schedule import Schedule
from domain.event import Event
from domain.ids import make_id
from domain.recurrence import KEEP, WEEKLY, Rule, due_us, last_before
from tests.unit.application.happened import ACCOUNT, COMPANY, account_opened, company_registered
from tests.unit.application.ledger_double import DEADLINE_US, ISSUER, NOW_MS, NOW_US, Ledger, origin
from tests.unit.application.refilling import SECOND, balance, charged, ledger, order, refill_of
from tests.unit.application.test_refill_decisions import said
from tests.unit.backend.operator_double import Outside

SECRET = b"whsec_test"


class Clock:
    def __init__(self) -> None:
        self.us = NOW_US

    def now_us(self) -> int:
        return self.us


class Room:
    """The work over a ledger in memory. `works_most`: the engine ends after so many works."""

    def __init__(self, place: Ledger, processor: Processor | None = None) -> None:
        self.place, self.clock = place, Clock()
        self.works_most: int | None = None
        self.processor = processor
        self.outside = Outside()
        self.outside.ledger = place
        self.outside.clock = self.clock

    def _submit(self, work: Work, done: Callable[[Any], None]) -> bool:
        if self.works_most is not None:
            if self.works_most == 0:
                return True  # the process was killed: nobody answers
            self.works_most -= 1
        done(self.place.when(cast(Any, work))[0])
        return True

    def stream(self, id: UUID) -> Sequence[Event]:
        return self.place.log.load([id]).get(id, [])

    def listed(self, cls: type[Any]) -> list[Any]:
        ids = {event.originator_id for event in self.place.log.events}
        found = [self.place.states.get(id, cls) for id in ids]
        return [each for each in found if each is not None]

    def work(self) -> RefillWork:
        loop = asyncio.get_running_loop()
        made = RefillWork(
            loop, self.clock, ISSUER, Terms(), self.processor, self.stream,
            self.place.states.read_ahead, lambda: self.listed(Refill),
        )  # fmt: skip
        object.__setattr__(self.outside, "_submit", self._submit)
        made.attach(CarryingOut(self.outside.surroundings()))
        return made

    def run(self, id: UUID | None = None, seconds: float = 5, until: str = "") -> Refill | None:
        """One life of a backend: until the refill has a status, or nothing more happens."""

        async def live() -> None:
            work = self.work()
            work.start()
            if id is not None:
                work.wake(id)
            deadline = asyncio.get_running_loop().time() + seconds
            while asyncio.get_running_loop().time() < deadline:
                await asyncio.sleep(0.01)
                refill = self.place.states.get(id, Refill) if id is not None else None
                if until and refill is not None and refill.status == until and not refill.at_work:
                    break
                if self.works_most == 0:
                    break
            work._end()

        asyncio.run(live())
        return self.place.states.get(id, Refill) if id is not None else None


def many(count: int) -> tuple[Ledger, list[tuple[UUID, int]]]:
    accounts = [make_id(NOW_MS, n % 4096, 1000 + n) for n in range(count)]
    place = Ledger()
    place.log.events += [company_registered(), *map(account_opened, accounts)]
    place.states.load(accounts)
    return place, [(account, 100 + n % 7) for n, account in enumerate(accounts)]


def test_a_refill_that_is_killed_again_and_again_credits_every_line_once() -> None:
    place, lines = many(4 * refills.STEP_LINES - 30)
    answer, _ = place.when(order(*lines, checked=True))
    id = UUID(answer["id"])
    place.log.append = quick(place)  # type: ignore[method-assign]
    lives = 0
    while refill_of(place, answer).status == refills.APPROVED:
        room = Room(place)
        room.works_most = 3  # is the engine there, a look, and one step
        room.run(id if lives == 0 else None, seconds=2)
        place.states.drop()
        lives += 1
        assert lives < 10
    assert lives >= 4
    refill = refill_of(place, answer)
    assert (refill.status, refill.credited_lines) == ("credited", len(lines))
    assert [balance(place, account) for account, _ in lines] == [cents for _, cents in lines]


def quick(place: Ledger) -> Any:
    """The double's append without its walk through all events, which is for small tests."""

    def append(events: Any, claims: Any) -> None:
        place.log.events.extend(events)
        for claim in claims or ():
            assert (claim.kind, claim.digest) not in place.log.claims
            place.log.claims[claim.kind, claim.digest] = claim.owner

    return append


def by_card(room: Room, token: str, number: int = 1) -> UUID:
    payment = Payment(method=refills.CARD, token=token)
    answer, _ = room.place.when(order((ACCOUNT, 500), payment=payment, number=number))
    return UUID(answer["id"])


@pytest.fixture
def room(tmp_path: Path) -> Room:
    return Room(ledger(), Sandbox(tmp_path / "charges.json", SECRET, None))


def test_a_card_is_charged_and_its_refill_credited(room: Room) -> None:
    id = by_card(room, "pm_card_visa")
    assert room.run(id, until="credited") is not None
    assert balance(room.place) == 500


def test_a_refused_card_ends_the_refill(room: Room) -> None:
    refill = room.run(by_card(room, "pm_card_chargeDeclined"), until="rejected")
    assert refill is not None
    assert (refill.status, refill.why) == ("rejected", "The card was refused: card_declined.")


def test_a_lost_webhook_is_made_good_by_asking(room: Room) -> None:
    id = by_card(room, "pm_card_lost")
    refill = room.run(id, seconds=0.2)
    assert refill is not None
    assert refill.status == "awaiting-payment"
    refill = room.run(id, until="credited")  # a new start asks first
    assert refill is not None
    assert (refill.status, balance(room.place)) == ("credited", 500)


class Away:
    """A processor that took the money and never answers."""

    name = "sandbox"

    def __init__(self, inner: Sandbox) -> None:
        self.inner, self.away = inner, True
        self.charges = 0

    def find(self, refill_id: UUID) -> Charge | None:
        return self.inner.find(refill_id)

    def charge(self, refill_id: UUID, amount_cents: int, token: str) -> Charge:
        self.charges += 1
        charge = self.inner.charge(refill_id, amount_cents, token)
        if self.away:
            raise ProcessorFailed("It does not answer.")
        return charge

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


def test_an_answer_that_was_lost_charges_no_second_time(room: Room) -> None:
    processor = Away(cast(Sandbox, room.processor))
    room.processor = cast(Processor, processor)
    id = by_card(room, "pm_card_visa")
    refill = room.run(id, seconds=0.2)
    assert refill is not None
    assert refill.status == "awaiting-payment"
    room.run(id, until="credited")
    assert (processor.charges, balance(room.place)) == (1, 500)


def test_a_processor_that_hangs_holds_up_no_other_refill(room: Room) -> None:
    inner = cast(Sandbox, room.processor)
    free = threading.Event()

    class Hangs(Away):
        def find(self, refill_id: UUID) -> Charge | None:
            free.wait(3)
            return super().find(refill_id)

    room.processor = cast(Processor, Hangs(inner))
    by_card(room, "pm_card_visa")
    answer, _ = room.place.when(order((SECOND, 700), payment=Payment(), number=2))
    id = UUID(answer["id"])
    said(room.place, ConfirmPayment, id, 3)
    refill = room.run(id, until="credited", seconds=2)
    free.set()
    assert refill is not None
    assert (refill.status, balance(room.place, SECOND)) == ("credited", 700)


def test_many_cards_of_a_processor_that_hangs_hold_up_no_credit(room: Room) -> None:
    free = threading.Event()

    class Hangs(Away):
        def find(self, refill_id: UUID) -> Charge | None:
            free.wait(3)
            return super().find(refill_id)

    room.processor = cast(Processor, Hangs(cast(Sandbox, room.processor)))
    for number in range(30):
        by_card(room, "pm_card_visa", 10 + number)
    answer, _ = room.place.when(order((SECOND, 700), payment=Payment(), number=2))
    id = UUID(answer["id"])
    said(room.place, ConfirmPayment, id, 3)
    refill = room.run(id, until="credited", seconds=2)
    free.set()
    assert refill is not None
    assert (refill.status, balance(room.place, SECOND)) == ("credited", 700)


def test_what_was_cancelled_while_it_waited_for_its_turn_is_not_charged(room: Room) -> None:
    processor = Away(cast(Sandbox, room.processor))
    room.processor = cast(Processor, processor)
    id = by_card(room, "pm_card_visa")

    async def live() -> None:
        work = room.work()
        for _ in range(ASKING_AT_ONCE):
            await work._asking_places.acquire()
        forward = asyncio.create_task(work._forward(id))
        await asyncio.sleep(0.05)
        said(room.place, CancelRefill, id, 2)
        work._asking_places.release()
        await forward

    asyncio.run(live())
    assert processor.charges == 0
    assert refill_of(room.place, {"id": str(id)}).status == "cancelled"


def test_a_cancelled_order_that_was_charged_is_refunded(room: Room) -> None:
    id = by_card(room, "pm_card_visa")
    assert room.processor is not None
    charge = room.processor.charge(id, 500, "pm_card_visa")
    said(room.place, CancelRefill, id, 2)
    assert charge.state == PAID
    charged(room.place, id, 3, PAID, 500)
    room.run(None, seconds=0.3)  # found at the start, nobody wakes it
    refill = refill_of(room.place, {"id": str(id)})
    assert (refill.status, refill.refunded_cents, balance(room.place)) == ("cancelled", 500, 0)


def test_a_webhook_pays_once_and_a_forged_one_never(room: Room) -> None:
    id = by_card(room, "pm_card_late")
    sandbox = cast(Sandbox, room.processor)
    sandbox.charge(id, 500, "pm_card_late")
    body, _ = sandbox.message(id, "payment_intent.succeeded")

    async def tell(header: str) -> Any:
        hooks = Webhooks(room.work(), room.clock, ISSUER)
        try:
            return (await hooks.received("sandbox", body, header))["outcome"]
        except Denied as denied:
            return denied.code, len(hooks.refused)

    good = signature.signed(SECRET, body, NOW_US // 1_000_000)
    forged = signature.signed(b"other", body, NOW_US // 1_000_000)
    assert asyncio.run(tell(forged)) == ("forged-webhook", 1)
    assert asyncio.run(tell(good)) == "paid"
    assert asyncio.run(tell(good)) == "seen before"
    assert refill_of(room.place, {"id": str(id)}).paid_cents == 500


def test_a_webhook_of_another_processor_is_refused(room: Room) -> None:
    async def tell() -> str:
        hooks = Webhooks(room.work(), room.clock, ISSUER)
        try:
            await hooks.received("stripe", b"{}", "t=1,v1=a")
        except Denied as denied:
            return denied.code
        return ""

    assert asyncio.run(tell()) == "no-processor"


@pytest.mark.parametrize("until_week", [None, 3])
def test_schedules_catch_up_once_after_downtime(room: Room, until_week: int | None) -> None:
    rule = Rule(every=WEEKLY, day=5, hour=17, timezone="America/Chicago", holidays=KEEP)
    command = AddSchedule(
        origin(), DEADLINE_US, company_id=COMPANY, group="", each_cents=500,
        method=refills.CARD, payment_method="pm_card_visa", rule=rule,
        until=_friday(rule, until_week),
    )  # fmt: skip
    answer, _ = room.place.when(command)
    schedule = room.place.states.get(UUID(answer["id"]), Schedule)
    assert schedule is not None
    fourth = schedule.after + timedelta(weeks=4)
    ordered: list[UUID] = []

    async def look() -> None:
        work = room.work()
        watch = ScheduleWatch(
            asyncio.get_running_loop(), room.clock, ISSUER, Terms(),
            lambda: room.listed(Schedule), lambda _: [ACCOUNT, SECOND], ordered.append,
        )  # fmt: skip
        watch.attach(work.works)
        await watch.look()
        await watch.look()

    asyncio.run(look())
    assert ordered == [], "nothing is due yet"
    at_us = due_us(rule, fourth)
    assert at_us is not None
    room.clock.us = at_us
    asyncio.run(look())
    asyncio.run(look())  # another start
    (refill_id,) = ordered
    last = (schedule.after + timedelta(weeks=until_week or 4)).isoformat()
    after = room.place.states.get(schedule.id, Schedule)
    assert after is not None
    assert (after.last_on, after.runs) == (last, 1)
    refill = refill_of(room.place, {"id": str(refill_id)})
    assert (refill.due_on, refill.total_cents) == (last, 1_000)
    room.run(refill_id, until="credited")
    assert (balance(room.place), balance(room.place, SECOND)) == (500, 500)


def _friday(rule: Rule, week: int | None) -> str:
    """The due date so many weeks from now; empty for none."""
    last = last_before(rule, NOW_US)
    return "" if week is None else (last + timedelta(weeks=week)).isoformat()


def test_a_schedule_that_fails_keeps_no_other_from_ordering(room: Room) -> None:
    rule = Rule(every=WEEKLY, day=5, hour=17, timezone="America/Chicago", holidays=KEEP)
    for number in (1, 2):
        command = AddSchedule(
            origin(number), DEADLINE_US, company_id=COMPANY, group="", each_cents=500,
            method=refills.BANK, payment_method="", rule=rule,
        )  # fmt: skip
        answer, _ = room.place.when(command)
    schedule = room.place.states.get(UUID(answer["id"]), Schedule)
    assert schedule is not None
    at_us = due_us(rule, schedule.after + timedelta(weeks=1))
    assert at_us is not None
    room.clock.us = at_us
    ordered: list[UUID] = []
    asked: list[UUID] = []

    def accounts(company_id: UUID) -> Sequence[UUID]:
        asked.append(company_id)
        if len(asked) == 1:
            raise LookupError("of this one schedule")
        return [ACCOUNT]

    async def look() -> None:
        watch = ScheduleWatch(
            asyncio.get_running_loop(), room.clock, ISSUER, Terms(),
            lambda: room.listed(Schedule), accounts, ordered.append,
        )  # fmt: skip
        watch.attach(room.work().works)
        await watch.look()

    asyncio.run(look())
    assert (len(asked), len(ordered)) == (2, 1)
