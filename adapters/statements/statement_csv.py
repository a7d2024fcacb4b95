"""A bank statement as CSV: columns date, amount, reference; text and account where there are any.

Every bank's own columns are others: finance saves its export with these names. Amounts are decimals
with two places, in above zero, out below.
"""

import csv
import io
import re

from adapters.statements.booked import (
    CURRENCY,
    MOST_ENTRIES,
    NAME_MOST,
    BadStatement,
    Booked,
    Statement,
    cents_of,
    day_of,
    in_dollars,
    named,
    tidy,
)

COLUMNS = ("date", "amount", "reference")
_GROUPED = re.compile(r"[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]*)?", re.ASCII)


def read_csv(raw: bytes) -> list[Statement]:
    """The statement of a file. Raises BadStatement."""
    try:
        reader = csv.DictReader(io.StringIO(raw.decode("utf-8-sig"), newline=""), strict=True)
        missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
        if missing:
            raise BadStatement(f"it needs a first line with the columns {', '.join(COLUMNS)}")
        accounts: dict[str, list[Booked]] = {}
        for number, row in enumerate(reader, start=1):
            if number > MOST_ENTRIES:
                raise BadStatement(f"it has more than {MOST_ENTRIES:,} entries")
            entry = _booked(row, f"line {reader.line_num}")
            if entry.amount_cents:
                account = named(row.get("account") or "", "account")
                accounts.setdefault(account, []).append(entry)
    except UnicodeDecodeError:
        raise BadStatement("it is not a text in UTF-8") from None
    except csv.Error:
        raise BadStatement("it is not CSV") from None
    return [Statement(account, "statement", entries) for account, entries in accounts.items()]


def _booked(row: dict[str, str | None], where: str) -> Booked:
    if None in row:  # 1,250.00 without quotes would be an amount of 1
        raise BadStatement(f"{where}: it has more values than there are columns")
    in_dollars(row.get("currency") or CURRENCY, where)
    amount = (row["amount"] or "").strip().replace("$", "", 1)
    sign = -1 if amount.startswith("-") else 1
    digits = amount.removeprefix("-")
    # A comma elsewhere may be somebody's decimal point: 12,50 is not $1,250.00.
    digits = digits.replace(",", "") if _GROUPED.fullmatch(digits) else digits
    return Booked(
        day_of(row["date"] or "", where),
        sign * cents_of(digits, where),
        tidy(f"{row['reference'] or ''} {row.get('text') or ''}"),
        tidy(row["reference"] or "", NAME_MOST),
    )
