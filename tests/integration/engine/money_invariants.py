"""The six invariants of the money, each over what is stored, what is kept, and the model.

`Stored` reads the log as a stranger would: it opens every row that was added, replays every stream
and posts every event to books of its own. Nothing of it comes from the engine's memory.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from msgspec.structs import replace

from application.states import States, replay
from domain import lots
from domain.aggregates.account import Account, AccountCredited
from domain.aggregates.closing import DayClosed
from domain.aggregates.reconciliation import StatementMatched
from domain.aggregates.refill import Refill
from domain.aggregates.transaction import Transaction
from domain.books import chart
from domain.books.bank import Expected
from domain.books.mapping import EXPECTED, MOVES, postings
from domain.books.posting import total
from domain.books.running import Running
from domain.event import Event
from domain.lots import Lots
from tests.integration.engine.money_model import Model, Purse
from tests.integration.engine.world import World

OWED = {
    "shops": chart.SHOPS,
    "expired": chart.EXPIRED,
    "donated": chart.DONATIONS,
    "funds": chart.COMPANY_FUNDS,
    "fees": chart.COMPANY_FEES,
}
"""The model's names of what the issuer owes or earned; in the books that stands below zero."""
HAD = {
    "bank": chart.BANK,
    "clearing": chart.PROCESSOR_CLEARING,
    "receivable": chart.FEES_RECEIVABLE,
}
"""And of what it has, or is owed."""


class Stored:
    """The log, followed row by row."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.position = 0
        self.states: dict[UUID, Any] = {}
        self.books = Running()
        self.taken: defaultdict[UUID, int] = defaultdict(int)
        """What the accounts paid for each transaction and did not get back."""
        self.days: dict[str, Running] = {}
        """The books at the end of each day that had postings."""
        self.closed: dict[str, dict[str, int]] = {}
        """What was on the books of each day when it was closed."""
        self.credits: dict[tuple[UUID, UUID], AccountCredited] = {}
        """The credit of each line of a refill, by refill and account."""
        self.streams: defaultdict[UUID, list[Event]] = defaultdict(list)
        """The events of refills."""
        self.expected: dict[int, Expected] = {}
        """What the bank's statements are to show, by position."""
        self.added: list[Event] = []

    def follow(self) -> None:
        """Reads what was added since the last time, into `added` too."""
        log = self._world.log
        self.added = []
        for row in log.recorder.rows(self.position, 100_000):
            self.position += 1
            assert row.position == self.position, "positions have no gaps"
            event = log.mapper.open(
                row.originator_id, row.originator_version, row.topic, bytes(row.state)
            )
            self._take(event)
            self.added.append(event)

    def _take(self, event: Event) -> None:
        before = self.states.get(event.originator_id)
        last = before.version if before is not None else 0
        assert event.originator_version == last + 1, "streams have no gaps and no forks"
        self.states[event.originator_id] = replay([event], before)
        day = self.books.day_of(event)
        posted = self.books.take(self.position, event, day)
        assert total(posted) == 0
        self._expect(day, event)
        payment = getattr(event, "transaction_id", None)
        if isinstance(before, Account):
            for code, cents in posted:
                if payment is not None and code == chart.CARDHOLDERS:
                    self.taken[payment] += cents
        if posted:
            self.days[self.books.day] = self.books.copied()
        if event.TOPIC.startswith("refill."):
            self.streams[event.originator_id].append(event)
        if isinstance(event, AccountCredited):
            self.credits[event.refill_id, event.originator_id] = event
        if isinstance(event, DayClosed):
            self.closed[event.day] = {each.code: each.balance_cents for each in event.balances}

    def _expect(self, day: str, event: Event) -> None:
        """As the projection of the books keeps it."""
        expect = EXPECTED.get(type(event))
        expected = expect(self.position, day, event) if expect is not None else None
        if expected is not None:
            self.expected[self.position] = expected
        for line in event.lines if isinstance(event, StatementMatched) else ():
            found = self.expected[line.expected_position]
            assert not found.entry, "matched twice"
            assert (found.amount_cents, found.clears) == (line.amount_cents, line.clears)
            self.expected[line.expected_position] = replace(
                found, entry=line.entry, entry_day=line.day
            )

    def account(self, id: UUID) -> Account:
        """An account as its events make it."""
        account = self.states[id]
        assert isinstance(account, Account)
        return account

    def payment(self, id: UUID) -> Transaction | None:
        """A payment as its events make it."""
        found = self.states.get(id)
        return found if isinstance(found, Transaction) else None

    def money(self) -> tuple[Any, ...]:
        """Where every cent is."""
        accounts = {
            id: (state.balance_cents, state.lots, state.expired)
            for id, state in self.states.items()
            if isinstance(state, Account)
        }
        payments = {
            id: (state.net_cents, state.lots)
            for id, state in self.states.items()
            if isinstance(state, Transaction) and state.net_cents
        }
        return accounts, payments, self.books.of_chart()


def conservation(stored: Stored, model: Model) -> None:
    """Nothing comes from nowhere: the books add up to zero, and each place holds what it should."""
    places, purses = model.places, model.purses
    cards = {chart.CARDHOLDERS: -sum(sum(purse.values()) for purse in purses)}
    owed = {code: -places[name] for name, code in OWED.items()}
    had = {code: places[name] for name, code in HAD.items()}
    nothing = dict.fromkeys(chart.BY_CODE, 0)
    assert stored.books.sum_cents == 0
    assert stored.books.of_chart() == nothing | cards | owed | had
    for day, balances in stored.closed.items():
        mark = stored.days[max(each for each in stored.days if each <= day)]
        assert mark.of_chart() == balances, "a closed day stays as it is"


def companies(stored: Stored, model: Model) -> None:
    """Of every refill as much of the fee is owed, and as much due back, as should be; and just what
    no statement has shown is waited for at the bank."""
    for id, paid in model.funding.of.items():
        refill = stored.states[id]
        assert isinstance(refill, Refill)
        assert refill.fee_receivable_cents == paid.owed_fee_cents
        assert refill.unclaimed_cents == paid.due_cents
    waited = [each for each in stored.expected.values() if not each.entry]
    assert Counter((each.id, each.amount_cents) for each in waited) == +model.funding.awaited
    assert sum(each.amount_cents for each in waited) == model.places["clearing"]


def components(stored: Stored, model: Model, accounts: Sequence[UUID]) -> None:
    """A balance is the sum of its parts: its lots, each with its last day, and the rest."""
    for card, id in enumerate(accounts):
        account = stored.account(id)
        assert _purse(account.lots, account.balance_cents) == model.purses[card]
        assert _purse(account.expired, lots.total(account.expired)) == model.expired[card]
    balances = sum(stored.account(id).balance_cents for id in accounts)
    assert balances == -stored.books.of_chart()[chart.CARDHOLDERS]


def derived_is_kept(stored: Stored, world: World) -> None:
    """What the engine keeps in memory, and what snapshots lead to, is what all the events say."""
    kept = world.states
    for id, state in stored.states.items():
        if isinstance(state, Transaction):
            if id.int in kept._transactions:
                assert kept.get_transaction(id) == state
        elif kept.knows(id):
            assert kept.get(id, type(state)) == state
    read = world.snapshots.load(world.accounts)
    for id in world.accounts:
        state, events = read[id]
        assert replay(events, state) == stored.account(id)


def no_overdraft(stored: Stored, accounts: Sequence[UUID]) -> None:
    """Nobody spends what is not there: no balance, lot or payment is below zero."""
    for id in accounts:
        account = stored.account(id)
        assert account.balance_cents >= lots.total(account.lots) >= 0
        assert all(lot.cents > 0 for lot in (*account.lots, *account.expired))
    for state in stored.states.values():
        if isinstance(state, Transaction):
            assert state.net_cents >= lots.total(state.lots) >= 0
            assert all(lot.cents > 0 for lot in state.lots)


def holds_accounted(stored: Stored, model: Model) -> None:
    """What payments hold of accounts, and not a cent else, is owed to shops."""
    held = 0
    for id, state in stored.states.items():
        if not isinstance(state, Transaction):
            continue
        held += state.net_cents
        assert stored.taken.get(id, 0) == state.net_cents
        known = model.payments.get(id)
        assert _purse(state.lots, state.net_cents) == (known.parts if known else {})
        assert (state.status == "approved") == (known is not None and not known.over)
    assert held == -stored.books.of_chart()[chart.SHOPS]
    assert set(stored.taken) <= set(model.payments)
    assert set(model.payments) <= set(stored.states)


def refusal_changes_nothing(
    stored: Stored, before: tuple[Any, ...], refused: set[UUID], accepted: set[UUID]
) -> None:
    """`refused` and `accepted`: the ids of the step's commands by what became of them."""
    posted = {event.command_id for event in stored.added if postings(event)}
    assert not posted & (refused - accepted), "a refusal moved money"
    assert posted <= accepted, "what nobody was told of moved money"
    if not accepted:
        assert stored.money() == before
    if not posted:
        assert stored.money() == before
        assert not any(type(event) in MOVES for event in stored.added)


def replayed_at_once(stored: Stored, world: World) -> None:
    """At the end: the whole log again, as the first run of a backend would read it."""
    ids = list(stored.states)
    fresh = States(world.log)
    fresh.load([id for id in ids if not isinstance(stored.states[id], Transaction)])
    fresh.load_transactions([id for id in ids if isinstance(stored.states[id], Transaction)])
    for id, state in stored.states.items():
        if isinstance(state, Transaction):
            assert fresh.get_transaction(id) == state
        else:
            assert fresh.get(id, type(state)) == state


def _purse(parts: Lots, cents: int) -> Purse:
    """Lots and the rest of the amount as the model has them."""
    purse: Purse = {}
    for lot in parts:
        purse[lot.last_day] = purse.get(lot.last_day, 0) + lot.cents
    rest = cents - sum(purse.values())
    return purse | {"": rest} if rest else purse
