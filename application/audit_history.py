"""The full history of a card: every event of it, its account, its person, its payments, in order.

Read from the log itself, never from a read model: the index of streams only says where to look,
and what an account or a card names is followed too. Each line says who did what when, what it
changed, and which earlier line it corrects. Times in microseconds UTC, amounts in cents.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import Any, Protocol
from uuid import UUID

import msgspec

from application.decision_reasons import reasons
from application.history_words import describe, facts
from application.ports import Row
from application.states import EVOLVE
from domain.aggregates.card import CardIssued
from domain.aggregates.transaction import Authorized, Declined
from domain.event import Event
from domain.rules.order import RuleResult
from projections.ports import Unreadable


class HistoryLog(Protocol):
    """Reads streams with their positions. Raises `application.ports.Unavailable`."""

    def streams(self, ids: Collection[UUID]) -> Sequence[Row]:
        """All rows of the streams, in order of position."""

    def open(self, row: Row) -> Event | None:
        """The event; None for a person who was erased. Raises Unreadable."""


class CardIndex(Protocol):
    """`projections.card_streams`, for reading."""

    def streams_of(self, card_id: UUID) -> Sequence[UUID]:
        """The streams that concern a card."""


class Change(msgspec.Struct, frozen=True):
    """A fact before and after; None: there was none. `unit` is `cents`, `count` or `text`."""

    what: str
    unit: str
    before: int | str | None
    after: int | str | None


class HistoryLine(msgspec.Struct, frozen=True, kw_only=True):
    """One event. `of` is the kind of its stream; `corrects` the position of the event it undoes.

    `who` is `<role>:<subject id>:<certificate serial>` or `system:<part>`; `label` is what the shop
    calls the terminal that it was, else empty. `rules`: for the answer to a payment, what every
    rule says of it (`application.decision_reasons`).
    """

    position: int
    at_us: int
    occurred_us: int
    who: str
    label: str
    of: str
    stream: UUID
    version: int
    topic: str
    what: str
    changes: list[Change]
    corrects: int | None
    why: str
    transaction: UUID | None
    refill: UUID | None = None
    rules: list[RuleResult] = []

    def row(self) -> dict[str, Any]:
        """For the wire and for `--json`."""
        row: dict[str, Any] = msgspec.to_builtins(self)
        return row


def card_history(log: HistoryLog, index: CardIndex, card_id: UUID) -> list[HistoryLine]:
    """The lines, oldest first; empty where there is no such card. Raises Unavailable."""
    opened = _Opened(log)
    opened.read([card_id])
    issued = next((event for event in opened.events() if isinstance(event, CardIssued)), None)
    if issued is None:
        return []
    opened.read([issued.account_id, issued.cardholder_id, *index.streams_of(card_id)])
    # The index is a read model. What the account and the card themselves name is not missed
    # even where the index lost it; the payments of the account's other cards are left out.
    named = {id for event in opened.events() if (id := _transaction_named(event)) is not None}
    opened.read(named, only_card=card_id)
    opened.read({id for event in opened.events() if (id := getattr(event, "dispute_id", None))})
    placed = [(row.position, event) for row, event, _ in opened.rows() if event is not None]
    return _lines(opened, _names(log, opened.events()), reasons(log, placed))


class _Opened:
    """Rows with their events, by position; each stream once."""

    def __init__(self, log: HistoryLog) -> None:
        self._log = log
        self._read: set[UUID] = set()
        self._rows: dict[int, tuple[Row, Event | None, str]] = {}

    def read(self, ids: Iterable[UUID], only_card: UUID | None = None) -> None:
        """Adds streams not read before; with `only_card`, transactions of that card alone."""
        wanted = [id for id in dict.fromkeys(ids) if id not in self._read]
        self._read.update(wanted)
        found = [(row, *self._open(row)) for row in self._log.streams(wanted)] if wanted else []
        if only_card is not None:
            ours = {
                event.originator_id
                for _, event, _ in found
                if isinstance(event, Authorized | Declined) and event.card_id == only_card
            }
            found = [each for each in found if each[0].originator_id in ours]
        self._rows.update((each[0].position, each) for each in found)

    def _open(self, row: Row) -> tuple[Event | None, str]:
        try:
            event = self._log.open(row)
        except Unreadable:
            return None, "Cannot be read: this record was changed after it was stored."
        return event, "" if event is not None else "Erased: this person's data was removed."

    def events(self) -> list[Event]:
        """All that could be opened, in order of position."""
        return [event for _, event, _ in self.rows() if event is not None]

    def rows(self) -> list[tuple[Row, Event | None, str]]:
        """All rows in order of position; without an event, what to say instead."""
        return [self._rows[position] for position in sorted(self._rows)]


def _transaction_named(event: Event) -> UUID | None:
    named: UUID | None = getattr(event, "transaction_id", None)
    return named


def _names(log: HistoryLog, events: Iterable[Event]) -> dict[UUID, str]:
    """What people call the shops, terminals and companies that the events speak of."""
    ids: set[UUID] = set()
    for event in events:
        for field in ("shop_id", "terminal_id", "company_id"):
            id = getattr(event, field, None)
            if id is not None:
                ids.add(id)
        if (terminal := _terminal_of(event)) is not None:
            ids.add(terminal)
    named: dict[UUID, str] = {}
    for row in log.streams(ids) if ids else ():
        if row.originator_version == 1:
            try:
                first = log.open(row)
            except Unreadable:
                continue
            named[row.originator_id] = getattr(first, "name", "") or getattr(first, "label", "")
    return named


def _lines(
    opened: _Opened, names: dict[UUID, str], rules: dict[int, list[RuleResult]]
) -> list[HistoryLine]:
    states: dict[UUID, Any] = {}
    places: dict[tuple[UUID, int], int] = {}
    lines = []
    payments = {
        row.originator_id for row, _, _ in opened.rows() if row.topic.startswith("transaction.")
    }
    for row, event, instead in opened.rows():
        stream, version = row.originator_id, row.originator_version
        places[stream, version] = row.position
        if event is None:
            states[stream] = None
            lines.append(_unreadable(row, instead))
            continue
        before, after = _moved(states, event)
        corrects = getattr(event, "corrects_version", 0)
        transaction = _transaction_named(event)
        if transaction is None and row.topic.startswith("transaction."):
            transaction = stream
        lines.append(
            HistoryLine(
                position=row.position,
                at_us=event.recorded_at_us,
                occurred_us=event.occurred_at_us,
                who=event.actor,
                label=_label(event, names),
                of=row.topic.partition(".")[0],
                stream=stream,
                version=version,
                topic=row.topic,
                what=_what(event, names, elsewhere=transaction not in {None, *payments}),
                changes=_changes(before, after),
                corrects=places.get((stream, corrects)),
                why=getattr(event, "why", ""),
                transaction=transaction,
                refill=getattr(event, "refill_id", None),
                rules=rules.get(row.position, []),
            )
        )
    return lines


def _what(event: Event, names: dict[UUID, str], *, elsewhere: bool) -> str:
    """`elsewhere`: it is about a payment with another card."""
    what = describe(event, names)
    return f"{what.removesuffix('.')}, with another card of the account." if elsewhere else what


def _label(event: Event, names: dict[UUID, str]) -> str:
    """Of the terminal that acted."""
    terminal = _terminal_of(event)
    return names.get(terminal, "") if terminal is not None else ""


def _terminal_of(event: Event) -> UUID | None:
    """The one that acted, where it was one."""
    role, _, rest = event.actor.partition(":")
    return UUID(rest.partition(":")[0]) if role == "pos" else None


def _moved(states: dict[UUID, Any], event: Event) -> tuple[Any, Any]:
    """The state before and after; both None where an unreadable event stands in between."""
    before = states.get(event.originator_id)
    known = before.version if before is not None else 0
    if known + 1 != event.originator_version:
        return None, None
    after = states[event.originator_id] = EVOLVE[type(event)](before, event)
    return before, after


def _changes(before: Any, after: Any) -> list[Change]:
    old, new = facts(before), facts(after)
    return [
        Change(what, unit, old.get((what, unit)), value)
        for (what, unit), value in new.items()
        if old.get((what, unit)) != value
    ]


def _unreadable(row: Row, instead: str) -> HistoryLine:
    return HistoryLine(
        position=row.position,
        at_us=0,
        occurred_us=0,
        who="",
        label="",
        of=row.topic.partition(".")[0],
        stream=row.originator_id,
        version=row.originator_version,
        topic=row.topic,
        what=instead,
        changes=[],
        corrects=None,
        why="",
        transaction=None,
    )
