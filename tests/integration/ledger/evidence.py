"""A ledger whose rows are followed by a checkpointer with a key of the test."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from adapters.audit.checkpointer import Checkpointer
from adapters.audit.findings import Verification
from adapters.audit.verify import verify_log
from adapters.postgres.log_reader import SealedLogReader
from application.ports import Row
from tests.integration.ledger.databases import LedgerDatabase
from tests.integration.ledger.town import NOW_US, Town, busy_day

ORIGIN = "ticketrestaurant.test/log/0"
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


class Evidence:
    """`write` stores events under a checkpointer's eyes; `verify` looks at all of them."""

    def __init__(self, ledger: LedgerDatabase, folder: Path) -> None:
        self.ledger, self.folder = ledger, folder
        self.days = 0
        self.reader = SealedLogReader(ledger.connect, ledger.mapper)

    def checkpointer(self, **more: Any) -> Checkpointer:
        options: dict[str, Any] = {
            "origin": ORIGIN,
            "key": KEY.public_key(),
            "signer": KEY.sign,
            "read_rows": self.reader.rows,
            "open_row": self.reader.open,
            "now_us": lambda: NOW_US,
            "extent": self.reader.extent,
            "every_s": 60.0,
        }
        return Checkpointer(self.folder, **{**options, **more})

    def write(self, count: int = 1, *, followed: bool = True) -> int:
        """`count` busy days; the number of events that there are then."""
        if followed:
            checkpointer = self.checkpointer()
            checkpointer.start()
            self.ledger.log.on_stored(checkpointer.stored)
        for _ in range(count):
            self.days += 1
            events = busy_day(Town(NOW_US + self.days * 86_400_000_000))
            for at in range(0, len(events), 7):
                self.ledger.append(events[at : at + 7])
        if followed:
            checkpointer.stop()
        self.reader.close()
        return self.ledger.log.recorder.position

    def verify(self, open_row: Callable[[Row], object] | None = None) -> Verification:
        return verify_log(self.ledger.auditor_dsn, self.folder, open_row=open_row)

    def attack(self, *statements: str) -> None:
        """A superuser's work, with every constraint of the table out of the way."""
        with self.ledger.as_attacker() as connection:
            for statement in (
                "ALTER TABLE events DROP CONSTRAINT IF EXISTS events_pkey",
                "DROP INDEX IF EXISTS events_position",
                "ALTER TABLE events DROP CONSTRAINT IF EXISTS events_position_check",
                *statements,
            ):
                connection.execute(statement.encode())
