"""The current states of aggregates: loaded from their events once, then moved by new ones.

Used by the one writer of a shard, so what is kept here is never stale; a conflict drops it all.
"""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, TypeVar, cast
from uuid import UUID

from application.cache import Cache
from application.ports import Claim, ReadableLog, Snapshots
from application.recent_ids import RecentIds
from application.sharing import shared
from domain.aggregates import (
    account,
    alert,
    card,
    cardholder,
    certificate,
    closing,
    company,
    credit,
    dispute,
    enrolment,
    group,
    key,
    lone_refill,
    lone_revocation,
    policy,
    programme,
    proposal,
    reconciliation,
    refill,
    schedule,
    shop,
    terminal,
    transaction,
    watch,
    webhook,
)
from domain.aggregates.transaction import Transaction
from domain.event import Event, topics

_MODULES = {
    "account": account,
    "alert": alert,
    "card": card,
    "cardholder": cardholder,
    "certificate": certificate,
    "closing": closing,
    "company": company,
    "dispute": dispute,
    "credit": credit,
    "enrolment": enrolment,
    "group": group,
    "key": key,
    "lone_refill": lone_refill,
    "lone_revocation": lone_revocation,
    "policy": policy,
    "programme": programme,
    "proposal": proposal,
    "reconciliation": reconciliation,
    "refill": refill,
    "schedule": schedule,
    "shop": shop,
    "terminal": terminal,
    "transaction": transaction,
    "watch": watch,
    "webhook": webhook,
}
EVOLVE: dict[type[Event], Callable[[Any, Any], Any]] = {
    cls: _MODULES[name.partition(".")[0]].evolve for name, cls in topics().items()
}
_OF_TRANSACTIONS = {cls for name, cls in topics().items() if name.startswith("transaction.")}
_S = TypeVar("_S")
_UNKNOWN = object()
_COMMANDS_KEPT = 10_000
SNAPSHOT_EVERY = 16
"""Events of an account from one snapshot to the next; a power of two."""
_BETWEEN = SNAPSHOT_EVERY - 1
_OF_ACCOUNTS = {cls for name, cls in topics().items() if name.startswith("account.")}


def replay(events: Iterable[Event], state: Any = None) -> Any:
    """The state that the events of one stream come to, after `state` where that is given; None for
    no events."""
    for event in events:
        state = EVOLVE[type(event)](state, event)
    return state


class Ahead(NamedTuple):
    """States that were read beside the writer, and how often it had forgotten something before."""

    turns: int
    states: list[Any]


class States:
    """A bounded cache of states and claims over an event log.

    `keep` bounds the long-lived aggregates and the claims, `keep_transactions` the others.
    `snapshots` shorten the reading of accounts with many events.
    """

    def __init__(
        self,
        log: ReadableLog,
        keep: int = 500_000,
        keep_transactions: int = 20_000,
        snapshots: Snapshots | None = None,
    ) -> None:
        self._log = log
        self._snapshots = snapshots
        self._due: list[Any] = []
        # By the id's number: Python's UUID hashes in Python, six times an authorization.
        self._states: Cache[int, Any] = Cache(keep)
        self._transactions: Cache[int, Any] = Cache(keep_transactions)
        self._owners: Cache[tuple[str, bytes], UUID | object | None] = Cache(keep)
        self._commands: Cache[int, type[Event] | None] = Cache(_COMMANDS_KEPT)
        self._caches: tuple[Cache[Any, Any], ...] = (
            self._states,
            self._transactions,
            self._owners,
            self._commands,
        )
        self._recent = RecentIds()

    def hold(self) -> None:
        """Keeps all that is known until `release`, for a batch.

        What was decided and is not stored yet is known here alone: were it forgotten, the log would
        tell of the state before. A batch may be on its way while the next is decided: `release` is
        called when one is stored, and lets go of nothing that was changed since the last call.
        """
        for cache in self._caches:
            cache.hold()

    def release(self) -> None:
        """Keeps within the bounds again: what is known is what is stored."""
        for cache in self._caches:
            cache.release()

    def drop(self) -> None:
        """Forgets everything, as after a conflict."""
        for cache in self._caches:
            cache.clear()
        self._recent.reset()
        self._due.clear()

    def take_due(self) -> list[Any]:
        """The accounts among what was applied since whose turn it is, for `stored`."""
        due, self._due = self._due, []
        return due

    def stored(self, due: list[Any]) -> None:
        """What was applied is in the log: accounts whose turn it was are kept as snapshots."""
        if due and self._snapshots is not None:
            self._snapshots.keep(due)

    def begin(self, now_us: int) -> None:
        """Starts anew over what the log holds now. Raises Unavailable."""
        self.drop()
        since_ms = self._recent.begin(now_us // 1000)
        try:
            for id in self._log.transactions_since(since_ms):
                self._recent.add(id)
        except Exception:
            self.drop()
            raise

    def note_new(self, id: UUID, now_us: int) -> bool:
        """Whether a transaction surely does not exist yet; known as absent from now on if so."""
        if id.int in self._transactions:
            return True
        if self._recent.surely_new(id, now_us // 1000):
            self._transactions[id.int] = None
            return True
        return False

    def knows(self, id: UUID) -> bool:
        """Whether `get` can answer for an aggregate without asking the log."""
        return id.int in self._states

    def knows_owner(self, kind: str, digest: bytes) -> bool:
        """Whether `owner` can answer without asking the log."""
        return (kind, digest) in self._owners

    def get(self, id: UUID, cls: type[_S]) -> _S | None:
        """The state of a stream, None where it does not exist or is of another kind."""
        state = self._states.young.get(id.int, _UNKNOWN)  # seven times an authorization
        if state is _UNKNOWN:
            state = self._states.get(id.int, _UNKNOWN)
            if state is _UNKNOWN:
                self.load([id])
                state = self._states.get(id.int, None)
        return state if isinstance(state, cls) else None

    def get_transaction(self, id: UUID) -> Transaction | None:
        """The state of a transaction, None where there is none of that id."""
        state = self._transactions.get(id.int, _UNKNOWN)
        if state is _UNKNOWN:
            self.load_transactions([id])
            state = self._transactions.get(id.int, None)
        return state if isinstance(state, Transaction) else None

    def owner(self, kind: str, digest: bytes) -> UUID | None:
        """Who holds a claim, None for nobody."""
        owner = self._owners.get((kind, digest), _UNKNOWN)
        if owner is _UNKNOWN:
            self.load_owners([(kind, digest)])
            owner = self._owners.get((kind, digest), None)
        return cast(UUID | None, owner)

    def load(self, ids: Iterable[UUID]) -> None:
        """Loads aggregates with one query or two, absent ones as None."""
        wanted = list(dict.fromkeys(ids))
        if not wanted:
            return
        found = self._stored(wanted)
        for id in wanted:
            self._states[id.int] = found.get(id)

    def read_ahead(self, ids: Iterable[UUID]) -> Ahead:
        """The states of aggregates that are not known, for `adopt`; changes nothing here. For any
        thread. Raises Unavailable."""
        turns = self._states.turns
        wanted = [id for id in dict.fromkeys(ids) if id.int not in self._states]
        return Ahead(turns, list(self._stored(wanted).values()) if wanted else [])

    def adopt(self, ahead: Ahead) -> None:
        """Takes over what was read ahead, as far as it is still true.

        Whatever was changed since is known here, unless something was forgotten meanwhile: then
        nothing is taken over.
        """
        if ahead.turns == self._states.turns:
            for state in ahead.states:
                if state.id.int not in self._states:
                    self._states[state.id.int] = state

    def load_transactions(self, ids: Iterable[UUID]) -> None:
        """Loads transactions with one query, absent ones as None."""
        wanted = list(dict.fromkeys(ids))
        if not wanted:
            return
        found = self._log.load(wanted)
        for id in wanted:
            self._transactions[id.int] = replay(found[id]) if id in found else None

    def _stored(self, ids: list[UUID]) -> dict[UUID, Any]:
        """The state of each stream that exists, as it is stored."""
        own = {id: id for id in ids}
        if self._snapshots is None:
            return {
                id: shared(replay(events), own[id]) for id, events in self._log.load(ids).items()
            }
        found: dict[UUID, Any] = {}
        long_ones: list[Any] = []
        for id, (kept, events) in self._snapshots.load(ids).items():
            state = found[id] = shared(replay(events, kept), own[id])
            if len(events) >= SNAPSHOT_EVERY:
                long_ones.append(state)
        if long_ones:
            self._snapshots.keep(long_ones)
        return found

    def load_owners(self, keys: Iterable[tuple[str, bytes]]) -> None:
        """Loads claims with one query, free ones as None."""
        wanted = list(dict.fromkeys(keys))
        if not wanted:
            return
        found = self._log.owners(wanted)
        for named in wanted:
            self._owners[named] = found.get(named)

    def apply(self, event: Event) -> None:
        """Moves the state that `event` changes."""
        cls = type(event)
        number = event.originator_id.int
        into = self._states
        if cls in _OF_TRANSACTIONS:
            into = self._transactions
            self._recent.add(event.originator_id)
        state = into[number] = EVOLVE[cls](into.get(number, None), event)
        if not event.originator_version & _BETWEEN and cls in _OF_ACCOUNTS:
            self._due.append(state)

    def note_first(self, command_id: UUID, kind: type[Event]) -> None:
        """Notes what a command of the batch in hand begins with."""
        self._commands[command_id.int] = kind

    def first_of(self, command_id: UUID, made: UUID) -> type[Event] | None:
        """What a command that was carried out began with, in the stream that it is known by."""
        kind = self._commands.get(command_id.int, None)
        if kind is None:
            events = self._log.load([made]).get(made, [])
            kind = next((type(each) for each in events if each.command_id == command_id), None)
        return kind

    def stored_by(self, command_id: UUID, made: UUID) -> list[Event]:
        """What a command of an earlier batch stored in the stream that it is known by."""
        events = self._log.load([made]).get(made, [])
        return [each for each in events if each.command_id == command_id]

    def claim(self, claim: Claim) -> None:
        """Notes a claim of the batch in hand."""
        self._owners[claim.kind, claim.digest] = claim.owner
