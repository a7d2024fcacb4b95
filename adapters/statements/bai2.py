"""BAI2 (Cash Management Balance Reporting, version 2): what US banks deliver.

Records: 01 file, 02 group (one bank, one day), 03 account, 16 transaction, 88 continuation, and the
trailers 49, 98, 99. The control totals of accounts are checked: a file that was cut off, or
changed, is refused. Amounts are whole cents; type codes 100 to 399 are credits, 400 to 699 debits.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

from adapters.statements.booked import (
    CURRENCY,
    MOST_ENTRIES,
    BadStatement,
    Booked,
    Statement,
    in_dollars,
    named,
    tidy,
)

_LINES_MOST: Final = 100_000
_AMOUNT = re.compile(r"[+-]?[0-9]{1,15}", re.ASCII)
_CODE = re.compile(r"[0-9]{3}", re.ASCII)


class _Account:
    """An account while it is read. `control_cents`: the sum of all amounts in its records."""

    def __init__(self, number: str, day: str) -> None:
        self.number = number
        self.day = day
        self.control_cents = 0
        self.entries: list[Booked] = []


def read_bai2(raw: bytes) -> list[Statement]:
    """The statements of a file, one an account and day. Raises BadStatement."""
    found: list[Statement] = []
    day, currency, ended, name = "", CURRENCY, False, "statement"
    account: _Account | None = None
    for line, record in _records(raw):
        where, kind = f"line {line}", record[0]
        if ended:
            raise BadStatement(f"{where}: something stands behind the end of the file")
        if kind == "01":
            name = named(f"{_at(record, 3)} {_at(record, 5)}", "statement")
        elif kind == "02":
            day, currency = _day(_at(record, 4), where), _at(record, 6) or CURRENCY
        elif kind == "03":
            account = _begun(record, account, day, currency, where)
        elif kind == "16":
            _add(record, account, where)
        elif kind == "49":
            found.append(_ended(record, account, name, where))
            account = None
        elif kind == "99":
            ended = True
        elif kind != "98":
            raise BadStatement(f"{where}: there is no record {tidy(kind, 2)!r} in BAI2")
    if not ended or account is not None:
        raise BadStatement("it ends before its trailer (99): it was cut off")
    if sum(len(each.entries) for each in found) > MOST_ENTRIES:
        raise BadStatement(f"it has more than {MOST_ENTRIES:,} entries")
    return found


def _records(raw: bytes) -> Iterator[tuple[int, list[str]]]:
    """Records with their first line, their continuations joined. The text of a transaction may
    hold commas and slashes."""
    try:
        lines = raw.decode("ascii").splitlines()
    except UnicodeDecodeError:
        raise BadStatement("it is not a BAI2 file: it has characters outside of ASCII") from None
    if len(lines) > _LINES_MOST or not lines or not lines[0].startswith("01,"):
        raise BadStatement("it is not a BAI2 file: it does not begin with a record 01")
    begun: tuple[int, str] | None = None
    for number, line in enumerate(lines, start=1):
        text = line.rstrip()
        if not text:
            continue
        if text.startswith("88,"):
            if begun is None:
                raise BadStatement(f"line {number}: it continues nothing")
            begun = (begun[0], _continued(begun[1], text[3:]))
            continue
        if begun is not None:
            yield begun[0], _fields(begun[1])
        begun = (number, text)
    if begun is not None:
        yield begun[0], _fields(begun[1])


def _continued(begun: str, more: str) -> str:
    """A slash ends a field, a comma does already; what ends with neither is a text that goes on."""
    if begun.endswith("/"):
        return f"{begun[:-1]},{more}"
    return begun + more if begun.endswith(",") else f"{begun} {more}"


def _fields(text: str) -> list[str]:
    return text.removesuffix("/").split(",")


def _begun(
    record: Sequence[str], before: _Account | None, day: str, currency: str, where: str
) -> _Account:
    if before is not None or not day:
        raise BadStatement(f"{where}: an account begins in the wrong place")
    in_dollars(_at(record, 2) or currency, where)
    account = _Account(_at(record, 1), day)
    # Then groups of type code, amount, count and funds type: balances and sums.
    at = 3
    while at < len(record):
        account.control_cents += _cents(_at(record, at + 1), where, missing=0)
        at += 3
        at += 1 + _funds_fields(record, at)
    return account


def _add(record: Sequence[str], account: _Account | None, where: str) -> None:
    if account is None:
        raise BadStatement(f"{where}: a transaction of no account")
    code, amount_cents = _at(record, 1), _cents(_at(record, 2), where)
    account.control_cents += amount_cents
    if _CODE.fullmatch(code) is None:
        raise BadStatement(f"{where}: a type code has three digits")
    at = 4 + _funds_fields(record, 3)
    bank, customer = _at(record, at), _at(record, at + 1)
    text = tidy(f"{customer} {','.join(record[at + 2 :])}")
    sign = 1 if 100 <= int(code) <= 399 else -1 if 400 <= int(code) <= 699 else 0
    if sign and amount_cents:
        entry = Booked(account.day, sign * amount_cents, text, tidy(bank, 70))
        account.entries.append(entry)


def _ended(record: Sequence[str], account: _Account | None, name: str, where: str) -> Statement:
    if account is None:
        raise BadStatement(f"{where}: the end of no account")
    if _cents(_at(record, 1), where) != account.control_cents:
        raise BadStatement(f"{where}: the account's amounts do not add up to its control total")
    return Statement(named(account.number, "account"), f"{name} {account.day}", account.entries)


def _funds_fields(record: Sequence[str], at: int) -> int:
    """How many fields follow a funds type: when which part of the money is available."""
    kind = _at(record, at).upper()
    if kind == "V":
        return 2
    if kind == "S":
        return 3
    if kind == "D":
        count = _at(record, at + 1)
        return 1 + 2 * (int(count) if re.fullmatch(r"[0-9]{1,2}", count, re.ASCII) else 0)
    return 0


def _cents(text: str, where: str, missing: int | None = None) -> int:
    if not text.strip() and missing is not None:
        return missing
    if _AMOUNT.fullmatch(text.strip()) is None:
        raise BadStatement(f"{where}: an amount is no whole number of cents")
    return int(text)


def _day(text: str, where: str) -> str:
    try:
        return datetime.strptime(text, "%y%m%d").date().isoformat()  # noqa: DTZ007 - a bank's day
    except ValueError:
        raise BadStatement(f"{where}: the day does not look like 261123") from None


def _at(record: Sequence[str], at: int) -> str:
    return record[at].strip() if at < len(record) else ""
