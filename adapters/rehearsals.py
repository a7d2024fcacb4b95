"""Rehearsals of a company's programme over the log, in a thread that leaves the engine its time.

An account at a time: its stream whole, and of its cards' answers those of the days in question,
which the index of card streams names without a look at anybody else's events.
"""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol
from uuid import UUID

from adapters.backend.operator_ports import Denied, Rows, Tried
from adapters.postgres.log_reader import SealedLogReader
from application.programme_fields import applied, differences
from application.rehearse import Draft, Logged, Rehearsal
from domain.aggregates.account import Account
from domain.aggregates.card import Card
from domain.aggregates.company import Company
from domain.aggregates.programme import Programme, in_force, programme_id
from domain.aggregates.shop import Shop
from domain.aggregates.transaction import Authorized, Declined
from domain.event import Event
from domain.ids import milliseconds_of
from domain.rules.message import CLOCK_OFF_US
from domain.terms import STANDARD
from protocol.errors import BUSY

_DAY_US = 24 * 3600 * 1_000_000
_PAGE = 1_000
_STREAMS = 500
_REST = 2.0
"""So many times longer it rests than it works."""


class Directory(Protocol):
    """What there is, by kind (`projections.directory`)."""

    def get(self, id: UUID) -> Any | None: ...

    def pages(
        self, kind: str, parent: UUID | None = None, size: int = 100
    ) -> Iterator[list[Any]]: ...


class CardIndex(Protocol):
    """Which streams concern a card (`projections.card_streams`)."""

    def streams_of(self, card_id: UUID) -> Sequence[UUID]: ...


class Rehearsals:
    """`rehearse` is `operator_ports.Rehearse`; one at a time."""

    def __init__(
        self,
        open_log: Callable[[], SealedLogReader],
        directory: Directory,
        index: CardIndex,
        now_us: Callable[[], int],
        rest: Callable[[float], None] = time.sleep,
    ) -> None:
        self._open_log = open_log
        self._directory = directory
        self._index = index
        self._now_us = now_us
        self._rest = rest
        self._alone = threading.Lock()

    def rehearse(self, tried: Tried, tell: Callable[[int, int], None]) -> Rows:
        """See the port."""
        if not isinstance(self._directory.get(tried.company_id), Company):
            raise Denied("no-such-company", "There is no company with that id.")
        if not self._alone.acquire(blocking=False):
            raise Denied(BUSY, "Another rehearsal is running. Try again when it has ended.")
        log = self._open_log()
        try:
            return self._rehearse(tried, log, tell)
        finally:
            log.close()
            self._alone.release()

    def _rehearse(
        self, tried: Tried, log: SealedLogReader, tell: Callable[[int, int], None]
    ) -> Rows:
        found = self._directory.get(programme_id(tried.company_id))
        programme = found if isinstance(found, Programme) else None
        now_us = self._now_us()
        before = in_force(programme, now_us).terms
        draft = Draft(
            terms=applied(STANDARD if tried.from_standard else before, tried.changes),
            programme=programme,
            from_us=now_us - tried.days * _DAY_US,
            until_us=now_us,
        )
        accounts = [each.id for each in self._all("account", tried.company_id, Account)]
        cards: dict[UUID, dict[UUID, Card]] = defaultdict(dict)
        for card in self._all("card", tried.company_id, Card):
            cards[card.account_id][card.id] = card
        shops = _Shops(self._directory)
        rehearsal = Rehearsal()
        for done, account in enumerate(accounts):
            tell(done, len(accounts))
            began_s = time.monotonic()
            entries = self._entries(log, account, cards[account], draft.from_us)
            for event in (each.event for each in entries):
                if isinstance(event, Authorized | Declined):
                    shops.know(event.shop_id)
            rehearsal.account(draft, entries, cards[account], shops.known)
            self._rest((time.monotonic() - began_s) * _REST)
        return rows_of(rehearsal, tried, draft, differences(before, draft.terms))

    def _all(self, kind: str, company: UUID, cls: Any) -> Iterator[Any]:
        for page in self._directory.pages(kind, company, _PAGE):
            yield from (state for state in page if isinstance(state, cls))

    def _entries(
        self, log: SealedLogReader, account: UUID, cards: dict[UUID, Card], from_us: int
    ) -> list[Logged]:
        """A payment's id has the time at its terminal, which may be off by five minutes."""
        since_ms = (from_us - CLOCK_OFF_US) // 1000
        ids = [account]
        for card in cards:
            ids += [id for id in self._index.streams_of(card) if milliseconds_of(id) >= since_ms]
        found: list[Logged] = []
        for at in range(0, len(ids), _STREAMS):
            for row in log.streams(ids[at : at + _STREAMS]):
                event = log.open(row)
                if event is not None and _is_wanted(event, account):
                    found.append(Logged(row.position, event))
        return found


def _is_wanted(event: Event, account: UUID) -> bool:
    """The account's own events, and the answers to its cards."""
    return event.originator_id == account or isinstance(event, Authorized | Declined)


class _Shops:
    """The shops that were paid in, each looked up once."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self.known: dict[UUID, Shop] = {}

    def know(self, id: UUID) -> None:
        if id not in self.known:
            shop = self._directory.get(id)
            if isinstance(shop, Shop):
                self.known[id] = shop


def rows_of(
    rehearsal: Rehearsal, tried: Tried, draft: Draft, changes: list[dict[str, Any]]
) -> Rows:
    """For the wire: a `summary`, then a `rule` each, then a `person` each, most refused first."""
    summary = {
        "kind": "summary",
        "company": str(tried.company_id),
        "days": tried.days,
        "from_ms": draft.from_us // 1000,
        "until_ms": draft.until_us // 1000,
        "changes": changes,
        "accounts": rehearsal.accounts,
        "accounts_affected": len(rehearsal.people),
        **_tally("approved", rehearsal.approved),
        **_tally("declined", rehearsal.declined),
        **_tally("would_refuse", rehearsal.refused),
        **_tally("would_allow", rehearsal.allowed),
        **_tally("would_ask_pin", rehearsal.pin_asked),
        "cost_before_cents": rehearsal.cost_before_cents,
        "cost_after_cents": rehearsal.cost_after_cents,
    }
    rules = [
        {"kind": "rule", "rule": rule, "code": code, "reason": reason, **_tally("refused", tally)}
        for (rule, code, reason), tally in sorted(
            rehearsal.by_rule.items(), key=lambda item: -item[1].payments
        )
    ]
    people = [
        {
            "kind": "person",
            "account": str(person.account),
            **_tally("refused", person.refused),
            **_tally("allowed", person.allowed),
        }
        for person in sorted(
            rehearsal.people, key=lambda each: (-each.refused.cents, -each.allowed.cents)
        )
    ]
    return [summary, *rules, *people]


def _tally(name: str, tally: Any) -> dict[str, int]:
    return {name: tally.payments, f"{name}_cents": tally.cents}
