"""The ledger's core, wired: HSM, keys, the event log, its one writer, and what reads it.

Part of the composition root, in a file of its own because it is a subject of its own.
"""

import asyncio
import logging
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid5

import psycopg
from eventsourcing.postgres import PostgresDatastore
from psycopg.conninfo import conninfo_to_dict

from adapters import hsm_choice
from adapters.backend import server
from adapters.backend.hsm_lane import HsmLane
from adapters.clock import BackendClock, clock_of
from adapters.hsm.keys import Hsm
from adapters.ledger_views import LedgerViews
from adapters.postgres.data_keys import DataKeys
from adapters.postgres.databases import ledger_dsn
from adapters.postgres.event_log import SealedEventLog
from adapters.postgres.mapper import SealedMapper
from adapters.postgres.recorder import ShardRecorder
from adapters.postgres.snapshots import Snapshots
from adapters.settings import Settings
from application.group_commit import GroupCommit
from application.states import States

log = logging.getLogger(__name__)
ISSUERS = UUID("6ba7b811-9dad-11d1-80b4-00c04fd430c8")
"""The name space of issuer ids: RFC 9562's for URLs."""
POOL_RECONNECT_S = 1.0
"""A pool gives up after that long and tries anew when asked; else its pauses grow to minutes."""


def issuer_id(settings: Settings) -> UUID:
    """The issuer of this installation, the same for ever for the same name."""
    return uuid5(ISSUERS, settings.issuer_name)


def datastore(dsn: str, connections: int = 4) -> PostgresDatastore:
    """The event-sourcing library's connections for a libpq connection string."""
    given = conninfo_to_dict(dsn)
    password = str(given.get("password") or "")
    passfile = given.get("passfile")
    if not password and passfile:
        password = Path(str(passfile)).read_text().strip().rpartition(":")[2]
    store = PostgresDatastore(
        dbname=str(given.get("dbname", "ledger")),
        host=str(given.get("host", "")),
        port=str(given.get("port", 5432)),
        user=str(given.get("user", "")),
        password=password,
        pool_size=connections,
        connect_timeout=5.0,
    )
    store.pool.reconnect_timeout = POOL_RECONNECT_S
    return store


def open_hsm(settings: Settings) -> Hsm:
    """The token with the installation's keys. Raises HsmUnavailable, SettingsError."""
    return Hsm(hsm_choice.open_token(settings))


@dataclass(frozen=True)
class Core:
    """The ledger with its keys, the one writer over it, and what reads it."""

    settings: Settings
    loop: asyncio.AbstractEventLoop
    clock: BackendClock
    issuer: UUID
    dsn: str
    hsm: Hsm
    lane: HsmLane
    keys: DataKeys
    event_log: SealedEventLog
    snapshots: Snapshots
    states: States
    engine: GroupCommit
    views: LedgerViews

    @property
    def mapper(self) -> SealedMapper:
        """What seals and opens events."""
        return self.event_log.mapper


def open_core(settings: Settings, loop: asyncio.AbstractEventLoop) -> Core:
    """Raises HsmUnavailable, SettingsError. Nothing is asked of the database yet."""
    clock, dsn = clock_of(settings), ledger_dsn(settings)
    hsm = open_hsm(settings)
    if settings.hsm_simulated_delay_ms:
        log.warning("HSM_SIMULATED_DELAY_MS slows every call to the HSM: for measurements only")
    keys = DataKeys(lambda: psycopg.connect(dsn, connect_timeout=5), hsm)
    recorder = ShardRecorder(datastore(dsn), dsn)
    event_log = SealedEventLog(recorder, SealedMapper(keys))
    snapshots = Snapshots(event_log, keys, dsn)
    states = States(event_log, snapshots=snapshots)
    return Core(
        settings=settings,
        loop=loop,
        clock=clock,
        issuer=issuer_id(settings),
        dsn=dsn,
        hsm=hsm,
        lane=HsmLane(loop, hsm.heartbeat, hsm_choice.threads(settings)),
        keys=keys,
        event_log=event_log,
        snapshots=snapshots,
        states=states,
        engine=GroupCommit(event_log, states, clock, server.Delivery(loop)),
        views=LedgerViews(dsn, keys, event_log.mapper, clock, lambda: recorder.known_position),
    )
