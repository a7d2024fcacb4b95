"""The composition root: the one place where the backend's parts are made and wired."""

import asyncio
import logging
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import psycopg
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from eventsourcing.postgres import PostgresDatastore
from psycopg.conninfo import conninfo_to_dict

from adapters import tls
from adapters.audit.checkpointer import Checkpointer
from adapters.backend import server
from adapters.backend.cryptography_checks import HsmChecks
from adapters.backend.device_reads import DeviceReads
from adapters.backend.hsm_lane import HsmLane
from adapters.backend.operator_ports import Surroundings
from adapters.backend.operator_service import OperatorService
from adapters.backend.operators import Operators
from adapters.backend.payments import Payments
from adapters.backend.personalisation import HsmPersonalisation
from adapters.backend.services import CardService, PosService
from adapters.backend.sessions import Peer, Service, Sessions
from adapters.backend.website_service import WebsiteService
from adapters.hsm import provision
from adapters.hsm.authority import Authority
from adapters.hsm.installation import PIN_CERTIFICATE
from adapters.hsm.keys import Hsm
from adapters.hsm.pin_verification import PinVerification
from adapters.interpreter import set_for_engine
from adapters.ledger_views import LedgerViews
from adapters.postgres.data_keys import DataKeys
from adapters.postgres.databases import ledger_dsn
from adapters.postgres.event_log import SealedEventLog
from adapters.postgres.log_reader import SealedLogReader
from adapters.postgres.mapper import SealedMapper
from adapters.postgres.recorder import ShardRecorder
from adapters.settings import Settings, SettingsError
from application.group_commit import GroupCommit
from application.states import States
from protocol.certificates import BACKEND, Trust
from protocol.encoding import b64
from protocol.handshake import Identity

log = logging.getLogger(__name__)
ISSUERS = UUID("6ba7b811-9dad-11d1-80b4-00c04fd430c8")
"""The name space of issuer ids: RFC 9562's for URLs."""
LOG_ORIGIN = "ticketrestaurant/log"
"""What signed checkpoints are of; the issuer and the shard follow."""
POOL_RECONNECT_S = 1.0
"""A pool gives up after that long and tries anew when asked; else its pauses grow to minutes."""


class SystemClock:
    """The machine's clock, in UTC."""

    def now_us(self) -> int:
        """Microseconds since 1970 UTC."""
        return time.time_ns() // 1_000


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


def hsm_pin(settings: Settings) -> str:
    """The PIN of the HSM, from outside the state folder where the operator says so."""
    if settings.hsm_pin:
        return settings.hsm_pin
    path = settings.hsm_pin_file or settings.secrets / "hsm-pin"
    try:
        return path.read_text().strip()
    except OSError as error:
        raise SettingsError(f"the HSM's PIN cannot be read: {path}: {error.strerror}") from None


def open_hsm(settings: Settings) -> Hsm:
    """The token with the installation's keys. Raises HsmUnavailable, SettingsError."""
    token = provision.open_token(
        settings.home, hsm_pin(settings), module=settings.pkcs11_module, label=settings.hsm_token
    )
    return Hsm(token)


class Ready:
    """The body of READY: the time, the limits, the HSM's key for PIN blocks, certified."""

    def __init__(self, hsm: Hsm, pin_certificate: Path) -> None:
        """`pin_certificate` is a chain in PEM; without that file devices take no PIN."""
        key = PinVerification(hsm.token).pin_public_key()
        spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        self._pin: dict[str, Any] = {"pin_key": b64(spki)}
        try:
            chain = x509.load_pem_x509_certificates(pin_certificate.read_bytes())
        except (OSError, ValueError):
            log.warning("no certificate of the PIN key: run 'ticketrestaurant init'")
        else:
            self._pin["pin_certificate"] = [b64(each.public_bytes(Encoding.DER)) for each in chain]

    def __call__(self, peer: Peer) -> Mapping[str, Any]:
        """For one device."""
        return {
            "time_ms": time.time_ns() // 1_000_000,
            "limits": {"line_bytes": 65_536, "outstanding": 64, "clock_off_ms": 300_000},
            **self._pin,
        }


def backend_identity(settings: Settings, hsm: Hsm) -> Identity:
    """Who the backend is in handshakes: its certificate, and the key that stays in the HSM."""
    path = settings.home / "pki" / "backend.pem"
    try:
        chain = x509.load_pem_x509_certificates(path.read_bytes())
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}: run 'ticketrestaurant init'") from None
    return Identity(BACKEND, [each.public_bytes(Encoding.DER) for each in chain], hsm.sign_identity)


def build_backend(settings: Settings, loop: asyncio.AbstractEventLoop) -> server.Backend:
    """One engine over one shard, one lane to the HSM, one link to the gateway."""
    clock, issuer, dsn = SystemClock(), issuer_id(settings), ledger_dsn(settings)
    hsm = open_hsm(settings)
    authority = Authority(hsm.token)
    keys = DataKeys(lambda: psycopg.connect(dsn, connect_timeout=5), hsm)
    recorder = ShardRecorder(datastore(dsn), dsn)
    event_log = SealedEventLog(recorder, SealedMapper(keys))
    engine = GroupCommit(event_log, States(event_log), clock, server.Delivery(loop))
    lane = HsmLane(loop, hsm.heartbeat)
    trust = Trust(authority.root.public_bytes(Encoding.DER))
    services: dict[str, Service] = {}
    ready = Ready(hsm, settings.home / PIN_CERTIFICATE)
    sessions = Sessions(backend_identity(settings, hsm), trust, lane, services, ready)
    payments = Payments(sessions, lane, HsmChecks(hsm), engine.submit, issuer)
    views = LedgerViews(dsn, keys, event_log.mapper, clock, lambda: recorder.position)
    checkpointer = Checkpointer(
        settings.checkpoints,
        f"{LOG_ORIGIN}/{issuer}/0",
        hsm.log_public_key(),
        hsm.sign_log,
        recorder.rows,
        SealedLogReader(views.connect, event_log.mapper).open,
        clock.now_us,
        on_broken=engine.halt,
    )
    event_log.on_stored(checkpointer.stored)
    event_log.on_stored(lambda rows: views.runner.wake())
    reads = DeviceReads(engine.submit, views.card_history)
    services["pos"] = PosService(payments, reads)
    services["card"] = CardService(reads)
    operators = Operators(
        Surroundings(
            submit=engine.submit,
            lane=lane,
            personalisation=HsmPersonalisation(hsm, authority),
            directory=views.directory,
            audit_history=views.audit_history,
            export_settlements=views.export_settlements,
            clock=clock,
            issuer_id=issuer,
            catch_up=views.caught_up,
        )
    )
    services["website"] = WebsiteService(views.reports)
    services["operator"] = services["auditor"] = OperatorService(operators, sessions.drain)
    return server.Backend(
        host=settings.backend_host,
        port=settings.backend_port,
        ssl_context=tls.server_context(tls.TlsFiles.of_server(settings.home, "backend")),
        lane=lane,
        engine=engine,
        sessions=sessions,
        parts=[checkpointer, views],
    )


def run_backend(settings: Settings) -> None:
    """Serves until SIGTERM or SIGINT. Raises SettingsError, OSError, HsmUnavailable."""
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    # A refused password or a full pool is told once by those who need the connection.
    logging.getLogger("psycopg.pool").setLevel(logging.CRITICAL)
    set_for_engine()
    uvloop.run(server.run(lambda loop: build_backend(settings, loop)))
