"""The settlement of shops for a period of business days: every payment, totals, in order.

What it says line by line is decided here; `adapters/reports` write it as CSV or XML. A period that
has passed does not change by new payments, only by what happens to its payments, which names its
time. The same period of the same ledger gives the same text.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Protocol
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec

from application.ports import Unavailable
from projections.settlements import Payment, SettledShop

CURRENCY = "USD"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Heading(msgspec.Struct, frozen=True, kw_only=True):
    """The period, both days included, and the shop where only one was asked for."""

    first: date
    last: date
    shop_id: UUID | None


class PaymentLine(msgspec.Struct, frozen=True, kw_only=True):
    """A payment of the shop named last; its times as the shop's clocks show them.

    `changed_at` is when its amount last changed, None for never.
    """

    shop: SettledShop
    payment: Payment
    decided_at: datetime
    changed_at: datetime | None


class Totals(msgspec.Struct, kw_only=True):
    """Sums in cents: net = authorized + tipped + corrected − reversed − refunded − credited.

    `payments` are those that stand: all but the reversed and voided ones, which are counted beside
    them. Of those that stand, `corrected` ones are worth another amount than at first, by a
    correction, a tip, a refund or a dispute. The website's pages count in the same way.
    """

    payments: int = 0
    reversed: int = 0
    corrected: int = 0
    authorized_cents: int = 0
    corrected_cents: int = 0
    reversed_cents: int = 0
    tipped_cents: int = 0
    refunded_cents: int = 0
    credited_cents: int = 0
    net_cents: int = 0

    def add(self, payment: Payment) -> None:
        """Counts a payment in."""
        self.payments += not payment.reversed
        self.reversed += payment.reversed
        self.corrected += not payment.reversed and payment.status != "approved"
        self.authorized_cents += payment.authorized_cents
        self.corrected_cents += payment.corrected_cents
        self.reversed_cents += payment.reversed_cents
        self.tipped_cents += payment.tipped_cents
        self.refunded_cents += payment.refunded_cents
        self.credited_cents += payment.credited_cents
        self.net_cents += payment.net_cents


class ShopTotal(msgspec.Struct, frozen=True, kw_only=True):
    """Ends a shop."""

    shop: SettledShop
    totals: Totals


class Total(msgspec.Struct, frozen=True, kw_only=True):
    """Ends the settlement."""

    shops: int
    totals: Totals


Line = Heading | SettledShop | PaymentLine | ShopTotal | Total
Layout = Callable[[Iterable[Line]], Iterator[str]]
"""A format: the text of the lines, piece by piece."""


class SettlementRecords(Protocol):
    """Where settlements are read."""

    def period(
        self, first: date, last: date, shop_id: UUID | None = None
    ) -> Iterator[tuple[SettledShop, Iterator[Payment]]]:
        """Shops by name, each with its payments by day and transaction, from one snapshot."""


class BadPeriod(ValueError):
    """The period makes no sense; the text says what to change."""


def export_settlements(
    records: SettlementRecords,
    up_to_date: Callable[[], bool],
    layout: Layout,
    *,
    first: date,
    last: date,
    shop_id: UUID | None = None,
) -> Iterator[str]:
    """The settlement as text in pieces; begins to read with the first piece.

    `up_to_date` waits until the records hold all that is in the log. Raises BadPeriod at once, and
    Unavailable where the records are behind.
    """
    if last < first:
        raise BadPeriod("The first day lies after the last day.")
    if not up_to_date():
        raise Unavailable("the settlement records, which are being built")
    return layout(settlement_lines(records, first=first, last=last, shop_id=shop_id))


def settlement_lines(
    records: SettlementRecords, *, first: date, last: date, shop_id: UUID | None
) -> Iterator[Line]:
    """The settlement, line by line. A shop without payments is told of only where it was named."""
    yield Heading(first=first, last=last, shop_id=shop_id)
    shops, overall = 0, Totals()
    for shop, payments in records.period(first, last, shop_id):
        zone, totals, begun = ZoneInfo(shop.timezone), Totals(), False
        for payment in payments:
            if not begun:
                begun = True
                yield shop
            totals.add(payment)
            overall.add(payment)
            yield PaymentLine(
                shop=shop,
                payment=payment,
                decided_at=_local(payment.decided_us, zone),
                changed_at=_local(payment.changed_us, zone) if payment.changed_us else None,
            )
        if not begun and shop_id is not None:
            begun = True
            yield shop
        if begun:
            shops += 1
            yield ShopTotal(shop=shop, totals=totals)
    yield Total(shops=shops, totals=overall)


def money(cents: int) -> str:
    """`12.50`, `-0.05`: a decimal point, two places, no grouping, no sign of currency."""
    whole, rest = divmod(abs(cents), 100)
    return f"{'-' if cents < 0 else ''}{whole}.{rest:02d}"


def _local(at_us: int, zone: ZoneInfo) -> datetime:
    return (_EPOCH + timedelta(microseconds=at_us)).astimezone(zone).replace(microsecond=0)
