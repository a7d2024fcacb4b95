"""The ledger opened in this process, as the backend opens it: HSM keys, event log, engine."""

from collections.abc import Callable

import psycopg

from adapters.clock import SystemClock
from adapters.hsm.keys import Hsm
from adapters.ledger_core import datastore, open_hsm
from adapters.postgres.data_keys import DataKeys
from adapters.postgres.databases import ledger_dsn
from adapters.postgres.event_log import SealedEventLog
from adapters.postgres.mapper import SealedMapper
from adapters.postgres.recorder import ShardRecorder
from adapters.postgres.snapshots import Snapshots
from adapters.settings import Settings
from application.group_commit import GroupCommit
from application.states import States
from application.work import Done


class Ledger:
    """Held by this process until `close`: the backend must not run meanwhile."""

    def __init__(self, settings: Settings, hsm: Hsm | None = None) -> None:
        self.settings = settings
        self.hsm = hsm or open_hsm(settings)
        self.dsn = ledger_dsn(settings)
        self.keys = DataKeys(lambda: psycopg.connect(self.dsn), self.hsm)
        self.store = datastore(self.dsn)
        self.log = SealedEventLog(ShardRecorder(self.store, self.dsn), SealedMapper(self.keys))
        self.log.recover()
        self.clock = SystemClock()
        self.snapshots = Snapshots(self.log, self.keys, self.dsn)
        self.snapshots.start()
        self.states = States(self.log, snapshots=self.snapshots)

    def engine(self, deliver: Callable[[list[Done]], None]) -> GroupCommit:
        """A new engine over the ledger; it takes the shard when it starts."""
        return GroupCommit(self.log, self.states, self.clock, deliver)

    def take_back(self) -> None:
        """Takes the shard after an engine was stopped."""
        self.log.recover()

    def close(self) -> None:
        """Gives the shard back."""
        self.snapshots.stop()
        self.log.recorder.release()
        self.store.close()
