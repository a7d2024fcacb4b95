"""Which service handles the records of which role."""

from adapters.backend.adjustments import Adjustments
from adapters.backend.contests import Contests
from adapters.backend.device_reads import DeviceReads
from adapters.backend.payments import Payments
from adapters.backend.sessions import Peer
from adapters.backend.watch_commands import CardholdersWord
from protocol.adjustment import ACTIONS
from protocol.bodies import shape_of_request
from protocol.line import Line


class PosService:
    """A terminal: payments, what becomes of them, and the menu it shows."""

    def __init__(self, payments: Payments, adjustments: Adjustments, reads: DeviceReads) -> None:
        self._payments = payments
        self._adjustments = adjustments
        self._reads = reads

    def opened(self, peer: Peer) -> None:
        """Nothing is kept of a terminal but its session."""

    def received(self, peer: Peer, line: Line, body: bytes) -> None:
        """A record of it."""
        shape_of_request(peer.role, line.kind, line.verb)
        if line.verb == "MENU":
            self._reads.received(peer, line, body)
        elif line.verb in ACTIONS:
            self._adjustments.received(peer, line, body)
        else:
            self._payments.received(peer, line, body)

    def closed(self, peer: Peer) -> None:
        """Its undecided requests are dropped by the peer's mark."""


class CardService:
    """A phone with a virtual card."""

    def __init__(self, reads: DeviceReads, word: CardholdersWord, contests: Contests) -> None:
        self._reads = reads
        self._word = word
        self._contests = contests

    def opened(self, peer: Peer) -> None:
        """Decisions about its payments find it by its session."""

    def received(self, peer: Peer, line: Line, body: bytes) -> None:
        """A record of it."""
        shape_of_request(peer.role, line.kind, line.verb)
        if line.verb == "ANSWER":
            self._word.received(peer, body)
        elif line.verb == "DISPUTE":
            self._contests.received(peer, body)
        else:
            self._reads.received(peer, line, body)

    def closed(self, peer: Peer) -> None:
        """Nothing to do."""
