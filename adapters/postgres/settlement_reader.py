"""Reads what shops are owed: for exports, for the website's reports, for a cardholder's history."""

from collections.abc import Collection, Iterator
from datetime import date
from typing import Any
from uuid import UUID

from adapters.postgres.data_keys import DataKeys
from adapters.postgres.readers import Readers, position_of
from adapters.postgres.settlement_check import SettlementCheck
from adapters.postgres.settlement_tables import (
    ADJUSTMENT_COLUMNS,
    PAYMENT_COLUMNS,
    AdjustmentSealer,
    PaymentSealer,
    ShopSealer,
)
from application.report_changes import Changes
from projections.settlements import NAME, Adjustment, Payment, SettledShop

_PAGE = 2_000
_SHOPS = "SELECT shop_id, position, payload FROM settlement_shops"
_PAYMENTS = f"SELECT {PAYMENT_COLUMNS} FROM settlements"
_ADJUSTMENTS = f"SELECT {ADJUSTMENT_COLUMNS} FROM settlement_adjustments"
_NO_ID = UUID(int=0)


class SettlementReader:
    """Reads from any thread. Raises Unavailable, and ReadModelChanged (see `settlement_check`)."""

    def __init__(self, readers: Readers, keys: DataKeys) -> None:
        self._readers = readers
        self._payments = PaymentSealer(keys)
        self._shops = ShopSealer(keys)
        self._adjustments = AdjustmentSealer(keys)
        self._check = SettlementCheck()

    def period(
        self, first: date, last: date, shop_id: UUID | None = None
    ) -> Iterator[tuple[SettledShop, Iterator[Payment | Adjustment]]]:
        """Shops by name, each with its payments of the business days, by day and transaction; then
        the adjustments of those days to payments of settled ones, in order.

        All from one snapshot; each shop's payments are read before the next shop is asked for.
        """
        with self._readers.snapshot() as connection:
            known = position_of(connection, NAME)
            self._check.whole(connection, known)
            where, named = (" WHERE shop_id = %s", [shop_id]) if shop_id else ("", [])
            rows = _fetch(connection, _SHOPS + where, named)
            shops = sorted(map(self._shops.open, rows), key=lambda shop: (shop.name, shop.id))
            for shop in shops:
                yield shop, self._all_of_shop(connection, shop.id, first, last, known)

    def _all_of_shop(
        self, connection: Any, shop_id: UUID, first: date, last: date, known: int
    ) -> Iterator[Payment | Adjustment]:
        yield from self._of_shop(connection, shop_id, first, last, known)
        after: tuple[date, int] = (first, -1)
        while True:
            rows = _fetch(
                connection,
                f"{_ADJUSTMENTS} WHERE shop_id = %s AND local_date <= %s"
                " AND (local_date, position) > (%s, %s) ORDER BY local_date, position LIMIT %s",
                [shop_id, last, *after, _PAGE],
            )
            for row in rows:
                adjustment = self._adjustments.open(row)
                if adjustment.late:
                    yield adjustment
            if len(rows) < _PAGE:
                return
            after = (rows[-1][2], rows[-1][0])

    def _of_shop(
        self, connection: Any, shop_id: UUID, first: date, last: date, known: int
    ) -> Iterator[Payment]:
        after: tuple[date, UUID] = (first, _NO_ID)
        while True:
            rows = _fetch(
                connection,
                f"{_PAYMENTS} WHERE shop_id = %s AND local_date <= %s"
                " AND (local_date, transaction_id) > (%s, %s)"
                " ORDER BY local_date, transaction_id LIMIT %s",
                [shop_id, last, *after, _PAGE],
            )
            self._check.current(connection, rows, known)
            yield from map(self._payments.open, rows)
            if len(rows) < _PAGE:
                return
            after = (rows[-1][3], rows[-1][0])

    def changes(self, after: int, most: int) -> Changes:
        """The first `most` shops, payments and adjustments after a position, as they stand now.

        `upto`: everything that changed until there is in it, or is changed again later.
        """
        page = " WHERE position > %s ORDER BY position LIMIT %s"
        with self._readers.snapshot() as connection:
            known = position_of(connection, NAME)
            payments = _fetch(connection, _PAYMENTS + page, [after, most + 1])
            shops = _fetch(connection, _SHOPS + page, [after, most + 1])
            adjusted = _fetch(connection, _ADJUSTMENTS + page, [after, most + 1])
            positions = sorted({
                *(row[1] for row in (*payments, *shops)), *(row[0] for row in adjusted),
            })  # fmt: skip
            # Never back: a projection that is being rebuilt is behind what was reported.
            upto = positions[most - 1] if len(positions) > most else max(known, after)
            self._check.none_missing(connection, after, min(upto, known))
            self._check.current(connection, payments, known)
        opened = (self._adjustments.open(row) for row in adjusted if row[0] <= upto)
        return Changes(
            after=after,
            upto=upto,
            known=known,
            shops=[self._shops.open(row) for row in shops if row[1] <= upto],
            payments=[self._payments.open(row) for row in payments if row[1] <= upto],
            adjustments=[each for each in opened if each.late],
        )

    def payments(self, ids: Collection[UUID]) -> dict[UUID, Payment]:
        """Payments by transaction, those that are there."""
        rows = self._readers.rows(f"{_PAYMENTS} WHERE transaction_id = ANY(%s)", (list(ids),))
        return {row[0]: self._payments.open(row) for row in rows}

    def shops(self, ids: Collection[UUID]) -> dict[UUID, SettledShop]:
        """Shops by id, those that are there."""
        rows = self._readers.rows(f"{_SHOPS} WHERE shop_id = ANY(%s)", (list(ids),))
        return {row[0]: self._shops.open(row) for row in rows}

    def check_whole(self) -> None:
        """Raises ReadModelChanged where payments or shops are missing, of whatever day."""
        with self._readers.snapshot() as connection:
            self._check.whole(connection, position_of(connection, NAME))

    def next_report_number(self) -> int:
        """A number that no report had before."""
        return int(self._readers.rows("SELECT nextval('report_numbers')")[0][0])

    def of_cards(self, card_ids: Collection[UUID], most: int = 100) -> list[tuple[Payment, str]]:
        """The cards' approved payments, newest first, each with the name of its shop."""
        columns = ", ".join("s." + name for name in PAYMENT_COLUMNS.split(", "))
        rows = self._readers.rows(
            f"SELECT {columns}, p.position, p.payload FROM card_streams c"
            " JOIN settlements s ON s.transaction_id = c.stream_id"
            " JOIN settlement_shops p ON p.shop_id = s.shop_id"
            " WHERE c.card_id = ANY(%s) ORDER BY c.position DESC LIMIT %s",
            (list(card_ids), most),
        )
        return [
            (self._payments.open(row[:5]), self._shops.open((row[2], row[5], row[6])).name)
            for row in rows
        ]


def _fetch(connection: Any, statement: str, parameters: list[Any]) -> list[Any]:
    with connection.cursor(binary=True) as cursor:
        rows: list[Any] = cursor.execute(statement.encode(), parameters).fetchall()
        return rows
