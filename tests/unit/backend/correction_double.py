"""What corrections are decided by, as a double over a ledger in memory."""

from collections.abc import Sequence
from uuid import UUID

from adapters.backend.operator_ports import Rows
from application.corrections import Credited
from domain.aggregates.account import AccountCredited
from tests.unit.application.ledger_double import Ledger


class CorrectionReadsDouble:
    """Credits from the ledger's events; one statement, of $100.00 before."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def credited(self, wanted: Sequence[tuple[UUID, UUID]]) -> dict[tuple[UUID, UUID], Credited]:
        return {
            (event.refill_id, event.originator_id): Credited(
                event.amount_cents, event.originator_version
            )
            for event in self._ledger.log.events
            if isinstance(event, AccountCredited)
            and (event.refill_id, event.originator_id) in wanted
        }

    def statements(self, changes: Sequence[tuple[UUID, int]], now_us: int) -> Rows:
        after = 10_000 + sum(change for _, change in changes)
        return [
            {"shop": str(UUID(int=9)), "name": "Corner Deli", "day": "2026-09-21",
             "net_cents": {"before": 10_000, "after": after}, "settled_days": ["2026-09-20"]}
        ]  # fmt: skip
