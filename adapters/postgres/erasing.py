"""Deletes the keys of persons who were erased from a database that was brought back."""

from collections.abc import Collection
from uuid import UUID

import psycopg


def erase_persons(dsn: str, subjects: Collection[UUID]) -> int:
    """Deletes the data keys of these cardholders; how many were still there.

    `dsn` is the owner's. The table is written anew afterwards, so that no deleted key lies in a
    free place of its file. Raises psycopg.Error.
    """
    if not subjects:
        return 0
    with psycopg.connect(dsn, autocommit=True) as connection:
        done = connection.execute(
            "DELETE FROM data_keys WHERE kind = 'person' AND subject = ANY(%s)", (list(subjects),)
        )
        # Always: the backup may be of a moment after the deletion and before the writing anew.
        connection.execute("VACUUM (FULL) data_keys")
        return done.rowcount
