"""`projections.settlements.SettlementTables`: the sealed tables of what shops are owed."""

import struct
from collections.abc import Collection, Iterable, Sequence
from typing import Any
from uuid import UUID

from adapters.postgres.data_keys import DataKeys
from adapters.postgres.projection_store import ProjectionDatabase
from adapters.postgres.sealed_tables import Sealer, copy_in, day, int8
from projections.settlements import Adjustment, Payment, SettledShop

PAYMENT_COLUMNS = "transaction_id, position, shop_id, local_date, payload"
ADJUSTMENT_COLUMNS = "position, shop_id, local_date, payload"
_TABLE = b"settlements"
# The same bytes as `place`, in one step: half a million of them are sealed in a rebuild.
_PLACE = struct.Struct(f">I{len(_TABLE)}sI16sIqI16sI10s")
_ROW = struct.Struct(">hi16siqi16siii")


class PaymentSealer:
    """Seals a payment beside its clear columns; opens rows of PAYMENT_COLUMNS."""

    def __init__(self, keys: DataKeys) -> None:
        self._sealer = Sealer(keys, "settlements", Payment)

    def seal(self, payment: Payment) -> bytes:
        """The payload."""
        at = _PLACE.pack(
            *(len(_TABLE), _TABLE, 16, payment.transaction_id.bytes, 8, payment.position),
            *(16, payment.shop_id.bytes, 10, payment.local_date.encode()),
        )
        return self._sealer.seal_at(payment, at)

    def open(self, row: Sequence[Any]) -> Payment:
        """The payment of a row. Raises ReadModelChanged."""
        transaction_id, position, shop_id, local_date, payload = row
        return self._sealer.open(
            payload,
            transaction_id.bytes,
            int8(position),
            shop_id.bytes,
            local_date.isoformat().encode(),
        )


class ShopSealer:
    """Seals a settled shop; opens rows of (shop_id, position, payload)."""

    def __init__(self, keys: DataKeys) -> None:
        self._sealer = Sealer(keys, "settlement_shops", SettledShop)

    def seal(self, shop: SettledShop) -> bytes:
        """The payload."""
        return self._sealer.seal(shop, shop.id.bytes, int8(shop.position))

    def open(self, row: Sequence[Any]) -> SettledShop:
        """The shop of a row. Raises ReadModelChanged."""
        shop_id, position, payload = row
        return self._sealer.open(payload, shop_id.bytes, int8(position))


class AdjustmentSealer:
    """Seals an adjustment; opens rows of (position, shop_id, local_date, payload)."""

    def __init__(self, keys: DataKeys) -> None:
        self._sealer = Sealer(keys, "settlement_adjustments", Adjustment)

    def seal(self, adjustment: Adjustment) -> bytes:
        """The payload."""
        return self._sealer.seal(
            adjustment,
            int8(adjustment.position),
            adjustment.shop_id.bytes,
            adjustment.local_date.encode(),
        )

    def open(self, row: Sequence[Any]) -> Adjustment:
        """The adjustment of a row. Raises ReadModelChanged."""
        position, shop_id, local_date, payload = row
        return self._sealer.open(
            payload, int8(position), shop_id.bytes, local_date.isoformat().encode()
        )


class PostgresSettlements:
    """Writes within the batch of `database`."""

    def __init__(self, database: ProjectionDatabase, keys: DataKeys) -> None:
        self._database = database
        self._payments = PaymentSealer(keys)
        self._shops = ShopSealer(keys)
        self._adjustments = AdjustmentSealer(keys)

    def shops(self, ids: Collection[UUID]) -> dict[UUID, SettledShop]:
        """See the port."""
        found = self._rows(
            "SELECT shop_id, position, payload FROM settlement_shops WHERE shop_id = ANY(%s)",
            [list(ids)],
        )
        return {row[0]: self._shops.open(row) for row in found}

    def put_shops(self, shops: Iterable[SettledShop]) -> None:
        """See the port."""
        with self._database.connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO settlement_shops (shop_id, position, payload) VALUES (%s, %s, %s)"
                " ON CONFLICT (shop_id) DO UPDATE"
                " SET position = excluded.position, payload = excluded.payload",
                [(shop.id, shop.position, self._shops.seal(shop)) for shop in shops],
            )

    def payments(self, ids: Collection[UUID]) -> dict[UUID, Payment]:
        """See the port."""
        found = self._rows(
            f"SELECT {PAYMENT_COLUMNS} FROM settlements WHERE transaction_id = ANY(%s)",
            [list(ids)],
        )
        return {row[0]: self._payments.open(row) for row in found}

    def add_payments(self, payments: Sequence[Payment]) -> None:
        """See the port."""
        rows = map(self._encode, payments)
        copy_in(self._database.connection, "settlements", PAYMENT_COLUMNS, rows)

    def _encode(self, payment: Payment) -> bytes:
        payload = self._payments.seal(payment)
        before = _ROW.pack(
            *(5, 16, payment.transaction_id.bytes, 8, payment.position),
            *(16, payment.shop_id.bytes, 4, day(payment.local_date), len(payload)),
        )
        return before + payload

    def change_payments(self, payments: Sequence[Payment]) -> None:
        """See the port."""
        self._database.connection.execute(
            "UPDATE settlements s SET position = new.position, payload = new.payload"
            " FROM unnest(%b::uuid[], %b::bigint[], %b::bytea[]) AS new (id, position, payload)"
            " WHERE s.transaction_id = new.id",
            [
                [payment.transaction_id for payment in payments],
                [payment.position for payment in payments],
                [self._payments.seal(payment) for payment in payments],
            ],
        )

    def add_adjustments(self, adjustments: Sequence[Adjustment]) -> None:
        """See the port."""
        with self._database.connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO settlement_adjustments (position, shop_id, local_date, payload)"
                " VALUES (%s, %s, %s, %s)",
                [
                    (each.position, each.shop_id, each.local_date, self._adjustments.seal(each))
                    for each in adjustments
                ],
            )

    def _rows(self, statement: str, parameters: list[Any]) -> list[Any]:
        with self._database.connection.cursor(binary=True) as cursor:
            return cursor.execute(statement.encode(), parameters).fetchall()
