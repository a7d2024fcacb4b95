"""A read model row by row against the one that was built anew beside it.

The rows themselves say nothing: each was sealed with a nonce of its own. So both are opened and
what they hold is compared. Keys are opaque ids, and of what differs only the fields' names are
told: nothing of it is secret.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple

import msgspec
import psycopg

from adapters.postgres.beside import SCHEMA
from adapters.postgres.book_tables import (
    MARK_COLUMNS,
    MOVEMENT_COLUMNS,
    MarkSealer,
    MovementSealer,
)
from adapters.postgres.data_keys import DataKeys
from adapters.postgres.directory_table import StateSealer
from adapters.postgres.settlement_tables import (
    ADJUSTMENT_COLUMNS,
    PAYMENT_COLUMNS,
    AdjustmentSealer,
    PaymentSealer,
    ShopSealer,
)
from projections.ports import ReadModelChanged

_PAGE: Final = 2_000
_ERASED: Final = "erased"
_DAMAGED: Final = "damaged"
_END: Final = None
Row = Sequence[Any]


class Shape(NamedTuple):
    """A table: its columns, how many of them from the first are its key, how a row is opened."""

    columns: str
    key: int
    open: Callable[[Row], Any]


class Difference(NamedTuple):
    """`what`: `missing` in the one in use, `extra` there, or `differs` in `fields`."""

    table: str
    key: str
    what: str
    fields: tuple[str, ...] = ()


def shapes(keys: DataKeys) -> dict[str, Shape]:
    """The tables of all read models."""
    return {
        "settlements": Shape(PAYMENT_COLUMNS, 1, PaymentSealer(keys).open),
        "settlement_shops": Shape("shop_id, position, payload", 1, ShopSealer(keys).open),
        "settlement_adjustments": Shape(ADJUSTMENT_COLUMNS, 1, AdjustmentSealer(keys).open),
        "directory": Shape("id, kind, parent, position, payload", 1, StateSealer(keys).open),
        "card_streams": Shape("card_id, position, stream_id", 2, tuple),
        "book_marks": Shape(MARK_COLUMNS, 1, MarkSealer(keys).open),
        "bank_movements": Shape(MOVEMENT_COLUMNS, 1, MovementSealer(keys).open),
    }


def differences(
    connection: "psycopg.Connection[Any]", table: str, shape: Shape, look: Callable[[], None]
) -> Iterator[Difference]:
    """All of one table, in the order of its key, as `connection`'s snapshot shows both.

    `look` is called before each page and ends it by what it raises.
    """
    in_use = _rows(connection, f"public.{table}", shape, look)
    beside = _rows(connection, f"{SCHEMA}.{table}", shape, look)
    ours, theirs = next(in_use, _END), next(beside, _END)
    while ours is not None or theirs is not None:
        if theirs is None or (ours is not None and _key(ours, shape) < _key(theirs, shape)):
            assert ours is not None
            yield Difference(table, _named(ours, shape), "extra")
            ours = next(in_use, _END)
        elif ours is None or _key(theirs, shape) < _key(ours, shape):
            yield Difference(table, _named(theirs, shape), "missing")
            theirs = next(beside, _END)
        else:
            fields = _differing(ours, theirs, shape)
            if fields:
                yield Difference(table, _named(ours, shape), "differs", fields)
            ours, theirs = next(in_use, _END), next(beside, _END)


def _rows(
    connection: "psycopg.Connection[Any]", table: str, shape: Shape, look: Callable[[], None]
) -> Iterator[Row]:
    """In the order of the key, a page at a time: no table is held in memory."""
    names = shape.columns.split(", ")[: shape.key]
    key = ", ".join(names)
    named = f"SELECT {shape.columns} FROM {table}"
    after: list[Any] = []
    while True:
        look()
        where = f" WHERE ({key}) > ({', '.join(['%s'] * len(names))})" if after else ""
        statement = f"{named}{where} ORDER BY {key} LIMIT {_PAGE}"
        with connection.cursor(binary=True) as cursor:
            page = cursor.execute(statement.encode(), after).fetchall()
        yield from page
        if len(page) < _PAGE:
            return
        after = list(page[-1][: shape.key])


def _key(row: Row, shape: Shape) -> tuple[Any, ...]:
    return tuple(row[: shape.key])


def _named(row: Row, shape: Shape) -> str:
    return " ".join(map(str, _key(row, shape)))


def _differing(ours: Row, theirs: Row, shape: Shape) -> tuple[str, ...]:
    one, other = _opened(ours, shape), _opened(theirs, shape)
    if one == other:
        return ()
    if _DAMAGED in (one, other) or _ERASED in (one, other):
        return (f"in use: {_said(one)}, beside: {_said(other)}",)
    return _names_of_differing(one, other)


def _opened(row: Row, shape: Shape) -> Any:
    try:
        return shape.open(row)
    except ReadModelChanged:
        return _DAMAGED
    except KeyError:
        return _ERASED


def _said(opened: Any) -> str:
    return opened if opened in (_DAMAGED, _ERASED) else "whole"


def _names_of_differing(one: Any, other: Any) -> tuple[str, ...]:
    first, second = _facts(one), _facts(other)
    names = {*first, *second}
    return tuple(sorted(name for name in names if first.get(name) != second.get(name))) or ("?",)


def _facts(opened: Any) -> dict[str, Any]:
    """What was sealed in the row, by field, and beside it what stands in clear."""
    state = getattr(opened, "state", opened)
    facts = msgspec.structs.asdict(state) if isinstance(state, msgspec.Struct) else {}
    if isinstance(opened, tuple):
        names = getattr(opened, "_fields", tuple(map(str, range(len(opened)))))
        facts |= {name: value for name, value in zip(names, opened, strict=True) if name != "state"}
    return facts
