"""What the backend tells about itself: whether it can answer payments, and its figures.

Everything is read where it lies when somebody asks; the engine counts and knows nothing of this.
"""

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from prometheus_client.core import Metric

from adapters.audit.checkpointer import Checkpointer
from adapters.backend.card_checks import ProcessChecks
from adapters.backend.hsm_lane import HsmLane
from adapters.backend.payments import Payments
from adapters.backend.sessions import Sessions
from adapters.backend.signature_checks import SignatureChecks
from adapters.monitoring import families
from adapters.monitoring.health import Health
from adapters.monitoring.server import loop_answers
from adapters.monitoring.surroundings import (
    BACKUP_OLD_S,
    Expiries,
    backup_age_s,
    expiring,
    restarts,
)
from application.group_commit import GroupCommit
from domain.answers import APPROVED_CODE, PARTIAL_CODE, TEXTS
from projections.runner import Progress

UNSIGNED_OLD_S = 30.0
"""Fifteen times the pause between two checkpoints."""
LAG_EVENTS = 50_000
"""A projection so far behind shows yesterday's figures."""
QUEUE_FULL = 0.5
NO_ANSWERS = dict.fromkeys((APPROVED_CODE, PARTIAL_CODE, *(code for code, _ in TEXTS)), 0)
"""Each code is told from the start: else the rate of the first one of a kind is not seen."""


class BackendMonitor:
    """Asked in threads of its own. `last_position` is that of the last commit."""

    def __init__(
        self,
        *,
        home: Path,
        loop: asyncio.AbstractEventLoop,
        engine: GroupCommit,
        lane: HsmLane,
        sessions: Sessions,
        payments: Payments,
        cards: ProcessChecks,
        signatures: SignatureChecks,
        checkpointer: Checkpointer,
        progress: Callable[[], Sequence[Progress]],
        last_position: Callable[[], int],
        database_answers: Callable[[], bool],
        certificate_days: Expiries,
        revoked: Callable[[], Mapping[str, str]],
        unrecorded: Callable[[], Sequence[str]] = tuple,
        to_wipe: Callable[[], str] = str,
    ) -> None:
        self._home = home
        self._loop = loop
        self._engine = engine
        self._lane = lane
        self._sessions = sessions
        self._payments = payments
        self._cards = cards
        self._signatures = signatures
        self._checkpointer = checkpointer
        self._progress = progress
        self._last_position = last_position
        self._database_answers = database_answers
        self._certificate_days = certificate_days
        self._revoked = revoked
        self._unrecorded = unrecorded
        self._to_wipe = to_wipe
        self._link_up = False

    def link_changed(self, up: bool) -> None:
        """The gateway came or went."""
        self._link_up = up

    @property
    def _database_up(self) -> bool:
        """The engine notices when it writes, the projections when they look; not that it hangs."""
        heard = self._engine.available and any(each.ours for each in self._progress())
        return heard and self._database_answers()

    def health(self) -> Health:
        """Codes: docs/operations.md."""
        reasons: dict[str, str] = {}
        live = loop_answers(self._loop)
        if not live:
            reasons["loop"] = "the event loop does not answer"
        if not self._database_up:
            reasons["database"] = "the ledger database does not answer"
        if not self._lane.healthy:
            reasons["hsm"] = "the HSM does not answer"
        broken = self._checkpointer.evidence.broken
        if broken or self._engine.halted:
            why = broken or "the log holds rows that this system did not write"
            reasons["evidence"] = f"{why}: nothing is taken any more; run `audit verify`"
        return Health(live=live, reasons=reasons, warnings=self._warnings())

    def _warnings(self) -> dict[str, str]:
        found = {**expiring(self._certificate_days()), **self._revoked()}
        if not self._link_up:
            found["gateway"] = "no gateway is connected: nobody can reach this backend"
        waiting, most = self._engine.waiting
        if waiting > most * QUEUE_FULL:
            found["queue"] = f"{waiting:,} of {most:,} places in the engine's queue are taken"
        unsigned, age_s = self._unsigned()
        if unsigned and age_s > UNSIGNED_OLD_S:
            found["checkpoint"] = f"{unsigned:,} events wait for a checkpoint since {age_s:,.0f} s"
        if keys := ", ".join(self._unrecorded()):
            found["keys"] = f"in use and not on record yet: {keys}"
        if to_wipe := self._to_wipe():
            found["erasing"] = to_wipe
        for each in self._progress():
            lag = max(0, self._last_position() - each.position)
            if each.stuck:
                found["projections"] = f"{each.name} stands still: {each.stuck}"
            elif lag > LAG_EVENTS:
                found.setdefault("projections", f"{each.name} is {lag:,} events behind")
        backup_s = backup_age_s(self._home)
        if backup_s is None:
            found["backup"] = "no backup was ever made"
        elif backup_s > BACKUP_OLD_S:
            found["backup"] = f"the last backup is {backup_s / 3600:,.0f} hours old"
        return found

    def _unsigned(self) -> tuple[int, float]:
        """How many events no checkpoint covers, and how old the last checkpoint is, in seconds.

        Counted by the last commit, so that a checkpointer that stands still is noticed, too.
        """
        evidence = self._checkpointer.evidence
        age_s = time.time() - evidence.signed_us / 1e6 if evidence.signed_us else 0.0
        return max(0, self._last_position() - evidence.signed_events), max(0.0, age_s)

    def collect(self) -> Iterator[Metric]:
        """Metrics: docs/operations.md."""
        gauge = families.gauge
        engine, lane = self._engine, self._lane
        yield gauge("database_up", "1 while the ledger database answers.", self._database_up)
        yield gauge("hsm_up", "1 while the HSM answers.", lane.healthy)
        yield gauge("gateway_link_up", "1 while a gateway is connected.", self._link_up)
        yield gauge("engine_halted", "1 when the log cannot be trusted.", engine.halted)
        answers = {**NO_ANSWERS, **self._payments.answers}
        yield families.counters("decisions", "Answers to authorizations by code.", "code", answers)
        yield families.histogram(
            "engine_latency_seconds",
            "From the arrival of a work at the engine to its answer.",
            engine.latency,
        )
        yield families.histogram("batch_works", "Works in one commit.", engine.batch_sizes)
        yield gauge("engine_queue_works", "Works that wait for the engine.", engine.waiting[0])
        yield families.histogram(
            "hsm_latency_seconds", "What the HSM is asked at a time, without waiting.", lane.latency
        )
        waiting = lane.waiting + self._cards.waiting
        yield gauge("hsm_queue_jobs", "Jobs that wait for the HSM.", waiting)
        at_work = {"signatures": float(self._signatures.at_work), "hsm": float(self._cards.at_work)}
        yield families.gauges(
            "own_process_up", "1 while a process of the backend's is at work.", "process", at_work
        )
        roles = self._sessions.by_role()
        yield families.gauges("sessions", "Open sessions by role.", "role", roles)
        yield from self._of_the_log()
        yield from self._of_the_house()

    def _of_the_log(self) -> Iterator[Metric]:
        last = self._last_position()
        unsigned, age_s = self._unsigned()
        yield families.gauge("events", "The position of the last commit.", last)
        yield families.gauge("checkpoint_age_seconds", "Since the last checkpoint.", age_s)
        yield families.gauge("unsigned_events", "Events that no checkpoint covers.", unsigned)
        lag = {each.name: float(max(0, last - each.position)) for each in self._progress()}
        yield families.gauges(
            "projection_lag_events", "Events that a projection has yet to read.", "projection", lag
        )

    def _of_the_house(self) -> Iterator[Metric]:
        yield families.gauges(
            "certificate_expiry_days",
            "Days until a certificate expires.",
            "certificate",
            self._certificate_days(),
        )
        age_s = backup_age_s(self._home)
        if age_s is not None:
            yield families.gauge("backup_age_seconds", "Since the last backup.", age_s)
        yield families.counters(
            "restarts",
            "How often the supervisor started a part again.",
            "part",
            restarts(self._home, ("backend", "ledger")),
        )
