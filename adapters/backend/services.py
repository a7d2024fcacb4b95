"""Which service handles the records of which role."""

from adapters.backend.device_reads import DeviceReads
from adapters.backend.payments import Payments
from adapters.backend.sessions import Peer
from adapters.backend.watch_commands import CardholdersWord
from protocol.bodies import shape_of_request
from protocol.line import Line


class PosService:
    """A terminal: payments, and the menu it shows."""

    def __init__(self, payments: Payments, reads: DeviceReads) -> None:
        self._payments = payments
        self._reads = reads

    def opened(self, peer: Peer) -> None:
        """Nothing is kept of a terminal but its session."""

    def received(self, peer: Peer, line: Line, body: bytes) -> None:
        """A record of it."""
        shape_of_request(peer.role, line.kind, line.verb)
        if line.verb == "MENU":
            self._reads.received(peer, line, body)
        else:
            self._payments.received(peer, line, body)

    def closed(self, peer: Peer) -> None:
        """Its undecided requests are dropped by the peer's mark."""


class CardService:
    """A phone with a virtual card."""

    def __init__(self, reads: DeviceReads, word: CardholdersWord) -> None:
        self._reads = reads
        self._word = word

    def opened(self, peer: Peer) -> None:
        """Decisions about its payments find it by its session."""

    def received(self, peer: Peer, line: Line, body: bytes) -> None:
        """A record of it."""
        shape_of_request(peer.role, line.kind, line.verb)
        if line.verb == "ANSWER":
            self._word.received(peer, body)
        else:
            self._reads.received(peer, line, body)

    def closed(self, peer: Peer) -> None:
        """Nothing to do."""
