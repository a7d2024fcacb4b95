"""The composition root: the one place where the backend's parts are made and wired."""

import asyncio
import logging
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from uuid import UUID, uuid5

import psycopg
import uvloop
from cryptography.hazmat.primitives.serialization import Encoding
from eventsourcing.postgres import PostgresDatastore
from psycopg.conninfo import conninfo_to_dict

from adapters import hsm_choice
from adapters.audit.checkpointer import Checkpointer
from adapters.audit.erasures import Erasures
from adapters.audit.folder import CheckpointFolder
from adapters.audit.places import places
from adapters.audit.publishing import Publisher
from adapters.backend import server
from adapters.backend.adjustments import Adjustments
from adapters.backend.carrying_out import CarryingOut
from adapters.backend.certificate_requests import CertificateRequests
from adapters.backend.contests import Contests
from adapters.backend.cryptography_checks import HsmChecks
from adapters.backend.device_reads import DeviceReads
from adapters.backend.expiry import Expiry
from adapters.backend.found_generations import FoundGenerations
from adapters.backend.hsm_lane import HsmLane
from adapters.backend.hsm_view import HsmView
from adapters.backend.installed_certificates import InstalledCertificates
from adapters.backend.monitor import BackendMonitor
from adapters.backend.operator_ports import Surroundings
from adapters.backend.operator_service import OperatorService
from adapters.backend.operators import Operators
from adapters.backend.payments import Payments
from adapters.backend.personalisation import HsmPersonalisation
from adapters.backend.ready import Ready
from adapters.backend.revocations import Revocations
from adapters.backend.services import CardService, PosService
from adapters.backend.sessions import Service, Sessions
from adapters.backend.validation_answers import ValidationAnswers
from adapters.backend.watch_commands import CardholdersWord
from adapters.backend.website_service import WebsiteService
from adapters.clock import clock_of, system_now_us
from adapters.erasing import Eraser
from adapters.hsm.authority import Authority
from adapters.hsm.certificate_store import CertificateStore
from adapters.hsm.generations import FIRST
from adapters.hsm.installation import BACKEND_CERTIFICATE, PIN_CERTIFICATE, certified
from adapters.hsm.inventory import made_ms
from adapters.hsm.keys import Hsm
from adapters.hsm.pin_verification import PinVerification
from adapters.hsm.validation import Validation
from adapters.interpreter import set_for_engine
from adapters.key_rotation import (
    KeyRotation,
    identity_of,
    newer_log_keys,
    read_chain,
    tell_log_keys,
    use_certified,
)
from adapters.ledger_books import ledger_books
from adapters.ledger_proofs import LedgerProofs
from adapters.ledger_views import LedgerViews
from adapters.monitoring.server import Monitor
from adapters.monitoring.surroundings import certificate_days
from adapters.own_certificates import OwnCertificates
from adapters.postgres import external
from adapters.postgres.data_keys import DataKeys
from adapters.postgres.databases import ledger_dsn
from adapters.postgres.event_log import SealedEventLog
from adapters.postgres.log_reader import SealedLogReader
from adapters.postgres.mapper import SealedMapper
from adapters.postgres.recorder import ShardRecorder
from adapters.postgres.resealing import Resealing
from adapters.postgres.snapshots import Snapshots
from adapters.refilling import build_refilling
from adapters.settings import Settings
from adapters.tls_rotation import WatchedTls
from adapters.wiping import FILE as TO_WIPE
from adapters.wiping import Wiping
from application.group_commit import GroupCommit
from application.states import States
from domain.aggregates.policy import MOST_GRACE_DAYS
from protocol.certificates import Trust
from protocol.handshake import Identity

log = logging.getLogger(__name__)
ISSUERS = UUID("6ba7b811-9dad-11d1-80b4-00c04fd430c8")
"""The name space of issuer ids: RFC 9562's for URLs."""
LOG_ORIGIN = "ticketrestaurant/log"
"""What signed checkpoints are of; the issuer and the shard follow."""
POOL_RECONNECT_S = 1.0
"""A pool gives up after that long and tries anew when asked; else its pauses grow to minutes."""
ISSUED_FOLDER = "pki/issued"
"""In the state folder: the certificates that were issued, as files."""


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


def build_backend(settings: Settings, loop: asyncio.AbstractEventLoop) -> server.Backend:
    """One engine over one shard, a lane to the HSM, one link to the gateway."""
    clock, issuer, dsn = clock_of(settings), issuer_id(settings), ledger_dsn(settings)
    hsm = open_hsm(settings)
    backend_chain = read_chain(settings.home / BACKEND_CERTIFICATE)
    generation = use_certified(hsm.token, "BACKEND-ID", backend_chain)
    identity = identity_of(hsm, backend_chain, generation)
    authority = Authority(hsm.token, validation_url=settings.validated_at)
    if settings.hsm_simulated_delay_ms:
        log.warning("HSM_SIMULATED_DELAY_MS slows every call to the HSM: for measurements only")
    keys = DataKeys(lambda: psycopg.connect(dsn, connect_timeout=5), hsm)
    recorder = ShardRecorder(datastore(dsn), dsn)
    event_log = SealedEventLog(recorder, SealedMapper(keys))
    snapshots = Snapshots(event_log, keys, dsn)
    states = States(event_log, snapshots=snapshots)
    engine = GroupCommit(event_log, states, clock, server.Delivery(loop))
    lane = HsmLane(loop, hsm.heartbeat, hsm_choice.threads(settings))
    trust = Trust(authority.root.public_bytes(Encoding.DER))
    services: dict[str, Service] = {}
    ready = _ready(settings.home / PIN_CERTIFICATE, hsm, clock.now_us)
    views = LedgerViews(dsn, keys, event_log.mapper, clock, lambda: recorder.known_position)
    revocations = Revocations(
        SealedLogReader(views.connect, event_log.mapper),
        lambda serials: _in_loop(loop, sessions.end_sessions_of, serials),
    )
    trust.revoked = authority.revoked = revocations.is_revoked
    trust.grace_ms = MOST_GRACE_DAYS * 24 * 3600 * 1000
    sessions = Sessions(
        identity,
        trust,
        lane,
        services,
        ready,
        recorded=revocations,
    )
    clock.on_moved(lambda: loop.call_soon_threadsafe(sessions.end_all))
    payments = Payments(sessions, lane, HsmChecks(hsm), engine.submit, issuer, clock.now_us)
    installed = InstalledCertificates(
        loop, engine.submit, clock, issuer, lambda: certified(settings.home), revocations
    )
    own = OwnCertificates(settings.home, authority, revocations.is_revoked)
    evidence = CheckpointFolder(settings.checkpoints)
    tell_log_keys(evidence, hsm)
    publisher = Publisher(
        places(settings, hsm.log_public_key()), settings.published_file, system_now_us
    )
    opening = SealedLogReader(views.connect, event_log.mapper)
    checkpointer = _checkpointer(settings, hsm, recorder, opening, publisher, engine.halt)
    event_log.on_stored(checkpointer.stored)
    event_log.on_stored(lambda rows: views.runner.wake())
    reads = DeviceReads(engine.submit, views.card_history, views.card_alerts, clock.now_us)
    adjustments = Adjustments(engine.submit, issuer, clock.now_us)
    services["pos"] = PosService(payments, adjustments, reads)
    word = CardholdersWord(engine.submit, issuer, clock.now_us)
    services["card"] = CardService(reads, word, Contests(engine.submit, issuer, clock.now_us))
    store = CertificateStore(settings.home / ISSUED_FOLDER)
    personalisation = HsmPersonalisation(hsm, authority, store=store)
    proofs = LedgerProofs(
        settings.checkpoints, hsm, identity, views.connect, event_log.mapper, clock
    )
    resealing = Resealing(views.connect, hsm)

    def use_identity(newer: Identity) -> None:
        sessions.use_identity(newer)
        proofs.use_identity(newer)

    rotation = KeyRotation(
        settings.home, hsm, authority, keys, resealing, store, ready, use_identity, evidence
    )
    published = Erasures(settings.publish_folder) if settings.publish_folder else None
    wiping = Wiping(settings.home / TO_WIPE, views.connect)
    eraser = Eraser(Erasures(settings.checkpoints), keys, views.connect, clock, wiping, published)
    refilling = build_refilling(settings, loop, views, clock, issuer, states.read_ahead)
    outside = Surroundings(
        submit=engine.submit,
        submit_later=engine.submit_later,
        lane=lane,
        personalisation=personalisation,
        directory=views.directory,
        hsm=HsmView(
            hsm.token,
            lane,
            settings.hsm_provider,
            lambda: resealing.progress,
            made_ms(authority.root),
        ),
        audit_history=views.audit_history,
        export_settlements=views.export_settlements,
        proofs=proofs,
        rotation=rotation,
        erasing=eraser,
        books=ledger_books(views, hsm, clock, issuer),
        past=views,
        read_models=views.beside,
        corrections=views.corrections,
        refills=refilling.work,
        refill_reads=refilling.reads,
        clock=clock,
        issuer_id=issuer,
        catch_up=views.caught_up,
        rehearse=views.rehearse,
        needed=own.needed,
        is_revoked=revocations.is_revoked,
    )
    refilling.attach(CarryingOut(outside))
    operators = Operators(outside)
    found = FoundGenerations(CarryingOut(outside), outside.turn, issuer, rotation.in_use)
    services["website"] = WebsiteService(views.reports, refilling.webhooks.received)
    services["enrollee"] = CertificateRequests(CarryingOut(outside), personalisation, issuer)
    services["operator"] = services["auditor"] = OperatorService(operators, sessions.drain)
    answers = ValidationAnswers(
        lane,
        Validation(authority, revocations),
        authority.root.public_bytes(Encoding.DER),
        lambda: len(revocations.all()),
        lambda: revocations.complete,
    )
    watched = BackendMonitor(
        home=settings.home,
        loop=loop,
        engine=engine,
        lane=lane,
        sessions=sessions,
        payments=payments,
        checkpointer=checkpointer,
        progress=views.runner.progress,
        last_position=lambda: recorder.position,
        database_answers=lambda: external.is_up(dsn),
        certificate_days=certificate_days(_certificates(settings.home)),
        revoked=own.warnings,
        unrecorded=lambda: found.unrecorded,
        to_wipe=lambda: wiping.pending,
    )
    port = settings.backend_monitor_port
    monitor = Monitor(settings.monitor_host, port, watched.health, watched.collect)
    return server.Backend(
        host=settings.backend_host,
        port=settings.backend_port,
        tls=WatchedTls(settings.home, "backend"),
        lane=lane,
        engine=engine,
        sessions=sessions,
        asked=answers.asked,
        # The last checkpoint is signed before the publisher ends.
        parts=[
            *(clock, publisher, checkpointer, eraser, resealing, snapshots),
            *(views, revocations, installed, found, monitor),
            Expiry(engine.submit_later, views.directory.with_expired, clock, issuer),
            *refilling.parts,
        ],
        link_changed=watched.link_changed,
    )


def _checkpointer(
    settings: Settings,
    hsm: Hsm,
    recorder: ShardRecorder,
    opening: SealedLogReader,
    publisher: Publisher,
    on_broken: Callable[[str], None],
) -> Checkpointer:
    return Checkpointer(
        settings.checkpoints,
        f"{LOG_ORIGIN}/{issuer_id(settings)}/0",
        hsm.log_public_key(),
        hsm.sign_log,
        recorder.rows,
        opening.open,
        system_now_us,
        on_broken=on_broken,
        extent=opening.extent,
        published=[settings.publish_folder] if settings.publish_folder else [],
        on_signed=publisher.offer,
        newer=partial(newer_log_keys, hsm),
    )


def _ready(path: Path, hsm: Hsm, now_us: Callable[[], int]) -> Ready:
    """Of the key whose certificate is there; without that file devices take no PIN."""
    chain = read_chain(path) if path.exists() else []
    generation = use_certified(hsm.token, "PIN-ENC", chain) if chain else FIRST
    return Ready(generation, PinVerification(hsm.token).pin_public_key(), chain, now_us)


def _in_loop(
    loop: asyncio.AbstractEventLoop, call: Callable[[frozenset[int]], None], serials: frozenset[int]
) -> None:
    loop.call_soon_threadsafe(call, serials)


def _certificates(home: Path) -> dict[str, Path]:
    """Those whose expiry stops the backend, or every payment with a PIN."""
    return {
        "tls-backend": home / "tls" / "backend.pem",
        "tls-authority": home / "tls" / "ca.pem",
        "backend": home / "pki" / "backend.pem",
        "pin": home / PIN_CERTIFICATE,
    }


def log_to_stderr() -> None:
    """Our own lines from INFO on; of libraries not those that name what may be a secret."""
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    # It would write every address in full: a query that is a password, a charge's reference.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    # A refused password or a full pool is told once by those who need the connection.
    logging.getLogger("psycopg.pool").setLevel(logging.CRITICAL)


def run_backend(settings: Settings) -> None:
    """Serves until SIGTERM or SIGINT. Raises SettingsError, OSError, HsmUnavailable."""
    log_to_stderr()
    set_for_engine()
    uvloop.run(server.run(lambda loop: build_backend(settings, loop)))
