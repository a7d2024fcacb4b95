"""Stores a report whole or not at all, and knows how far the reports have come."""

from dataclasses import dataclass
from typing import Any

from psycopg import AsyncConnection
from psycopg.errors import ForeignKeyViolation

from adapters.web.database import Pool
from adapters.web.report_message import Report, ReportRefused, one_line


@dataclass(frozen=True, slots=True)
class Stored:
    """The report is in the database; everything up to `upto` is known."""

    upto: int


@dataclass(frozen=True, slots=True)
class Gap:
    """The report does not follow what is known; the next one has to start after `upto`."""

    upto: int


class ReportStore:
    """Report intake over the website's database."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def upto(self) -> int:
        """The last ledger position that is stored here; 0 before the first report."""
        async with self._pool.connection() as connection:
            row = await (await connection.execute("SELECT upto FROM news")).fetchone()
            return int(row[0]) if row else 0

    async def store(self, report: Report, now_us: int) -> Stored | Gap:
        """Store `report` in one transaction, once however often it comes.

        Raises `ReportRefused` ("malformed") if it speaks of a shop that nobody has reported.
        """
        try:
            async with self._pool.connection() as connection, connection.transaction():
                # The row lock makes two intakes (an old and a new connection) take turns.
                known = await connection.execute("SELECT upto FROM news FOR UPDATE")
                row = await known.fetchone()
                have = int(row[0]) if row else 0
                if report.after != have:
                    return Gap(have)
                await _store_shops(connection, report)
                await _store_logins(connection, report, now_us)
                await _store_transactions(connection, report)
                await _store_news(connection, report, now_us)
                return Stored(report.upto)
        except ForeignKeyViolation:
            raise ReportRefused("malformed", "the report names an unknown shop") from None


async def _store_shops(connection: AsyncConnection[Any], report: Report) -> None:
    async with connection.cursor() as cursor:
        await cursor.executemany(
            """INSERT INTO shop (shop_id, name, timezone, category) VALUES (%s, %s, %s, %s)
               ON CONFLICT (shop_id) DO UPDATE
               SET name = EXCLUDED.name, timezone = EXCLUDED.timezone,
                   category = EXCLUDED.category""",
            [
                (shop.shop, one_line(shop.name), shop.timezone, one_line(shop.category))
                for shop in report.shops
            ],
        )


async def _store_logins(connection: AsyncConnection[Any], report: Report, now_us: int) -> None:
    async with connection.cursor() as cursor:
        await cursor.executemany(
            """INSERT INTO activation (code_sha256, shop_id, received_us) VALUES (%s, %s, %s)
               ON CONFLICT (code_sha256) DO NOTHING""",
            [
                (bytes.fromhex(login.activation_sha256), login.shop, now_us)
                for login in report.logins
                if login.activation_sha256
            ],
        )


async def _store_transactions(connection: AsyncConnection[Any], report: Report) -> None:
    async with connection.cursor() as cursor:
        await cursor.executemany(
            """INSERT INTO shop_transaction AS known
                 (transaction_id, position, shop_id, terminal_id, terminal_label, local_date,
                  occurred_us, card_masked, kind, amount_cents, original_cents, status,
                  adjusts, adjusts_date)
               VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
               ON CONFLICT (transaction_id) DO UPDATE
               SET position = EXCLUDED.position, terminal_label = EXCLUDED.terminal_label,
                   local_date = EXCLUDED.local_date, occurred_us = EXCLUDED.occurred_us,
                   card_masked = EXCLUDED.card_masked, kind = EXCLUDED.kind,
                   amount_cents = EXCLUDED.amount_cents,
                   original_cents = EXCLUDED.original_cents, status = EXCLUDED.status
               WHERE EXCLUDED.position > known.position AND EXCLUDED.shop_id = known.shop_id""",
            [
                (
                    row.transaction,
                    row.position,
                    row.shop,
                    row.terminal,
                    one_line(row.terminal_label),
                    row.local_date,
                    row.occurred_us,
                    row.card_masked,
                    one_line(row.kind),
                    row.amount_cents,
                    row.original_cents,
                    row.status,
                    row.adjusts,
                    row.adjusts_date,
                )
                for row in report.rows
            ],
        )


async def _store_news(connection: AsyncConnection[Any], report: Report, now_us: int) -> None:
    # A report without rows may come late and out of turn: the time shown never goes back.
    await connection.execute(
        """UPDATE news SET upto = %(upto)s, report = %(report)s,
                           as_of_us = %(as_of_us)s, received_us = %(now_us)s
           WHERE as_of_us IS NULL OR as_of_us <= %(as_of_us)s OR upto < %(upto)s""",
        {
            "upto": report.upto,
            "report": report.report,
            "as_of_us": report.as_of_us,
            "now_us": now_us,
        },
    )
