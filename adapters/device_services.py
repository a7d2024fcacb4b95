"""What terminals and phones are served by, wired: payments, and the two processes that check them.

Part of the composition root, in a file of its own because it is a subject of its own.
"""

from collections.abc import MutableMapping
from typing import NamedTuple

from adapters import hsm_process
from adapters.backend.adjustments import Adjustments
from adapters.backend.card_checks import ProcessChecks
from adapters.backend.contests import Contests
from adapters.backend.cryptography_checks import HsmChecks
from adapters.backend.device_reads import DeviceReads
from adapters.backend.payments import Payments
from adapters.backend.reversals import Reversals
from adapters.backend.services import CardService, PosService
from adapters.backend.sessions import Service, Sessions
from adapters.backend.signature_checks import SignatureChecks
from adapters.backend.watch_commands import CardholdersWord
from adapters.ledger_core import Core


class Serving(NamedTuple):
    """Payments, and what has to be started for them."""

    payments: Payments
    signatures: SignatureChecks
    cards: ProcessChecks


def serve_devices(
    core: Core, sessions: Sessions, services: MutableMapping[str, Service]
) -> Serving:
    """Adds the services of roles `pos` and `card`."""
    submit, issuer, now_us, views = core.engine.submit, core.issuer, core.clock.now_us, core.views
    checks, signatures = HsmChecks(core.hsm), SignatureChecks(core.loop)
    cards = ProcessChecks(
        core.loop,
        core.lane,
        core.hsm.token.generations,
        checks.check,
        lambda: hsm_process.greeting(core.settings),
        hsm_process.environment(),
    )
    reversals = Reversals(core.lane, checks.card_digests, submit, issuer, now_us)
    payments = Payments(sessions, cards, submit, signatures, reversals, issuer, now_us)
    reads = DeviceReads(submit, views.card_history, views.card_alerts, now_us)
    services["pos"] = PosService(payments, Adjustments(submit, issuer, now_us), reads)
    services["card"] = CardService(
        reads, CardholdersWord(submit, issuer, now_us), Contests(submit, issuer, now_us)
    )
    return Serving(payments, signatures, cards)
