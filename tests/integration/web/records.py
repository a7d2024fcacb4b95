"""What tests put into the website's database: reports through the real intake, log-ins."""

import asyncio
import hashlib
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar
from uuid import UUID, uuid4

import psycopg
from argon2 import PasswordHasher

from adapters.web.database import Pool, make_pool
from adapters.web.presentation import local_day
from adapters.web.report_message import parse_report
from adapters.web.report_store import Gap, ReportStore, Stored

T = TypeVar("T")

PASSWORD = "three unrelated words"
_HASHES: dict[str, str] = {}


def now_us() -> int:
    return time.time_ns() // 1_000


def with_pool(dsn: str, work: Callable[[Pool], Awaitable[T]]) -> T:
    """Run `work` with a pool on `dsn`."""

    async def run() -> T:
        pool = make_pool(dsn)
        await pool.open(wait=True)
        try:
            return await work(pool)
        finally:
            await pool.close()

    return asyncio.run(run())


def shop(
    name: str = "Joe’s Diner", timezone: str = "America/New_York", shop_id: UUID | None = None
) -> dict[str, Any]:
    return {
        "shop": str(shop_id or uuid4()), "name": name, "timezone": timezone, "category": "5812",
    }  # fmt: skip


def row(position: int, of: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A payment of twelve dollars made just now, with `changes`."""
    occurred_us = changes.pop("occurred_us", now_us())
    return {
        "position": position,
        "shop": of["shop"],
        "transaction": str(uuid4()),
        "terminal": str(uuid4()),
        "terminal_label": "Counter",
        "local_date": local_day(occurred_us, of["timezone"]).isoformat(),
        "occurred_us": occurred_us,
        "card_masked": "508900******1234",
        "kind": "sale",
        "amount_cents": 1_200,
        "original_cents": 1_200,
        "status": "approved",
        **changes,
    }


def report(after: int, upto: int, **changes: Any) -> dict[str, Any]:
    return {
        "id": 1, "report": 1, "after": after, "upto": upto, "as_of_us": now_us(),
        "shops": [], "logins": [], "rows": [], **changes,
    }  # fmt: skip


def store(dsn: str, body: dict[str, Any]) -> Stored | Gap:
    """Take a report in as the link does."""
    parsed = parse_report(json.dumps(body).encode())
    return with_pool(dsn, lambda pool: ReportStore(pool).store(parsed, now_us()))


def login_row(of: dict[str, Any], code: str) -> dict[str, Any]:
    return {
        "shop": of["shop"],
        "activation_sha256": hashlib.sha256(code.encode()).hexdigest(),
    }


def make_login(dsn: str, email: str, *shops: dict[str, Any], password: str = PASSWORD) -> int:
    """A log-in that may see `shops`, as activation would have made it."""
    if password not in _HASHES:
        _HASHES[password] = PasswordHasher(time_cost=3, memory_cost=65_536, parallelism=4).hash(
            password
        )
    with psycopg.connect(dsn) as connection:
        made = connection.execute(
            """INSERT INTO login (email, password_hash, created_us) VALUES (%s, %s, %s)
               RETURNING login_id""",
            (email, _HASHES[password], now_us()),
        ).fetchone()
        assert made is not None
        for each in shops:
            connection.execute(
                "INSERT INTO login_shop (login_id, shop_id) VALUES (%s, %s)",
                (made[0], each["shop"]),
            )
        return int(made[0])


def execute(dsn: str, statement: str, *values: Any) -> list[tuple[Any, ...]]:
    """Run one statement; its rows, if it has any."""
    with psycopg.connect(dsn) as connection:
        cursor = connection.execute(statement.encode(), values)
        return cursor.fetchall() if cursor.description else []
