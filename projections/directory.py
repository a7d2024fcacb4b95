"""The current state of everything that lives long, for lists: whose, which, how much is left.

The states are those of the aggregates' own `evolve`; transactions have `settlements`.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from operator import attrgetter
from typing import Any, NamedTuple, Protocol
from uuid import UUID

from msgspec.structs import replace

from application.cache import Cache
from application.sharing import shared
from application.states import EVOLVE
from domain.aggregates.account import Account
from domain.aggregates.alert import Alert
from domain.aggregates.card import Card
from domain.aggregates.cardholder import Cardholder, CardholderErased
from domain.aggregates.certificate import Certificate
from domain.aggregates.company import Company
from domain.aggregates.dispute import Dispute
from domain.aggregates.enrolment import Enrolment
from domain.aggregates.group import Groups
from domain.aggregates.policy import Policy
from domain.aggregates.programme import Programme
from domain.aggregates.proposal import Proposal
from domain.aggregates.refill import Refill
from domain.aggregates.schedule import Schedule
from domain.aggregates.shop import Shop
from domain.aggregates.terminal import Terminal
from domain.aggregates.watch import WatchRules
from domain.aggregates.webhook import Webhook
from domain.event import stored_topics, topics
from projections.ports import Entry

NAME = "directory/1"

KINDS: dict[str, type[Any]] = {
    "company": Company,
    "shop": Shop,
    "terminal": Terminal,
    "cardholder": Cardholder,
    "account": Account,
    "card": Card,
    "certificate": Certificate,
    "refill": Refill,
    "schedule": Schedule,
    "group": Groups,
    "webhook": Webhook,
    "proposal": Proposal,
    "enrolment": Enrolment,
    "policy": Policy,
    "dispute": Dispute,
    "programme": Programme,
    "alert": Alert,
    "watch": WatchRules,
}
KEEP = 250_000
"""States remembered, of half a kilobyte each: half of it holds 100,000 accounts in use. What is
not remembered is read and opened again."""
LINES_KEPT = 1_000
"""A refill of more lines is remembered only while it is at work."""
PIN_IS_SET = b"set"
"""Stands here for the reference of any PIN."""
_KIND_OF = {cls: kind for kind, cls in KINDS.items()}
_PARENT_OF: dict[type[Any], Callable[[Any], UUID]] = {
    Terminal: attrgetter("shop_id"),
    Cardholder: attrgetter("company_id"),
    Account: attrgetter("company_id"),
    Card: attrgetter("account_id"),
    Certificate: attrgetter("subject_id"),
    Refill: attrgetter("company_id"),
    Programme: attrgetter("company_id"),
    Schedule: attrgetter("company_id"),
    Groups: attrgetter("company_id"),
    Enrolment: attrgetter("subject_id"),
    Alert: attrgetter("account_id"),
}


class Listed(NamedTuple):
    """An aggregate's state as of its event at `position`.

    `kind` is a key of KINDS; `parent` under whom it is listed, None for a company or a shop.
    """

    position: int
    state: Any
    kind: str
    parent: UUID | None


def listed(position: int, state: Any) -> Listed:
    """A state as it is listed."""
    parent = _PARENT_OF.get(type(state))
    return Listed(position, state, _KIND_OF[type(state)], parent(state) if parent else None)


class DirectoryTable(Protocol):
    """The sealed table, written within the runner's batch."""

    def load(self, ids: Collection[UUID]) -> Mapping[UUID, Listed]:
        """Those of the aggregates that are known."""

    def add(self, new: Sequence[Listed]) -> None:
        """Stores states of aggregates that are new."""

    def change(self, changed: Sequence[Listed]) -> None:
        """Stores states of aggregates that are known."""


class Directory:
    """The projection."""

    name = NAME
    tables = ("directory",)
    topics = stored_topics(
        cls for topic, cls in topics().items() if topic.partition(".")[0] in KINDS
    )

    def __init__(self, table: DirectoryTable, keep: int = KEEP) -> None:
        self._table = table
        self._states: Cache[int, Any] = Cache(keep)

    def forget(self) -> None:
        """See `Projection.forget`."""
        self._states.clear()

    def project(self, entries: Sequence[Entry]) -> None:
        """See `Projection.project`."""
        states = self._states
        current = self._before(entries)
        moved: dict[int, int] = {}
        new: set[int] = set()
        for position, event in entries:
            number, version = event.originator_id.int, event.originator_version
            before = current.get(number)
            follows = (before.version if before else 0) + 1 == version
            # What came before an erasure may be unreadable already.
            if not follows and not isinstance(event, CardholderErased):
                raise LookupError(f"event {position} does not follow what is listed")
            current[number] = EVOLVE[type(event)](before, event)
            moved[number] = position
            if version == 1:
                new.add(number)
        for number in moved:
            state = current[number]
            if isinstance(state, Account) and (state.recent or state.gone):
                # Recent uses and what credits lost belong to decisions alone; a list would carry
                # them in each row.
                current[number] = state = replace(state, recent=(), gone=())
            elif isinstance(state, Card) and state.pin_reference:
                # What a PIN is compared with belongs to the decision alone.
                current[number] = state = replace(state, pin_reference=PIN_IS_SET)
            states[number] = shared(state) if number in new else state
            if isinstance(state, Refill) and state.accounts > LINES_KEPT and not state.at_work:
                states[number] = None
        self._store(new, current, moved)

    def _store(self, new: set[int], current: dict[int, Any], moved: dict[int, int]) -> None:
        added = [listed(moved[number], current[number]) for number in moved if number in new]
        changed = [listed(moved[number], current[number]) for number in moved if number not in new]
        if added:
            self._table.add(added)
        if changed:
            self._table.change(changed)

    def _before(self, entries: Sequence[Entry]) -> dict[int, Any]:
        """The states that the entries change, as they were before.

        All of them are taken out of the cache here: what is used pushes out what was not, so one
        that is in it now may be gone when its event's turn comes.
        """
        states = self._states
        current: dict[int, Any] = {}
        missing: set[UUID] = set()
        for _, event in entries:
            number = event.originator_id.int
            if number not in current:
                state = current[number] = states.get(number, None)
                if state is None and event.originator_version > 1:
                    missing.add(event.originator_id)
        if missing:
            loaded = self._table.load(missing).values()
            current |= {known.state.id.int: shared(known.state) for known in loaded}
        return current
