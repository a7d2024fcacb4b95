"""Writes the table of data keys anew after a deletion, so that no deleted key lies in its files.

PostgreSQL needs the table for itself for that, and whoever waits for it holds up everybody who
comes later, payments too. So it is tried for a moment only, and again later: while a dump reads the
table, or an older transaction still sees the deleted key, it cannot be done. A file says that it is
still to be done; `status` warns of it.
"""

import json
import logging
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock
from typing import Any, Final

import psycopg
from psycopg.errors import LockNotAvailable

from devices.durable import write_durably

log = logging.getLogger(__name__)
LOCK_MS: Final = 50
"""So long at most payments wait for somebody else's lock on the table, once an attempt."""
FILE: Final = "to-wipe.json"
READ_BY_OTHERS: Final = "somebody reads the table of keys (a dump?)"
SEEN_BY_OTHERS: Final = "an older transaction (a dump?) still sees it"
OWNERS_PART: Final = "the owner of the ledger database must run: VACUUM (FULL) data_keys"
NOT_REACHED: Final = "the ledger database does not answer"
_FILENODE: Final = b"SELECT pg_relation_filenode('data_keys')"
_NUMBER: Final = re.compile(r"\d+")


class Wiping:
    """Around each deletion `deleting`, then `attempt` until nothing is `pending`. Thread-safe."""

    def __init__(self, file: Path, connect: Callable[[], "psycopg.Connection[Any]"]) -> None:
        """`connect` opens a connection as the backend."""
        self._file, self._connect = file, connect
        self._lock = Lock()
        self._why = "not tried yet"

    @property
    def pending(self) -> str:
        """What is left to do, and why; empty where nothing is."""
        since_us = self._noted().get("since_us")
        if since_us is None:
            return ""
        at = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(since_us / 1e6))
        return (
            f"the key of a person who was erased at {at} is deleted, but may still lie in the "
            f"files of the database: {self._why}; it is tried again every minute"
        )

    @contextmanager
    def deleting(self) -> Iterator[None]:
        """Within the block keys are deleted. Noted before: a crash must not forget it.

        Raises OSError, psycopg.Error.
        """
        with self._lock:
            since_us = self._noted().get("since_us", time.time_ns() // 1_000)
            self._note(since_us, None)
            yield
            with self._connect() as connection:
                self._note(since_us, _filenode(connection))

    def attempt(self) -> bool:
        """Whether it is done. Waits for nobody longer than `LOCK_MS`."""
        with self._lock:
            noted = self._noted()
            if not noted:
                return True
            try:
                self._why = self._wiped(noted)
            except LockNotAvailable:
                self._why = READ_BY_OTHERS
            except psycopg.Error as error:
                self._why = NOT_REACHED
                log.warning("the table of keys is written anew later: %s", type(error).__name__)
            if not self._why:
                self._file.unlink(missing_ok=True)
                log.info("the table of keys was written anew: deleted keys are nowhere")
            return not self._why

    def _wiped(self, noted: dict[str, Any]) -> str:
        """Why it is not done, empty where it is."""
        told: list[str] = []
        with self._connect() as connection:
            connection.autocommit = True
            before = _filenode(connection)
            if noted.get("filenode") is None:
                self._note(noted["since_us"], before)
            elif noted["filenode"] != before:
                return ""  # the owner did it
            connection.add_notice_handler(lambda notice: told.append(notice.message_detail or ""))
            connection.execute(f"SET lock_timeout = {LOCK_MS}".encode())
            connection.execute(b"VACUUM (FULL, VERBOSE) data_keys")
            after = _filenode(connection)
        if after == before:
            return OWNERS_PART
        self._note(noted["since_us"], after)
        # "3 dead row versions cannot be removed yet.", in whatever language.
        kept = [int(found[0]) for each in told if (found := _NUMBER.search(each))]
        return SEEN_BY_OTHERS if not kept or kept[0] else ""

    def _noted(self) -> dict[str, Any]:
        try:
            found: dict[str, Any] = json.loads(self._file.read_bytes())
            return {"since_us": int(found["since_us"]), "filenode": found["filenode"]}
        except FileNotFoundError:
            return {}
        except (ValueError, KeyError, TypeError):
            return {"since_us": 0, "filenode": None}

    def _note(self, since_us: int, filenode: int | None) -> None:
        with suppress(FileExistsError):
            self._file.parent.mkdir(mode=0o700, parents=True)
        text = json.dumps({"since_us": since_us, "filenode": filenode})
        write_durably(self._file, text.encode())


def _filenode(connection: "psycopg.Connection[Any]") -> int:
    """Which file holds the table now: another one each time that it was written anew."""
    row = connection.execute(_FILENODE).fetchone()
    return int(row[0]) if row else 0
