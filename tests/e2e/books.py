"""The ledger as an auditor finds it: every row read, opened and replayed, and held against what
terminals were told."""

from collections import defaultdict
from collections.abc import Iterable
from uuid import UUID

import psycopg

from adapters.ledger_core import open_hsm
from adapters.postgres.data_keys import DataKeys
from adapters.postgres.databases import ledger_dsn
from adapters.postgres.mapper import SealedMapper
from adapters.settings import Settings
from application.states import replay
from devices.pos.payment import Outcome
from domain.aggregates.account import (
    Account,
    AccountCredited,
    AccountDebited,
    DebitCorrected,
    DebitReversed,
)
from domain.aggregates.after_credit import CreditCorrected, CreditGivenBack, CreditTakenBack
from domain.aggregates.after_debit import DebitRefunded, DisputeCredited, TipDebited
from domain.aggregates.after_payment import Voided
from domain.aggregates.expired_money import LotExpired, LotReactivated
from domain.aggregates.transaction import Authorized, Declined, Reversed
from domain.event import Event
from protocol.contract import parse_contract
from tests.e2e.tills import Till

_ROWS = (
    "SELECT position, originator_id, originator_version, topic, state FROM events"
    " WHERE shard = 0 ORDER BY position"
)

_IN = (
    *(AccountCredited, CreditGivenBack, DebitReversed, DebitRefunded),
    *(DisputeCredited, LotReactivated),
)
_OUT = (AccountDebited, TipDebited, CreditTakenBack, LotExpired)


class Books:
    """The whole log, in order."""

    def __init__(self, events: list[Event]) -> None:
        self.events = events
        self.streams: dict[UUID, list[Event]] = defaultdict(list)
        self.debits: dict[UUID, list[AccountDebited]] = defaultdict(list)
        self.given_back: dict[UUID, list[DebitReversed]] = defaultdict(list)
        self._named: dict[tuple[UUID, int], list[UUID]] = defaultdict(list)
        for event in events:
            self.streams[event.originator_id].append(event)
            match event:
                case AccountDebited():
                    self.debits[event.transaction_id].append(event)
                case DebitReversed():
                    self.given_back[event.transaction_id].append(event)
                case Authorized() | Declined():
                    contract = parse_contract(event.signed.contract)
                    name = (event.terminal_id, contract.counter)
                    self._named[name].append(event.originator_id)

    @classmethod
    def read(cls, settings: Settings) -> "Books":
        """Every row opens, and the positions have no gap."""
        hsm = open_hsm(settings)
        dsn = ledger_dsn(settings)
        try:
            with psycopg.connect(dsn, autocommit=True) as connection:
                rows = connection.execute(_ROWS).fetchall()
                keys = DataKeys(lambda: connection, hsm)
                mapper = SealedMapper(keys)
                assert [row[0] for row in rows] == list(range(1, len(rows) + 1)), "gaps"
                return cls([mapper.open(row[1], row[2], row[3], bytes(row[4])) for row in rows])
        finally:
            hsm.token.close()

    def balance(self, account: UUID) -> int:
        """Credits less debits, in cents."""
        state = replay(self.streams[account])
        assert isinstance(state, Account)
        return state.balance_cents

    def check(self) -> None:
        """Every event is in its place, and money moved exactly where a transaction says so."""
        for stream in self.streams.values():
            versions = [event.originator_version for event in stream]
            assert versions == list(range(1, len(stream) + 1)), "a stream has a gap"
        for id, stream in self.streams.items():
            answers = [event for event in stream if isinstance(event, Authorized | Declined)]
            taken_back = [event for event in stream if isinstance(event, Reversed | Voided)]
            assert len(answers) <= 1, "answered twice"
            approved = [event for event in answers if isinstance(event, Authorized)]
            assert len(self.debits[id]) == len(approved), "debited not exactly once"
            assert [debit.amount_cents for debit in self.debits[id]] == [
                event.amount_cents for event in approved
            ]
            amounts = [event.amount_cents for event in taken_back if event.amount_cents]
            assert [event.amount_cents for event in self.given_back[id]] == amounts
            assert len(amounts) <= 1, "given back twice"
        for id in (*self.debits, *self.given_back):
            assert id in self.streams, "money moved without a transaction"
        self._check_balances()

    def _check_balances(self) -> None:
        for stream in self.streams.values():
            if not isinstance(replay(stream), Account):
                continue
            left = 0
            for event in stream:
                if isinstance(event, _IN):
                    left += event.amount_cents
                if isinstance(event, _OUT):
                    left -= event.amount_cents
                if isinstance(event, CreditCorrected | DebitCorrected):
                    left += event.change_cents
                assert left >= 0
            assert self.balance(stream[0].originator_id) == left

    def check_told(self, tills: Iterable[Till]) -> None:
        """What each terminal was told is what is written, exactly once; what it was not told is
        not there, or was given back."""
        for till in tills:
            for outcome in till.sent:
                self._check_outcome(till.pos.device.id, outcome)

    def _check_outcome(self, terminal: UUID, outcome: Outcome) -> None:
        named = self._named[terminal, outcome.counter]
        if not outcome.decided:
            assert len(named) <= 1, "stored twice"
            for id in named:
                reversed_ = [event for event in self.streams[id] if isinstance(event, Reversed)]
                if self.debits[id]:
                    assert len(reversed_) == 1, "debited, not answered, not given back"
            return
        assert named == [UUID(outcome.transaction)], "what was answered is not stored once"
        answer = self.streams[named[0]][0]
        assert isinstance(answer, Authorized if outcome.approved else Declined)
        assert answer.amount_cents == outcome.amount_cents
        assert not self.given_back[named[0]], "answered and given back"
