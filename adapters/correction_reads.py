"""What corrections are decided and judged by: credits in the log, shops' statements."""

from collections.abc import Callable, Sequence
from datetime import date
from typing import Any
from uuid import UUID

from adapters.postgres.log_reader import SealedLogReader
from adapters.postgres.settlement_reader import SettlementReader
from application.corrections import Credited
from application.ports import Unavailable
from domain.aggregates.account import AccountCredited
from domain.event import stored_topics
from domain.settled_days import counts_on
from projections.guarded import Guarded
from projections.settlements import NAME, Adjustment, Payment

_CREDITED = stored_topics((AccountCredited,))
STATEMENTS_MOST = 15
"""Statements of which the totals are told: a file may touch a thousand."""
_DAYS_MOST = 5
_ACCOUNTS_A_READ = 100


class CorrectionReads:
    """`operator_ports.CorrectionReads`. `caught_up`: whether the settlements hold all."""

    def __init__(
        self,
        log: Callable[[], SealedLogReader],
        settlements: SettlementReader,
        guarded: Guarded,
        caught_up: Callable[[], bool],
    ) -> None:
        self._log = log
        self._settlements = settlements
        self._guarded = guarded
        self._caught_up = caught_up

    def credited(self, wanted: Sequence[tuple[UUID, UUID]]) -> dict[tuple[UUID, UUID], Credited]:
        """See the port."""
        found: dict[tuple[UUID, UUID], Credited] = {}
        pairs, log = set(wanted), self._log()
        accounts = list(dict.fromkeys(account for _, account in wanted))
        try:
            for at in range(0, len(accounts), _ACCOUNTS_A_READ):
                some = accounts[at : at + _ACCOUNTS_A_READ]
                for row in log.streams(some, _CREDITED):
                    event = log.open(row)
                    assert isinstance(event, AccountCredited)
                    place = (event.refill_id, event.originator_id)
                    if place in pairs:
                        found[place] = Credited(event.amount_cents, event.originator_version)
        finally:
            log.close()
        return found

    def statements(self, changes: Sequence[tuple[UUID, int]], now_us: int) -> list[dict[str, Any]]:
        """See the port."""
        if not self._caught_up():
            raise Unavailable("the settlement records, which are being built")
        return self._guarded.read(NAME, lambda: self._statements(changes, now_us))

    def _statements(self, changes: Sequence[tuple[UUID, int]], now_us: int) -> list[dict[str, Any]]:
        payments = self._settlements.payments([id for id, _ in changes])
        zones = self._settlements.shops({each.shop_id for each in payments.values()})
        moved: dict[tuple[UUID, str], int] = {}
        kept: dict[tuple[UUID, str], set[str]] = {}
        for id, change_cents in changes:
            payment = payments.get(id)
            if payment is None or payment.shop_id not in zones:
                raise Unavailable("the settlement records, which are being built")
            zone = zones[payment.shop_id].timezone
            place = payment.shop_id, counts_on(payment.local_date, now_us, zone)
            moved[place] = moved.get(place, 0) + change_cents
            days = kept.setdefault(place, set())
            if place[1] != payment.local_date:
                days.add(payment.local_date)
        found = []
        for (shop_id, day), change_cents in list(moved.items())[:STATEMENTS_MOST]:
            before = self._total(shop_id, day)
            found.append(
                {
                    "shop": str(shop_id),
                    "name": zones[shop_id].name,
                    "day": day,
                    "net_cents": {"before": before, "after": before + change_cents},
                    "settled_days": sorted(kept[shop_id, day])[:_DAYS_MOST],
                }
            )
        return found

    def _total(self, shop_id: UUID, day: str) -> int:
        """What the shop is owed for a business day."""
        at, total = date.fromisoformat(day), 0
        for _, lines in self._settlements.period(at, at, shop_id):
            total += sum(map(_cents, lines))
        return total


def _cents(line: Payment | Adjustment) -> int:
    return line.change_cents if isinstance(line, Adjustment) else line.net_cents
