"""Given events, when a command, then an answer and events: over an event log in memory."""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from application.command import Command, Origin
from application.ports import Claim
from application.states import States
from application.work import Needs
from domain.event import Context, Event

NOW_US = 1_790_000_000_000_000
NOW_MS = NOW_US // 1000
ISSUER = UUID("00000000-0000-8000-8000-0000000000aa")
ACTOR = "operator:00000000-0000-8000-8000-00000000000a:1f"
DEADLINE_US = NOW_US + 5_000_000


class MemoryLog:
    """`application.ports.EventLog` in two dictionaries."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.claims: dict[tuple[str, bytes], UUID] = {}

    def load(self, ids: Sequence[UUID]) -> dict[UUID, list[Event]]:
        wanted = set(ids)
        found: dict[UUID, list[Event]] = {}
        for event in self.events:
            if event.originator_id in wanted:
                found.setdefault(event.originator_id, []).append(event)
        return found

    def transactions_since(self, ms: int) -> Iterable[UUID]:
        return [event.originator_id for event in self.events if event.originator_id.int >> 80 >= ms]

    def owners(self, keys: Sequence[tuple[str, bytes]]) -> dict[tuple[str, bytes], UUID]:
        return {key: self.claims[key] for key in keys if key in self.claims}

    def append(self, events: Iterable[Event], claims: Sequence[Claim] | None) -> None:
        for event in events:
            last = max(
                (e.originator_version for e in self.load([event.originator_id]).get(
                    event.originator_id, [])),
                default=0,
            )  # fmt: skip
            assert event.originator_version == last + 1, "a stream has no gaps and no forks"
            self.events.append(event)
        for kind, digest, owner, _ in claims or ():
            assert (kind, digest) not in self.claims, "a claim is made once"
            self.claims[kind, digest] = owner

    def recover(self) -> bool:
        return False


class Ledger:
    """The engine without its thread: decides one command at a time."""

    def __init__(self) -> None:
        self.log = MemoryLog()
        self.now_us = NOW_US
        self.states = States(self.log)

    def given(self, *events: Event) -> "Ledger":
        """What happened before."""
        self.log.append(events, None)
        self.states.drop()
        return self

    def when(self, command: Command) -> tuple[Any, list[Event]]:
        """The answer and the events that were stored for it."""
        asking = True
        while asking:
            needs = Needs()
            asking = command.needs(self.states, needs, self.now_us)
            self.states.load_owners(needs.owners)
            self.states.load(needs.ids)
            self.states.load_transactions(needs.transactions)
        answer, events, claims = command.decide(self.states, self.now_us)
        for event in events:
            self.states.apply(event)
        for claim in claims:
            self.states.claim(claim)
        self.log.append(events, claims)
        return answer, list(events)


def origin(number: int = 1, issued_ms: int = NOW_MS) -> Origin:
    """Where a command of a test comes from; another number is another command."""
    return Origin(
        command_id=UUID(int=(number << 64) | (8 << 76) | (2 << 62)),
        issued_ms=issued_ms,
        actor=ACTOR,
        issuer_id=ISSUER,
    )


def context() -> Context:
    """For events of the past."""
    some = UUID(int=7)
    return Context(
        occurred_at_us=NOW_US - 1,
        recorded_at_us=NOW_US - 1,
        actor=ACTOR,
        command_id=some,
        correlation_id=some,
        issuer_id=ISSUER,
    )
