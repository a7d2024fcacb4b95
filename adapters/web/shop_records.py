"""What a shop may see of its payments, as the last report told it.

Every read takes the log-in and asks in the same statement whether it may see the shop.
"""

from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection, IsolationLevel
from psycopg.rows import class_row

from adapters.web.database import Pool

PAGE_ROWS = 100
MAX_EXPORT_ROWS = 50_000


@dataclass(frozen=True, slots=True)
class Shop:
    shop_id: UUID
    name: str
    timezone: str

    @property
    def mark(self) -> str:
        """The end of its id, to tell shops of one name apart; an id's last digits are random."""
        return f"…{str(self.shop_id)[-4:]}"


@dataclass(frozen=True, slots=True)
class News:
    """The last report: its number, its time and how far it went; None before the first."""

    upto: int
    report: int | None
    as_of_us: int | None
    received_us: int | None


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over a period; `amount_cents` is net of reversals, corrections and adjustments."""

    transactions: int
    reversed: int
    corrected: int
    adjustments: int
    amount_cents: int

    @property
    def payments(self) -> int:
        """Payments that stand: all but the reversed ones; an adjustment is none."""
        return self.transactions - self.reversed - self.adjustments


@dataclass(frozen=True, slots=True)
class Day:
    """The totals of one business day."""

    local_date: date
    payments: int
    reversed: int
    corrected: int
    amount_cents: int


@dataclass(frozen=True, slots=True)
class Transaction:
    transaction_id: UUID
    terminal_label: str
    local_date: date
    occurred_us: int
    card_masked: str
    kind: str
    amount_cents: int
    original_cents: int
    status: str
    adjusts: UUID | None
    adjusts_date: date | None


@dataclass(frozen=True, slots=True)
class Statement:
    """All that the shop's page shows for a period, read in one snapshot."""

    news: News
    totals: Totals
    days: list[Day]
    transactions: list[Transaction]
    has_any: bool
    """Whether the shop ever had a payment, in this period or another."""


class ShopRecords:
    """Reads for the pages of shops."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def shops_of(self, login_id: int) -> list[Shop]:
        """The shops that a log-in may see, by name."""
        async with (
            self._pool.connection() as connection,
            connection.cursor(row_factory=class_row(Shop)) as cursor,
        ):
            await cursor.execute(
                """SELECT shop_id, name, timezone FROM shop JOIN login_shop USING (shop_id)
                   WHERE login_id = %s ORDER BY name, shop_id""",
                (login_id,),
            )
            return await cursor.fetchall()

    async def shop(self, login_id: int, shop_id: UUID) -> Shop | None:
        """The shop, if this log-in may see it; None also for a shop that does not exist."""
        async with (
            self._pool.connection() as connection,
            connection.cursor(row_factory=class_row(Shop)) as cursor,
        ):
            await cursor.execute(
                """SELECT shop_id, name, timezone FROM shop JOIN login_shop USING (shop_id)
                   WHERE login_id = %s AND shop_id = %s""",
                (login_id, shop_id),
            )
            return await cursor.fetchone()

    async def news(self) -> News:
        """How current everything is."""
        async with self._pool.connection() as connection:
            return await _news(connection)

    async def statement(
        self, login_id: int, shop_id: UUID, first: date, last: date, *, page: int
    ) -> Statement:
        """The period's totals, days and one page (from 1) of its payments, newest first."""
        period = _period(login_id, shop_id, first, last)
        async with self._pool.connection() as connection:
            await connection.set_isolation_level(IsolationLevel.REPEATABLE_READ)
            try:
                return Statement(
                    await _news(connection),
                    await _totals(connection, period),
                    await _days(connection, period),
                    await _transactions(
                        connection, period, limit=PAGE_ROWS, offset=(page - 1) * PAGE_ROWS
                    ),
                    await _has_any(connection, period),
                )
            finally:
                await connection.rollback()
                await connection.set_isolation_level(None)

    async def export(
        self, login_id: int, shop_id: UUID, first: date, last: date
    ) -> tuple[News, list[Transaction]]:
        """The period's payments, newest first, at most `MAX_EXPORT_ROWS` + 1 of them."""
        period = _period(login_id, shop_id, first, last)
        async with self._pool.connection() as connection:
            await connection.set_isolation_level(IsolationLevel.REPEATABLE_READ)
            try:
                return await _news(connection), await _transactions(
                    connection, period, limit=MAX_EXPORT_ROWS + 1, offset=0
                )
            finally:
                await connection.rollback()
                await connection.set_isolation_level(None)


_IN_PERIOD = b"""
    FROM shop_transaction JOIN login_shop USING (shop_id)
    WHERE login_id = %(login_id)s AND shop_id = %(shop_id)s
      AND local_date BETWEEN %(first)s AND %(last)s
"""


def _period(login_id: int, shop_id: UUID, first: date, last: date) -> dict[str, Any]:
    return {"login_id": login_id, "shop_id": shop_id, "first": first, "last": last}


async def _news(connection: AsyncConnection[Any]) -> News:
    async with connection.cursor(row_factory=class_row(News)) as cursor:
        await cursor.execute("SELECT upto, report, as_of_us, received_us FROM news")
        return await cursor.fetchone() or News(0, None, None, None)


async def _totals(connection: AsyncConnection[Any], period: dict[str, Any]) -> Totals:
    async with connection.cursor(row_factory=class_row(Totals)) as cursor:
        await cursor.execute(
            b"""SELECT count(*) AS transactions,
                       count(*) FILTER (WHERE status = 'reversed') AS reversed,
                       count(*) FILTER (WHERE status = 'corrected') AS corrected,
                       count(*) FILTER (WHERE status = 'adjustment') AS adjustments,
                       coalesce(sum(amount_cents), 0)::bigint AS amount_cents"""
            + _IN_PERIOD,
            period,
        )
        return await cursor.fetchone() or Totals(0, 0, 0, 0, 0)


async def _days(connection: AsyncConnection[Any], period: dict[str, Any]) -> list[Day]:
    async with connection.cursor(row_factory=class_row(Day)) as cursor:
        await cursor.execute(
            b"""SELECT local_date,
                       count(*) FILTER (WHERE status IN ('approved', 'corrected')) AS payments,
                       count(*) FILTER (WHERE status = 'reversed') AS reversed,
                       count(*) FILTER (WHERE status = 'corrected') AS corrected,
                       sum(amount_cents)::bigint AS amount_cents"""
            + _IN_PERIOD
            + b"GROUP BY local_date ORDER BY local_date DESC",
            period,
        )
        return await cursor.fetchall()


async def _transactions(
    connection: AsyncConnection[Any], period: dict[str, Any], *, limit: int, offset: int
) -> list[Transaction]:
    async with connection.cursor(row_factory=class_row(Transaction)) as cursor:
        await cursor.execute(
            b"""SELECT transaction_id, terminal_label, local_date, occurred_us, card_masked, kind,
                       amount_cents, original_cents, status, adjusts, adjusts_date"""
            + _IN_PERIOD
            + b"""ORDER BY local_date DESC, occurred_us DESC, transaction_id
                  LIMIT %(limit)s OFFSET %(offset)s""",
            period | {"limit": limit, "offset": offset},
        )
        return await cursor.fetchall()


async def _has_any(connection: AsyncConnection[Any], period: dict[str, Any]) -> bool:
    found = await connection.execute(
        """SELECT 1 FROM shop_transaction JOIN login_shop USING (shop_id)
           WHERE login_id = %(login_id)s AND shop_id = %(shop_id)s LIMIT 1""",
        period,
    )
    return await found.fetchone() is not None
