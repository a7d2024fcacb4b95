"""Money with a last day over a real PostgreSQL: midnight passes, and the log knows every cent."""

from application.expired_funds import BookExpiry
from application.refill import OrderRefill, Payment, Terms
from domain import lots
from domain.aggregates.account import Account
from domain.local_time import local_date
from tests.integration.engine.world import World
from tests.unit.application.ledger_double import origin

HOUR_US = 3_600_000_000


class ShiftedClock:
    """The machine's clock, moved on by a test."""

    def __init__(self, world: World) -> None:
        self._clock, self.by_us = world.clock, 0
        world.clock = self
        world.restart()

    def now_us(self) -> int:
        return self._clock.now_us() + self.by_us


def refill(world: World, cents: int, last_day: str) -> None:
    now_ms = world.clock.now_us() // 1000
    command = OrderRefill(
        origin(1, now_ms), world.clock.now_us() + 5_000_000, company_id=world.company,
        lines=[(world.accounts[0], cents)], last_day=last_day,
        payment=Payment(confirmed=True), terms=Terms(),
    )  # fmt: skip
    (answer,) = world.submit(command)
    assert answer["total_cents"] == cents


def book(world: World) -> int:
    (booked,) = world.submit(
        BookExpiry(world.accounts, world.shop, world.clock.now_us() + 5_000_000)
    )
    assert isinstance(booked, int)
    return booked


def test_what_was_not_spent_by_midnight_cannot_be_spent_and_is_booked_later(world: World) -> None:
    clock = ShiftedClock(world)
    today = local_date(clock.now_us(), "America/Chicago")
    refill(world, 900, today)
    payment = world.payment(counter=1, amount_cents=600)
    (paid,) = world.submit(payment)
    assert paid.approved
    assert _left(world.account()) == ([(today, 300)], 1_000_300)

    clock.by_us = 30 * HOUR_US  # beyond midnight, whatever the hour
    while local_date(clock.now_us(), "America/Chicago") == today:
        clock.by_us += HOUR_US
    tomorrow = local_date(clock.now_us(), "America/Chicago")
    assert world.account().available_cents(tomorrow) == 1_000_000

    (back,) = world.submit(world.reversal(counter=1, ms=payment.ask.ms))
    assert back.state == "reversed"
    account = world.account()
    assert _left(account) == ([(today, 900)], 1_000_900)
    assert account.available_cents(tomorrow) == 1_000_000, "it went back, and has expired"

    assert (book(world), book(world)) == (1, 0)
    world.restart()
    assert book(world) == 0
    account = world.account()
    assert _left(account) == ([], 1_000_000)
    assert [(lot.last_day, lot.cents) for lot in account.expired] == [(today, 900)]
    kept = world.states.get(world.accounts[0], Account)
    assert kept == account, "kept = derived"
    assert lots.total(account.expired) + account.balance_cents == 1_000_900


def _left(account: Account) -> tuple[list[tuple[str, int]], int]:
    return [(lot.last_day, lot.cents) for lot in account.lots], account.balance_cents
