"""A settlement as XML, by the schema beside it (`settlements.xsd`)."""

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from xml.sax.saxutils import quoteattr

from application.export_settlements import (
    CURRENCY,
    AdjustmentLine,
    Heading,
    Line,
    PaymentLine,
    ShopTotal,
    Total,
    Totals,
    by_column,
    money,
)
from projections.settlements import Payment, SettledShop

NAMESPACE = "urn:ticketrestaurant-us:settlements:1"
SCHEMA = Path(__file__).with_name("settlements.xsd")
# What XML 1.0 cannot carry, not even escaped.
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def settlements_xml(lines: Iterable[Line]) -> Iterator[str]:
    """`application.export_settlements.Layout`."""
    yield '<?xml version="1.0" encoding="UTF-8"?>\n'
    for line in lines:
        match line:
            case Heading():
                shop = {"shop": line.shop_id} if line.shop_id else {}
                yield _open(
                    "settlements",
                    {"xmlns": NAMESPACE, "from": line.first, "to": line.last, **shop},
                    {"currency": CURRENCY},
                )
            case SettledShop():
                yield "  " + _open(
                    "shop",
                    {"id": line.id, "name": line.name},
                    {"category": line.category, "time-zone": line.timezone},
                )
            case PaymentLine():
                yield "    " + _payment(line)
            case AdjustmentLine():
                yield "    " + _adjustment(line)
            case ShopTotal(totals=totals):
                yield f"    {_empty('total', _totals(totals))}  </shop>\n"
            case Total():
                yield f"  {_empty('total', {'shops': line.shops}, _totals(line.totals))}"
                yield "</settlements>\n"


def _payment(line: PaymentLine) -> str:
    payment = line.payment
    changed = {"changed-at": line.changed_at.isoformat()} if line.changed_at else {}
    return _empty(
        "payment",
        {
            "transaction": payment.transaction_id,
            "date": payment.local_date,
            "time": line.decided_at.isoformat(),
            "terminal": payment.terminal_label,
            "card": payment.card_masked,
            "kind": payment.kind,
            "status": payment.status,
            "authorized": money(payment.authorized_cents),
            "corrected": money(payment.corrected_cents),
            "reversed": money(-payment.reversed_cents),
            **_moved(payment),
            "net": money(payment.net_cents),
        },
        changed,
    )


def _adjustment(line: AdjustmentLine) -> str:
    made, change = line.adjustment, money(line.adjustment.change_cents)
    return _empty(
        "adjustment",
        {
            "of": made.transaction_id,
            "payment-date": made.payment_date,
            "date": made.local_date,
            "time": line.made_at.isoformat(),
            "terminal": made.terminal_label,
            "card": made.card_masked,
            "kind": made.card_kind,
            "status": made.kind,
            "authorized": money(0),
            **{name: money(cents) for name, cents in by_column(made).items()},
            "net": change,
        },
    )


def _totals(totals: Totals) -> Mapping[str, object]:
    return {
        "payments": totals.payments,
        "payments-corrected": totals.corrected,
        "payments-reversed": totals.reversed,
        "adjustments": totals.adjustments,
        "authorized": money(totals.authorized_cents),
        "corrected": money(totals.corrected_cents),
        "reversed": money(-totals.reversed_cents),
        **_moved(totals),
        "net": money(totals.net_cents),
    }


def _moved(sums: Payment | Totals) -> Mapping[str, object]:
    """Tips, and what was given back by refunds and for disputes."""
    return {
        "tipped": money(sums.tipped_cents),
        "refunded": money(-sums.refunded_cents),
        "disputed": money(-sums.credited_cents),
    }


def _open(name: str, *attributes: Mapping[str, object]) -> str:
    return f"<{name}{_attributes(attributes)}>\n"


def _empty(name: str, *attributes: Mapping[str, object]) -> str:
    return f"<{name}{_attributes(attributes)}/>\n"


def _attributes(groups: Iterable[Mapping[str, object]]) -> str:
    return "".join(
        f" {name}={quoteattr(_FORBIDDEN.sub(chr(0xFFFD), str(value)))}"
        for group in groups
        for name, value in group.items()
    )
