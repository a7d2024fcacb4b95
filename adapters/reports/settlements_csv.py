"""A settlement as CSV (RFC 4180): one record a payment, one a later adjustment, then totals.

UTF-8 without a byte order mark, CRLF, a header, the same columns in every record; what a column
does not apply to is empty. `record` is `payment`, `adjustment`, `shop-total` or `total`. An
adjustment changes the payment `transaction` of the settled day `payment_date`, and counts on
`date`. Amounts are signed decimals with two places; texts that a spreadsheet would compute begin
with an apostrophe.
"""

import csv
import io
from collections.abc import Iterable, Iterator
from datetime import datetime

from application.export_settlements import (
    CURRENCY,
    AdjustmentLine,
    Line,
    PaymentLine,
    ShopTotal,
    Total,
    Totals,
    by_column,
    money,
)
from projections.settlements import Payment

COLUMNS = (
    *("record", "shop", "shop_name", "transaction", "date", "time", "time_zone"),
    *("terminal", "card", "kind", "status"),
    *("authorized", "corrected", "reversed", "net", "currency"),
    *("changed_at", "payments", "payments_corrected", "payments_reversed"),
    *("payment_date", "adjustments"),
    *("tipped", "refunded", "disputed"),
)
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
_NOT_A_PAYMENT = ("",) * 8  # transaction … status
_RECORDS_A_PIECE = 200


def settlements_csv(lines: Iterable[Line]) -> Iterator[str]:
    """`application.export_settlements.Layout`."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for number, record in enumerate(_records(lines), start=1):
        writer.writerow(record)
        if number % _RECORDS_A_PIECE == 0:
            yield text.getvalue()
            text.seek(0)
            text.truncate()
    yield text.getvalue()


def _records(lines: Iterable[Line]) -> Iterator[tuple[object, ...]]:
    for line in lines:
        match line:
            case PaymentLine():
                yield _payment(line)
            case AdjustmentLine():
                yield _adjustment(line)
            case ShopTotal(shop=shop, totals=totals):
                names = ("shop-total", shop.id, safe(shop.name))
                yield (*names, *_NOT_A_PAYMENT, *_totals(totals))
            case Total(totals=totals):
                yield ("total", "", "", *_NOT_A_PAYMENT, *_totals(totals))


def _payment(line: PaymentLine) -> tuple[object, ...]:
    shop, payment = line.shop, line.payment
    return (
        *("payment", shop.id, safe(shop.name), payment.transaction_id),
        *(payment.local_date, _time(line.decided_at), shop.timezone),
        *(safe(payment.terminal_label), payment.card_masked, payment.kind, payment.status),
        *(money(payment.authorized_cents), money(payment.corrected_cents)),
        *(money(-payment.reversed_cents), money(payment.net_cents), payment.currency),
        *(_time(line.changed_at) if line.changed_at else "", "", "", "", "", ""),
        *_moved(payment),
    )


def _adjustment(line: AdjustmentLine) -> tuple[object, ...]:
    shop, made = line.shop, line.adjustment
    moved = {name: money(cents) for name, cents in by_column(made).items()}
    return (
        *("adjustment", shop.id, safe(shop.name), made.transaction_id),
        *(made.local_date, _time(line.made_at), shop.timezone),
        *(safe(made.terminal_label), made.card_masked, made.card_kind, made.kind),
        *(money(0), moved["corrected"], moved["reversed"], money(made.change_cents)),
        *(made.currency, "", "", "", "", made.payment_date, ""),
        *(moved["tipped"], moved["refunded"], moved["disputed"]),
    )


def _totals(totals: Totals) -> tuple[object, ...]:
    return (
        *(money(totals.authorized_cents), money(totals.corrected_cents)),
        *(money(-totals.reversed_cents), money(totals.net_cents), CURRENCY, ""),
        *(totals.payments, totals.corrected, totals.reversed, "", totals.adjustments),
        *_moved(totals),
    )


def _moved(sums: Payment | Totals) -> tuple[str, str, str]:
    """Tips, and what was given back by refunds and for disputes."""
    return money(sums.tipped_cents), money(-sums.refunded_cents), money(-sums.credited_cents)


def _time(at: datetime) -> str:
    return at.isoformat()


def safe(text: str) -> str:
    """The text as a spreadsheet shows it and does not compute it (CWE-1236)."""
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text
