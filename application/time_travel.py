"""An account as it stood at a past moment, replayed from the log itself and from nothing else."""

from collections.abc import Collection, Sequence
from typing import Protocol
from uuid import UUID

import msgspec

from application.ports import Row
from application.states import EVOLVE
from domain.aggregates.account import Account
from domain.event import Event


class StreamLog(Protocol):
    """The part of `application.audit_history.HistoryLog` that is needed."""

    def streams(self, ids: Collection[UUID]) -> Sequence[Row]: ...

    def open(self, row: Row) -> Event | None: ...


class Past(msgspec.Struct, frozen=True, kw_only=True):
    """The account after its event `version`, the log's event `position`, stored at `at_us`.

    `events` of the account are counted in it; `later` came after the moment that was asked for.
    """

    account: Account
    position: int
    at_us: int
    events: int
    later: int


def account_at(
    log: StreamLog, account_id: UUID, *, at_us: int | None = None, position: int | None = None
) -> Past | None:
    """The account as of a moment (microseconds UTC) or of an event of the log; now without either.

    An event belongs to a moment if it was stored by then. None where the id is of no account, or
    the account was opened later. Raises Unavailable, and Unreadable for a row that was changed.
    """
    account: Account | None = None
    last: tuple[int, int] = (0, 0)
    counted = later = 0
    for row in log.streams([account_id]):
        event = log.open(row)
        if event is None or not event.TOPIC.startswith("account."):
            return None
        beyond_us = at_us is not None and event.recorded_at_us > at_us
        if beyond_us or (position is not None and row.position > position):
            later += 1
            continue
        account = EVOLVE[type(event)](account, event)
        last, counted = (row.position, event.recorded_at_us), counted + 1
    if account is None:
        return None
    return Past(account=account, position=last[0], at_us=last[1], events=counted, later=later)
