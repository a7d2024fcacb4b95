"""A shop's payments as CSV (RFC 4180), safe to open in a spreadsheet."""

import csv
import io
import re
from collections.abc import Sequence
from datetime import date

from adapters.web.presentation import iso_time, local_time, plain_money
from adapters.web.shop_records import News, Shop, Transaction

_HEADER = [
    "date", "time", "occurred_at", "terminal", "card", "kind", "status",
    "amount", "original_amount", "currency", "transaction", "report",
    "adjusts", "adjusts_date",
]  # fmt: skip

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def transactions_csv(shop: Shop, news: News, transactions: Sequence[Transaction]) -> bytes:
    """UTF-8 without a byte order mark, one line a payment, newest first.

    `amount` is what the payment was worth when its day ended, `original_amount` what was approved
    at first. An adjustment is a line of its own: `amount` changes the payment `adjusts`.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(_HEADER)
    for row in transactions:
        writer.writerow(
            [
                row.local_date.isoformat(),
                f"{local_time(row.occurred_us, shop.timezone):%H:%M:%S}",
                iso_time(row.occurred_us, shop.timezone),
                _no_formula(row.terminal_label),
                row.card_masked,
                _no_formula(row.kind),
                row.status,
                plain_money(row.amount_cents),
                plain_money(row.original_cents),
                "USD",
                str(row.transaction_id),
                news.report if news.report is not None else "",
                str(row.adjusts) if row.adjusts else "",
                row.adjusts_date.isoformat() if row.adjusts_date else "",
            ]
        )
    return text.getvalue().encode()


def file_name(shop: Shop, first: date, last: date) -> str:
    """`joe-s-diner_2026-11-01_2026-11-23.csv`: safe in a header and on every file system."""
    slug = re.sub(r"[^a-z0-9]+", "-", shop.name.lower(), flags=re.ASCII).strip("-")[:40] or "shop"
    return f"{slug}_{first.isoformat()}_{last.isoformat()}.csv"


def _no_formula(text: str) -> str:
    """A leading apostrophe keeps a spreadsheet from computing what a name begins (CWE-1236)."""
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text
