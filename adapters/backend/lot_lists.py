"""Lots as they are shown: what of a balance expires next, and what did."""

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from adapters.backend.operator_ports import Rows
from domain import lots
from domain.aggregates.account import Account
from domain.local_time import local_date

EXPIRES, EXPIRED = "expires", "expired"


def expires_next(account: Account, today: str) -> dict[str, Any]:
    """Of what can be spent: `expires_cents` and their `expires_day`; empty where none expires."""
    for lot in account.lots:
        if lot.last_day >= today:
            return {"expires_cents": lot.cents, "expires_day": lot.last_day}
    return {}


def balance(account: Account, now_us: int) -> dict[str, Any]:
    """What can be spent, what of it expires next, and what has expired and awaits a decision."""
    today = local_date(now_us, account.timezone)
    gone = lots.total(account.expired) + lots.total(lots.expired(account.lots, today))
    return {
        "balance_cents": account.available_cents(today),
        **expires_next(account, today),
        **({"expired_cents": gone} if gone else {}),
    }


def lot_rows(
    accounts: Iterable[Account], names: Mapping[UUID, str], until_day: str, now_us: int
) -> Rows:
    """A row for each account and last day, the earliest first; not later than `until_day`, if any.

    What has expired is one row, whether it was booked yet or not.
    """
    rows: Rows = []
    for account in accounts:
        today = local_date(now_us, account.timezone)
        gone = lots.add(account.expired, lots.expired(account.lots, today))
        left = tuple(lot for lot in account.lots if lot.last_day >= today)
        for state, some in ((EXPIRED, gone), (EXPIRES, left)):
            rows += [
                {
                    "account": str(account.id),
                    "state": state,
                    "last_day": lot.last_day,
                    "amount_cents": lot.cents,
                    "name": names.get(account.cardholder_id, ""),
                }
                for lot in some
                if not until_day or lot.last_day <= until_day
            ]
    return sorted(rows, key=lambda row: (row["last_day"], row["account"]))
