"""The composition root: the one place where the backend's parts are made and wired."""

import asyncio
import logging
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import uvloop

from adapters.audit.checkpointer import Checkpointer
from adapters.audit.erasures import Erasures
from adapters.audit.folder import CheckpointFolder
from adapters.audit.places import places
from adapters.audit.publishing import Publisher
from adapters.backend import server
from adapters.backend.carrying_out import CarryingOut
from adapters.backend.certificate_requests import CertificateRequests
from adapters.backend.expiry import Expiry
from adapters.backend.found_generations import FoundGenerations
from adapters.backend.hsm_view import HsmView
from adapters.backend.installed_certificates import InstalledCertificates
from adapters.backend.monitor import BackendMonitor
from adapters.backend.operator_ports import Surroundings
from adapters.backend.operator_service import OperatorService
from adapters.backend.operators import Operators
from adapters.backend.personalisation import HsmPersonalisation
from adapters.backend.ready import Ready
from adapters.backend.revocations import Revocations
from adapters.backend.sessions import Service, Sessions
from adapters.backend.validation_answers import ValidationAnswers
from adapters.backend.website_service import WebsiteService
from adapters.clock import system_now_us
from adapters.device_services import serve_devices
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
    use_roots,
    write_retired,
)
from adapters.ledger_books import ledger_books
from adapters.ledger_core import Core, issuer_id, open_core
from adapters.ledger_proofs import LedgerProofs
from adapters.monitoring.server import Monitor
from adapters.monitoring.surroundings import certificate_days
from adapters.own_certificates import OwnCertificates
from adapters.postgres import external
from adapters.postgres.log_reader import SealedLogReader
from adapters.postgres.recorder import ShardRecorder
from adapters.postgres.resealing import Resealing
from adapters.refilling import Refilling, build_refilling
from adapters.settings import Settings
from adapters.tls_rotation import WatchedTls
from adapters.wiping import FILE as TO_WIPE
from adapters.wiping import Wiping
from domain.aggregates.policy import MOST_GRACE_DAYS
from protocol.certificates import Trust
from protocol.handshake import Identity

log = logging.getLogger(__name__)
LOG_ORIGIN = "ticketrestaurant/log"
"""What signed checkpoints are of; the issuer and the shard follow."""
ISSUED_FOLDER = "pki/issued"
"""In the state folder: the certificates that were issued, as files."""


@dataclass(frozen=True)
class _Trusting:
    """Who the backend is, and whom it believes."""

    identity: Identity
    authority: Authority
    trust: Trust
    revocations: Revocations
    ready: Ready
    services: dict[str, Service]
    sessions: Sessions


@dataclass(frozen=True)
class _Evidence:
    """What proves later that the log is what it was."""

    folder: CheckpointFolder
    publisher: Publisher
    checkpointer: Checkpointer
    proofs: LedgerProofs


@dataclass(frozen=True)
class _KeyWork:
    """What happens to keys while the backend serves."""

    personalisation: HsmPersonalisation
    resealing: Resealing
    rotation: KeyRotation
    wiping: Wiping
    eraser: Eraser


def build_backend(settings: Settings, loop: asyncio.AbstractEventLoop) -> server.Backend:
    """One engine over one shard, a lane to the HSM, one link to the gateway."""
    core = open_core(settings, loop)
    trusting = _trusting(core)
    evidence = _evidence(core, trusting)
    key_work = _key_work(core, trusting, evidence)
    refilling = build_refilling(
        settings, loop, core.views, core.clock, core.issuer, core.states.read_ahead
    )
    key_work.rotation.finish()
    own = OwnCertificates(
        settings.home, trusting.authority, trusting.revocations, core.clock.now_us
    )
    outside = _surroundings(core, trusting, evidence, key_work, refilling, own)
    works = CarryingOut(outside)
    refilling.attach(works)
    found = FoundGenerations(works, outside.turn, core.issuer, key_work.rotation.in_use)
    services = trusting.services
    serving = serve_devices(core, trusting.sessions, services)
    services["website"] = WebsiteService(core.views.reports, refilling.webhooks.received)
    services["enrollee"] = CertificateRequests(works, key_work.personalisation, core.issuer)
    services["operator"] = services["auditor"] = OperatorService(
        Operators(outside), trusting.sessions.drain
    )
    watched = BackendMonitor(
        home=settings.home,
        loop=loop,
        engine=core.engine,
        lane=core.lane,
        sessions=trusting.sessions,
        payments=serving.payments,
        cards=serving.cards,
        signatures=serving.signatures,
        checkpointer=evidence.checkpointer,
        progress=core.views.runner.progress,
        last_position=lambda: core.event_log.recorder.position,
        database_answers=lambda: external.is_up(core.dsn),
        certificate_days=certificate_days(_certificates(settings.home)),
        revoked=own.warnings,
        unrecorded=lambda: found.unrecorded,
        to_wipe=lambda: key_work.wiping.pending,
    )
    port = settings.backend_monitor_port
    monitor = Monitor(settings.monitor_host, port, watched.health, watched.collect)
    installed = InstalledCertificates(
        loop, core.engine.submit, core.clock, core.issuer,
        lambda: certified(settings.home), trusting.revocations,
    )  # fmt: skip
    expiry = Expiry(
        core.engine.submit_later, core.views.directory.with_expired, core.clock, core.issuer
    )
    return server.Backend(
        host=settings.backend_host,
        port=settings.backend_port,
        tls=WatchedTls(settings.home, "backend"),
        lane=core.lane,
        engine=core.engine,
        sessions=trusting.sessions,
        asked=_validation_answers(core, trusting).asked,
        # The last checkpoint is signed before the publisher ends.
        parts=[
            *(core.clock, evidence.publisher, evidence.checkpointer, key_work.eraser),
            *(key_work.resealing, core.snapshots, core.views, trusting.revocations),
            *(
                installed,
                found,
                monitor,
                expiry,
                serving.signatures,
                serving.cards,
                *refilling.parts,
            ),
        ],
        link_changed=watched.link_changed,
    )


def _trusting(core: Core) -> _Trusting:
    settings, hsm, loop = core.settings, core.hsm, core.loop
    chain = read_chain(settings.home / BACKEND_CERTIFICATE)
    generation = use_certified(hsm.token, "BACKEND-ID", chain)
    identity = identity_of(hsm, chain, generation)
    authority = Authority(hsm.token, validation_url=settings.validated_at)
    trust = Trust()
    ready = _ready(
        settings.home / PIN_CERTIFICATE, hsm, core.clock.now_us, lambda: authority.roots.told()
    )

    def revoked(serials: frozenset[int]) -> None:
        _in_loop(loop, sessions.end_sessions_of, serials)
        write_retired(settings.home, authority.roots, serials)

    revocations = Revocations(SealedLogReader(core.views.connect, core.mapper), revoked)
    trust.revoked = authority.revoked = authority.roots.revoked = revocations.is_revoked
    use_roots(settings.home, authority.roots, trust)
    trust.grace_ms = MOST_GRACE_DAYS * 24 * 3600 * 1000
    services: dict[str, Service] = {}
    sessions = Sessions(identity, trust, core.lane, services, ready, recorded=revocations)
    core.clock.on_moved(lambda: loop.call_soon_threadsafe(sessions.end_all))
    return _Trusting(identity, authority, trust, revocations, ready, services, sessions)


def _evidence(core: Core, trusting: _Trusting) -> _Evidence:
    settings, hsm = core.settings, core.hsm
    folder = CheckpointFolder(settings.checkpoints)
    tell_log_keys(folder, hsm)
    publisher = Publisher(
        places(settings, hsm.log_public_key()), settings.published_file, system_now_us
    )
    opening = SealedLogReader(core.views.connect, core.mapper)
    checkpointer = _checkpointer(
        settings, hsm, core.event_log.recorder, opening, publisher, core.engine.halt
    )
    core.event_log.on_stored(checkpointer.stored)
    core.event_log.on_stored(lambda rows: core.views.runner.wake())
    proofs = LedgerProofs(
        settings.checkpoints, hsm, trusting.identity, core.views.connect, core.mapper, core.clock
    )
    return _Evidence(folder, publisher, checkpointer, proofs)


def _key_work(core: Core, trusting: _Trusting, evidence: _Evidence) -> _KeyWork:
    settings, hsm, connect = core.settings, core.hsm, core.views.connect
    store = CertificateStore(settings.home / ISSUED_FOLDER)
    resealing = Resealing(connect, hsm)

    def use_identity(newer: Identity) -> None:
        trusting.sessions.use_identity(newer)
        evidence.proofs.use_identity(newer)

    published = Erasures(settings.publish_folder) if settings.publish_folder else None
    wiping = Wiping(settings.home / TO_WIPE, connect)
    return _KeyWork(
        personalisation=HsmPersonalisation(hsm, trusting.authority, store=store),
        resealing=resealing,
        rotation=KeyRotation(
            settings.home, hsm, trusting.authority, core.keys, resealing, store, trusting.ready,
            use_identity, evidence.folder,
            partial(use_roots, settings.home, trusting.authority.roots, trusting.trust),
        ),
        wiping=wiping,
        eraser=Eraser(
            Erasures(settings.checkpoints), core.keys, connect, core.clock, wiping, published
        ),
    )  # fmt: skip


def _surroundings(
    core: Core,
    trusting: _Trusting,
    evidence: _Evidence,
    key_work: _KeyWork,
    refilling: Refilling,
    own: OwnCertificates,
) -> Surroundings:
    """What operators' commands reach."""
    views = core.views
    return Surroundings(
        submit=core.engine.submit,
        submit_later=core.engine.submit_later,
        lane=core.lane,
        personalisation=key_work.personalisation,
        directory=views.directory,
        hsm=HsmView(
            core.hsm.token,
            core.lane,
            core.settings.hsm_provider,
            lambda: key_work.resealing.progress,
            made_ms(trusting.authority.roots.all[0]),
        ),
        audit_history=views.audit_history,
        export_settlements=views.export_settlements,
        proofs=evidence.proofs,
        rotation=key_work.rotation,
        erasing=key_work.eraser,
        books=ledger_books(views, core.hsm, core.clock, core.issuer),
        past=views,
        read_models=views.beside,
        corrections=views.corrections,
        refills=refilling.work,
        refill_reads=refilling.reads,
        clock=core.clock,
        issuer_id=core.issuer,
        catch_up=views.caught_up,
        rehearse=views.rehearse,
        needed=own.needed,
        cut_off=own.cut_off,
        is_revoked=trusting.revocations.is_revoked,
    )


def _validation_answers(core: Core, trusting: _Trusting) -> ValidationAnswers:
    authority, revocations = trusting.authority, trusting.revocations
    return ValidationAnswers(
        core.lane,
        Validation(authority, revocations),
        lambda: len(revocations.all()),
        lambda: revocations.complete,
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


def _ready(
    path: Path, hsm: Hsm, now_us: Callable[[], int], roots: Callable[[], Mapping[str, Any]]
) -> Ready:
    """Of the key whose certificate is there; without that file devices take no PIN."""
    chain = read_chain(path) if path.exists() else []
    generation = use_certified(hsm.token, "PIN-ENC", chain) if chain else FIRST
    return Ready(generation, PinVerification(hsm.token).pin_public_key(), chain, now_us, roots)


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
