"""Whether the settlements are all that the log says they are, as far as that is told without keys.

A sealed row cannot be altered or moved unseen, but a row can be taken away, and an older one put in
its place. So payments, adjustments and shops are counted against their events, and the position
that a payment's row carries is held against its last event: topics and positions are clear in the
log.
Each check is asked in the transaction that reads the rows.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from domain.aggregates.shop import ShopRegistered
from domain.aggregates.transaction import Authorized
from domain.event import stored_topics
from projections.ports import ReadModelChanged
from projections.settlements import CHANGES

_AUTHORIZED = sorted(stored_topics((Authorized,)))
_SHOPS = sorted(stored_topics((ShopRegistered,)))
_PAYMENT = sorted(stored_topics((Authorized, *CHANGES)))
_CHANGES = sorted(stored_topics(CHANGES))
_COUNT = (
    "SELECT count(*) FILTER (WHERE topic = ANY(%s)), count(*) FILTER (WHERE topic = ANY(%s)),"
    " count(*) FILTER (WHERE topic = ANY(%s) AND originator_version > 1)"
    " FROM events WHERE shard = 0 AND position > %s AND position <= %s"
)
_STORED = (
    "SELECT (SELECT count(*) FROM settlements), (SELECT count(*) FROM settlement_shops),"
    " (SELECT count(*) FROM settlement_adjustments)"
)
_MISSING = (
    "SELECT count(*) FROM events e WHERE shard = 0 AND topic = ANY(%s)"
    " AND position > %s AND position <= %s AND NOT EXISTS"
    " (SELECT FROM settlements s WHERE s.transaction_id = e.originator_id)"
)
_ADJUSTMENTS_MISSING = (
    "SELECT count(*) FROM events e WHERE shard = 0 AND topic = ANY(%s) AND originator_version > 1"
    " AND position > %s AND position <= %s AND NOT EXISTS"
    " (SELECT FROM settlement_adjustments a WHERE a.position = e.position)"
)
_LAST = (
    "SELECT originator_id, max(position) FROM events WHERE shard = 0 AND originator_id = ANY(%s)"
    " AND position <= %s AND topic = ANY(%s) GROUP BY originator_id"
)


class _Counted(NamedTuple):
    """How many payments, shops and adjustments the log has up to a position."""

    position: int
    payments: int
    shops: int
    adjustments: int


_NOTHING = _Counted(0, 0, 0, 0)


class SettlementCheck:
    """Used from any thread. Everything raises ReadModelChanged.

    The log is counted once; afterwards only what is new is, for it never changes. (Whether it did
    is what `audit verify` finds out.)
    """

    def __init__(self) -> None:
        self._counted = _NOTHING

    def whole(self, connection: Any, known: int) -> None:
        """There are as many of each as the log has up to `known`."""
        before = self._counted if self._counted.position <= known else _NOTHING
        more = connection.execute(
            _COUNT, [_AUTHORIZED, _SHOPS, _CHANGES, before.position, known]
        ).fetchone()
        counted = _Counted(known, *(one + new for one, new in zip(before[1:], more, strict=True)))
        stored = connection.execute(_STORED).fetchone()
        if stored != counted[1:]:
            self._counted = _NOTHING
            raise ReadModelChanged(
                "settlements",
                f"it has {stored[0]:,} payments and {stored[2]:,} adjustments of {stored[1]:,}"
                f" shops; the log up to event {known:,} has {counted.payments:,} and"
                f" {counted.adjustments:,} of {counted.shops:,}",
            )
        self._counted = counted

    def none_missing(self, connection: Any, after: int, upto: int) -> None:
        """Every payment that was authorized in (`after`, `upto`] is there, and every change."""
        for statement, topics, what in (
            (_MISSING, _AUTHORIZED, "payments"),
            (_ADJUSTMENTS_MISSING, _CHANGES, "adjustments"),
        ):
            (missing,) = connection.execute(statement, [topics, after, upto]).fetchone()
            if missing:
                raise ReadModelChanged(
                    "settlements",
                    f"{missing:,} {what} of events {after + 1:,} to {upto:,} are gone",
                )

    def current(self, connection: Any, rows: Sequence[Any], known: int) -> None:
        """Rows that begin with a transaction and a position are as of the payment's last event."""
        if not rows:
            return
        last = dict(
            connection.execute(_LAST, [[row[0] for row in rows], known, _PAYMENT]).fetchall()
        )
        stale = [row[0] for row in rows if last.get(row[0]) != row[1]]
        if stale:
            raise ReadModelChanged(
                "settlements", f"payment {stale[0]} is not as its last event left it"
            )
