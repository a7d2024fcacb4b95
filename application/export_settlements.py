"""The settlement of shops for a period of business days: every payment, totals, in order.

What it says line by line is decided here; `adapters/reports` write it as CSV or XML. A day that is
over does not change any more: what changes a payment later is an adjustment, a line of the
day on which it was made, which names the payment and its day. The same period of the same ledger
gives the same text.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Protocol
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec

from application.ports import Unavailable
from projections.settlements import Adjustment, Payment, SettledShop

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


class AdjustmentLine(msgspec.Struct, frozen=True, kw_only=True):
    """A later change of a payment of a settled day; when it was made, as the shop's clocks say."""

    shop: SettledShop
    adjustment: Adjustment
    made_at: datetime


class Totals(msgspec.Struct, kw_only=True):
    """Sums in cents: net = authorized + tipped + corrected − reversed − refunded − credited.

    `payments` are those that stand: all but the reversed and voided ones, which are counted beside
    them. Of those that stand, `corrected` ones are worth another amount than at first, by a
    correction, a tip, a refund or a dispute. `adjustments` are changes of payments of settled days;
    their amounts are in the sums. The website's pages count in the same way.
    """

    payments: int = 0
    reversed: int = 0
    corrected: int = 0
    adjustments: int = 0
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

    def adjust(self, adjustment: Adjustment) -> None:
        """Counts an adjustment in."""
        self.adjustments += 1
        self.net_cents += adjustment.change_cents
        moved = by_column(adjustment)
        self.corrected_cents += moved["corrected"]
        self.tipped_cents += moved["tipped"]
        self.reversed_cents -= moved["reversed"]
        self.refunded_cents -= moved["refunded"]
        self.credited_cents -= moved["disputed"]


class ShopTotal(msgspec.Struct, frozen=True, kw_only=True):
    """Ends a shop."""

    shop: SettledShop
    totals: Totals


class Total(msgspec.Struct, frozen=True, kw_only=True):
    """Ends the settlement."""

    shops: int
    totals: Totals


Line = Heading | SettledShop | PaymentLine | AdjustmentLine | ShopTotal | Total
Layout = Callable[[Iterable[Line]], Iterator[str]]
"""A format: the text of the lines, piece by piece."""


class SettlementRecords(Protocol):
    """Where settlements are read."""

    def period(
        self, first: date, last: date, shop_id: UUID | None = None
    ) -> Iterator[tuple[SettledShop, Iterator[Payment | Adjustment]]]:
        """Shops by name, each with its payments by day and transaction, then its adjustments to
        payments of settled days in order; from one snapshot."""


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
    """The settlement, line by line. A shop without any is told of only where it was named."""
    yield Heading(first=first, last=last, shop_id=shop_id)
    shops, overall = 0, Totals()
    for shop, payments in records.period(first, last, shop_id):
        zone, totals, begun = ZoneInfo(shop.timezone), Totals(), False
        for each in payments:
            if not begun:
                begun = True
                yield shop
            if isinstance(each, Adjustment):
                totals.adjust(each)
                overall.adjust(each)
                made_at = _local(each.made_us, zone)
                yield AdjustmentLine(shop=shop, adjustment=each, made_at=made_at)
            else:
                totals.add(each)
                overall.add(each)
                yield _payment(shop, each, zone)
        if not begun and shop_id is not None:
            begun = True
            yield shop
        if begun:
            shops += 1
            yield ShopTotal(shop=shop, totals=totals)
    yield Total(shops=shops, totals=overall)


def _payment(shop: SettledShop, payment: Payment, zone: ZoneInfo) -> PaymentLine:
    return PaymentLine(
        shop=shop,
        payment=payment,
        decided_at=_local(payment.decided_us, zone),
        changed_at=_local(payment.changed_us, zone) if payment.changed_us else None,
    )


def by_column(adjustment: Adjustment) -> dict[str, int]:
    """The cents of an adjustment in the column that it belongs to, 0 in the others."""
    kind = "reversed" if adjustment.kind == "voided" else adjustment.kind
    columns = ("corrected", "reversed", "tipped", "refunded", "disputed")
    return {name: adjustment.change_cents if name == kind else 0 for name in columns}


def money(cents: int) -> str:
    """`12.50`, `-0.05`: a decimal point, two places, no grouping, no sign of currency."""
    whole, rest = divmod(abs(cents), 100)
    return f"{'-' if cents < 0 else ''}{whole}.{rest:02d}"


def _local(at_us: int, zone: ZoneInfo) -> datetime:
    return (_EPOCH + timedelta(microseconds=at_us)).astimezone(zone).replace(microsecond=0)
