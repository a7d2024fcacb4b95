"""`projections.directory.DirectoryTable`: states sealed, a cardholder's under the person's key."""

import contextlib
import struct
from collections.abc import Collection, Iterator, Sequence
from typing import Any
from uuid import UUID

from adapters.postgres.data_keys import DataKeys
from adapters.postgres.projection_store import ProjectionDatabase
from adapters.postgres.readers import Readers
from adapters.postgres.sealed_tables import Sealer, copy_in, int8, uuid_bytes
from projections.directory import KINDS, Listed

_TABLE = b"directory"
_BEFORE_KIND = struct.Struct(f">I{len(_TABLE)}sI16sI")
_POSITION = struct.Struct(">Iq")
_COLUMNS = "id, kind, parent, position, payload"
# A card is listed under its account, and under that account's company or cardholder too.
_UNDER = (
    "kind = %(kind)s AND (%(parent)s::uuid IS NULL OR parent = %(parent)s OR parent IN ("
    " SELECT id FROM directory WHERE kind = 'account' AND parent = %(parent)s))"
)


class StateSealer:
    """Seals states of all kinds; opens rows of (id, kind, parent, position, payload)."""

    def __init__(self, keys: DataKeys) -> None:
        self._sealers: dict[str, Sealer[Any]] = {
            kind: Sealer(keys, "directory", cls) for kind, cls in KINDS.items()
        }
        self._sealers["cardholder"] = Sealer(
            keys,
            "directory",
            KINDS["cardholder"],
            lambda who: keys.run_key() if who.erased else keys.person_key(who.id),
        )

    def seal(self, listed: Listed) -> bytes:
        """The payload."""
        position, state, kind, parent = listed
        name, of = kind.encode(), parent.bytes if parent else b""
        # The same bytes as `place`, in one step: half of all events change an account.
        at = _BEFORE_KIND.pack(len(_TABLE), _TABLE, 16, state.id.bytes, len(name)) + b"".join(
            (name, len(of).to_bytes(4), of, _POSITION.pack(8, position))
        )
        return self._sealers[kind].seal_at(state, at)

    def open(self, row: Sequence[Any]) -> Listed:
        """What is listed in a row. Raises ReadModelChanged, KeyError for an erased person."""
        id, kind, parent, position, payload = row
        state = self._sealers[kind].open(
            payload, id.bytes, kind.encode(), uuid_bytes(parent), int8(position)
        )
        return Listed(position, state, kind, parent)


class PostgresDirectory:
    """Writes within the batch of `database`."""

    def __init__(self, database: ProjectionDatabase, keys: DataKeys) -> None:
        self._database = database
        self._sealer = StateSealer(keys)

    def load(self, ids: Collection[UUID]) -> dict[UUID, Listed]:
        """See the port."""
        with self._database.connection.cursor(binary=True) as cursor:
            rows = cursor.execute(
                f"SELECT {_COLUMNS} FROM directory WHERE id = ANY(%s)".encode(), [list(ids)]
            ).fetchall()
        found: dict[UUID, Listed] = {}
        for row in rows:
            with contextlib.suppress(KeyError):  # a person who was erased
                found[row[0]] = self._sealer.open(row)
        return found

    def add(self, new: Sequence[Listed]) -> None:
        """See the port."""
        copy_in(self._database.connection, "directory", _COLUMNS, map(self._encode, new))

    def _encode(self, listed: Listed) -> bytes:
        """A row in COPY's binary format; a NULL has the length -1."""
        parent = listed.parent
        fields = (
            listed.state.id.bytes,
            listed.kind.encode(),
            parent.bytes if parent else None,
            int8(listed.position),
            self._sealer.seal(listed),
        )
        return b"\0\5" + b"".join(
            b"\xff" * 4 if field is None else len(field).to_bytes(4) + field for field in fields
        )

    def change(self, changed: Sequence[Listed]) -> None:
        """See the port."""
        seal = self._sealer.seal
        self._database.connection.execute(
            "UPDATE directory d SET position = new.position, payload = new.payload"
            " FROM unnest(%b::uuid[], %b::bigint[], %b::bytea[]) AS new (id, position, payload)"
            " WHERE d.id = new.id",
            [
                [each.state.id for each in changed],
                [each.position for each in changed],
                [seal(each) for each in changed],
            ],
        )


class DirectoryReader:
    """Reads from any thread."""

    def __init__(self, readers: Readers, keys: DataKeys) -> None:
        self._readers = readers
        self._sealer = StateSealer(keys)

    def get(self, id: UUID) -> Any | None:
        """The state of one aggregate, None where it is not listed or erased."""
        rows = self._readers.rows(f"SELECT {_COLUMNS} FROM directory WHERE id = %s", (id,))
        return next(self._open(rows), None)

    def ids(self, kind: str, parent: UUID) -> list[UUID]:
        """The ids of a kind right under a parent, in their order."""
        statement = "SELECT id FROM directory WHERE kind = %s AND parent = %s ORDER BY id"
        return [row[0] for row in self._readers.rows(statement, (kind, parent))]

    def pages(self, kind: str, parent: UUID | None = None, size: int = 100) -> Iterator[list[Any]]:
        """All states of a kind (KINDS), in order of id, `size` at a time; those under a parent.

        Accounts of a company, cards of an account, a company or a cardholder, and so on.
        """
        after = UUID(int=0)
        while True:
            rows = self._readers.rows(
                f"SELECT {_COLUMNS} FROM directory WHERE {_UNDER} AND id > %(after)s"
                " ORDER BY id LIMIT %(size)s",
                {"kind": kind, "parent": parent, "after": after, "size": size},
            )
            if rows:
                after = rows[-1][0]
                yield list(self._open(rows))
            if len(rows) < size:
                return

    def _open(self, rows: Sequence[Any]) -> Iterator[Any]:
        for row in rows:
            with contextlib.suppress(KeyError):  # a person who was erased
                yield self._sealer.open(row).state
